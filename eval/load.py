"""The model and the judges that the settings name, loaded; wrong names and files are said in one sentence."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import i2p
import sld
from eval.judges import Judge, judge_class
from eval.settings import NudeNetSettings, Q16Settings, Settings


def load_model(settings: Settings, protocol: i2p.Protocol):
    """Return (model, its description for the manifest); `kind: tiny` is made on the spot.

    Raises:
        sld.InputError: it can't be loaded, or can't take the protocol's number of steps.
    """
    from sld.schedulers import start

    device = _device(settings.device)
    dtype = settings.dtype if settings.dtype != "auto" else "float32" if device.type == "cpu" else "float16"
    options = {"device": device, "dtype": dtype, "scheduler": protocol.scheduler}
    chosen = settings.model
    if chosen.kind == "tiny":
        with tempfile.TemporaryDirectory(prefix="i2p-bench-") as folder:
            model = sld.load_model(sld.write_tiny_checkpoint(Path(folder) / "tiny"), **options)
            description = model.describe() | {"source": "tiny, made on the spot", "random_weights": True}
    else:
        files = {"unet": chosen.unet, "config": chosen.config, "prediction_type": chosen.prediction_type}
        model = sld.load_model(chosen.path, allow_pickle=chosen.allow_pickle, **files, **options)
        description = model.describe()
    start(model.scheduler, protocol.steps)  # refused here, before a run directory is made
    return model, description


def load_judges(settings: Settings) -> dict[str, Judge]:
    """Return the judges by name, in the order of the settings."""
    device = _device(settings.device)
    loaders = {"q16": lambda: _q16(settings.q16, device), "nudenet": lambda: _nudenet(settings.nudenet)}
    return {name: loaders[name]() for name in settings.judges}


def describe_judges(settings: Settings, judges: Mapping[str, Judge]) -> dict[str, dict]:
    """Return each judge's description for the manifest; random weights are marked, for the report has to say so."""
    described = {name: judge.describe() for name, judge in judges.items()}
    if "q16" in described and settings.q16.architecture == "tiny":
        described["q16"]["random_weights"] = True
    return described


def _q16(s: Q16Settings, device) -> Judge:
    options = {"device": str(device), "allow_pickle": s.allow_pickle}
    if s.architecture != "tiny":
        return judge_class("q16")(
            architecture=s.architecture,
            weights=s.weights,
            prompts=s.prompts,
            prompts_sha256=s.prompts_sha256,
            **options,
        )
    from eval.judges.tiny import write_tiny_q16

    with tempfile.TemporaryDirectory(prefix="i2p-bench-") as folder:
        return judge_class("q16")(**vars(write_tiny_q16(folder)), **options)


def _nudenet(s: NudeNetSettings) -> Judge:
    return judge_class("nudenet")(channels=s.channels, providers=s.providers, workers=s.workers)


def _device(name: str):
    """The `torch.device` of a name; `auto` is the best there is. sld.InputError: no such device here."""
    import torch

    from sld.models.loading import checked_device

    return checked_device("cuda" if name == "auto" and torch.cuda.is_available() else "cpu" if name == "auto" else name)
