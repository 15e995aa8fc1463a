"""Loading of the model and the judges, and opening of the run directory: the first step of every process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import i2p
import sld
from eval.config.keys import MODEL, as_keys
from eval.config.loras import read_loras
from eval.config.model_settings import ModelSettings
from eval.config.settings import Settings, judge_settings, model_dtype
from eval.config.sources import SOURCES
from eval.generate.arithmetic import current_device
from eval.generate.inline_features import Q16, needs_clip
from eval.generate.remarks import drawing_deviations, drawing_remarks
from eval.judges import Judge, described, judge_class
from eval.plan.growth import overlap
from eval.plan.memory import plan_sizes
from eval.plan.plan import Plan
from eval.plan.record import make_manifest
from eval.plan.same_run import open_run
from eval.store.rundir import RunDir
from sld.checkpoints.family import TITLES
from sld.models import LoadedModel


@as_keys(MODEL)
def load_model(
    chosen: ModelSettings, protocol: i2p.Protocol, device: str, dtype: str
) -> tuple[LoadedModel, dict[str, Any]]:
    """Load the model of a run; return it and its description for the manifest.

    Args:
        chosen: the model.
        protocol: of the run, for its scheduler and number of steps.
        device: on which to draw, or auto.
        dtype: in which to draw, or auto.

    Raises:
        sld.InputError, i2p.InputError: it can't be loaded, or can't take the protocol's number of steps.
    """
    source = SOURCES[chosen.kind]
    model = sld.load_model(
        source.model_path(chosen),
        device=current_device(device),
        dtype=model_dtype(dtype, device),
        scheduler=protocol.scheduler,
        parts=chosen.parts,
        lora=read_loras(chosen.lora),
        config=chosen.config,
        prediction_type=chosen.prediction_type,
        t5=chosen.t5,
        allow_pickle=chosen.allow_pickle,
        steps=protocol.steps,
    )
    changes = [*(f"another {TITLES[part]}" for part in chosen.parts), *(["LoRAs"] if chosen.lora else [])]
    shipped = f"the demo world's model{', with ' if changes else ''}{' and '.join(changes)}"
    return model, model.describe() | ({"source": shipped, "demo": True} if source.ships else {})


def load_judges(
    judges: Mapping[str, Any], device: str, threads: int | None = None, *, with_text: bool = False
) -> dict[str, Judge]:
    """Load judges; return them by name, in the order given.

    Args:
        judges: the settings of each, by name.
        device: on which to judge, or auto.
        threads: cores that this process may use if it is one of several; None for all.
        with_text: whether Q16 keeps the text network of its CLIP.
    """
    loaded, torch_device = {}, str(current_device(device))
    for name, settings in judges.items():
        judge = judge_class(name)
        with as_keys(judge.keys()):
            more = {"with_text": True} if with_text and name == Q16 else {}
            loaded[name] = judge.load(settings, torch_device, threads, **more)
    return loaded


def open_models(
    run: RunDir, plan: Plan, settings: Settings, threads: int | None = None
) -> tuple[LoadedModel, dict[str, Judge]]:
    """Load the model and the judges of a run that draws, and open it; return (model, judges by name).

    Args:
        run: the directory.
        plan: of the run.
        settings: of the run.
        threads: cores that this process may use if it is one of several; None for all.

    Raises:
        InputError, sld.InputError: something can't be loaded, or the directory holds another run.
    """
    with_text = needs_clip(settings.quality)
    judges = load_judges(judge_settings(settings), settings.device, threads, with_text=with_text)
    model, description = load_model(settings.model, plan.protocol, settings.device, settings.dtype)
    for size in plan_sizes(plan):
        model.latent_shape(*size)  # a size that it can't draw is refused while the directory is still empty
    stored = run.read_manifest()
    begins_or_grows = stored is None or overlap(run, stored, plan, judges).added
    remarks = drawing_remarks(plan, model) if begins_or_grows else ()
    on_record = replace(plan, deviations=(*plan.deviations, *drawing_deviations(plan, model)))
    open_run(run, make_manifest(settings, on_record, description, described(judges), remarks), plan)
    return model, judges
