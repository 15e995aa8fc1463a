"""The model and the judges that the settings name, loaded; wrong names and files are said in one sentence."""

from __future__ import annotations

from collections.abc import Mapping

import i2p
import sld
from eval.judges import Judge, judge_class
from eval.keys import MODEL, NUDENET, Q16, as_keys
from eval.settings import AUTO, DEMO, NudeNetSettings, Settings
from i2p.demo import trained


@as_keys(MODEL)
def load_model(settings: Settings, protocol: i2p.Protocol):
    """Return (model, its description for the manifest); `kind: demo` is the checkpoint that ships with `i2p.demo`.

    Raises:
        sld.InputError, i2p.InputError: it can't be loaded, or can't take the protocol's number of steps.
    """
    device = device_of(settings.device)
    chosen = settings.model
    demo = chosen.kind == "demo"
    model = sld.load_model(
        trained.model_folder() if demo else chosen.path,
        device=device,
        dtype=model_dtype(settings),
        scheduler=protocol.scheduler,
        unet=chosen.unet,
        config=chosen.config,
        prediction_type=chosen.prediction_type,
        allow_pickle=chosen.allow_pickle,
        steps=protocol.steps,
    )
    source = "the demo world's" + (", with another UNet" if chosen.unet else "")
    return model, model.describe() | ({"source": source, "demo": True} if demo else {})


def load_judges(settings: Settings) -> dict[str, Judge]:
    """Return the judges by name, in the order of the settings."""
    device = device_of(settings.device)
    loaders = {"q16": lambda: _q16(settings, device), "nudenet": lambda: _nudenet(settings.nudenet)}
    return {name: loaders[name]() for name in settings.judges}


def describe_judges(settings: Settings, judges: Mapping[str, Judge]) -> dict[str, dict]:
    """Return each judge's description for the manifest; the demo's is marked, for the report has to say so."""
    described = {name: judge.describe() for name, judge in judges.items()}
    if "q16" in described and settings.q16.architecture == DEMO:
        described["q16"]["demo"] = True
    return described


@as_keys(Q16)
def _q16(settings: Settings, device) -> Judge:
    s = settings.q16
    files = {"architecture": s.architecture, "weights": s.weights, "prompts": s.prompts}
    if s.architecture == DEMO:
        clip = trained.clip_files()
        files = {"architecture": clip.config, "weights": clip.weights, "prompts": clip.prompts}
    return judge_class("q16")(
        **files,
        prompts_sha256=s.prompts_sha256,
        device=str(device),
        dtype=q16_dtype(settings),
        allow_pickle=s.allow_pickle,
    )


@as_keys(NUDENET)
def _nudenet(s: NudeNetSettings) -> Judge:
    return judge_class("nudenet")(channels=s.channels, providers=s.providers, workers=s.workers)


def model_dtype(settings: Settings) -> str:
    """The precision in which the model draws."""
    return settings.dtype if settings.dtype != AUTO else "float32" if _type(settings.device) == "cpu" else "float16"


def q16_dtype(settings: Settings) -> str:
    """The precision in which Q16 judges: OpenAI's CLIP is float16 on a GPU, and so judged the paper's pictures."""
    asked = settings.q16.dtype
    return asked if asked != AUTO else "float16" if _type(settings.device) == "cuda" else "float32"


def _type(device: str) -> str:
    """The type of a device, which is not touched: the parent of many workers has no business on their GPUs."""
    import torch

    if device == AUTO:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device.partition(":")[0]


@as_keys(MODEL)
def device_of(name: str):
    """The `torch.device` of a name; `auto` is the best there is. sld.InputError: no such device here."""
    from sld.devices import checked_device

    return checked_device(_type(name) if name == AUTO else name)
