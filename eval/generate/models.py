"""Load the model and the judges and open the run directory: the first step of every process."""

from __future__ import annotations

from dataclasses import replace

import i2p
import sld
from eval.config.keys import MODEL, as_keys
from eval.config.settings import Settings, model_dtype
from eval.generate.remarks import drawing_deviations, drawing_remarks
from eval.judges import Judge, described, judge_class
from eval.plan.plan import Plan
from eval.plan.record import make_manifest
from eval.plan.same_run import open_run
from eval.store.rundir import RunDir
from i2p.demo import trained
from sld.devices import device_of


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


def load_judges(settings: Settings, threads: int | None = None) -> dict[str, Judge]:
    """Return the judges by name, in the order of the settings.

    Args:
        settings: of the run.
        threads: how many cores this process may use where it is one of several; None for all.
    """
    device, judges = str(device_of(settings.device)), {}
    for name in settings.judges:
        judge = judge_class(name)
        with as_keys(judge.keys()):
            judges[name] = judge.load(getattr(settings, name), device, threads)
    return judges


def open_models(settings: Settings, plan: Plan, run: RunDir, threads: int | None = None):
    """Load the model and the judges and open the run; return (model, judges by name).

    `threads` is how many cores this process may use where it is one of several.

    Raises:
        InputError, sld.InputError: something can't be loaded, or the directory holds another run.
    """
    judges = load_judges(settings, threads)
    model, description = load_model(settings, plan.protocol)
    remarks = drawing_remarks(plan, model) if run.read_manifest() is None else ()
    on_record = replace(plan, deviations=(*plan.deviations, *drawing_deviations(plan, model)))
    open_run(run, make_manifest(settings, on_record, description, described(judges), remarks), plan)
    return model, judges
