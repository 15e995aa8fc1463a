"""The model and the judges that the settings name, loaded, and the run opened: what every process does first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import i2p
import sld
from eval.config.devices import device_of, model_dtype, q16_dtype
from eval.config.keys import MODEL, NUDENET, Q16, as_keys
from eval.config.settings import DEMO, NudeNetSettings, Settings
from eval.generate.remarks import drawing_deviations, drawing_remarks
from eval.judges import Judge, judge_class
from eval.plan.plan import Plan
from eval.plan.record import make_manifest
from eval.plan.same_run import open_run
from eval.store.rundir import RunDir
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


def open_models(settings: Settings, plan: Plan, run: RunDir):
    """Load the model and the judges and open the run; return (model, judges by name).

    Raises:
        InputError, sld.InputError: something can't be loaded, or the directory holds another run.
    """
    judges = load_judges(settings)
    model, description = load_model(settings, plan.protocol)
    remarks = drawing_remarks(plan, model) if run.read_manifest() is None else ()
    on_record = replace(plan, deviations=(*plan.deviations, *drawing_deviations(plan, model)))
    open_run(run, make_manifest(settings, on_record, description, describe_judges(settings, judges), remarks), plan)
    return model, judges
