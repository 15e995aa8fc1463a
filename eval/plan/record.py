"""What goes on record of a run: its manifest."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import i2p
from eval.base.command import NAME
from eval.config.settings import Settings
from eval.config.sources import SOURCES
from eval.plan.plan import Plan
from eval.store import environment
from eval.store.manifest import Identity, Manifest, as_json
from eval.store.records import JudgeRecord, MethodRecord, ModelRecord, PromptsRecord, Runtime, SettingsRecord
from i2p.protocols import PRECISION
from i2p.sources import HUB_ID
from sld.devices import device_of


def make_manifest(
    settings: Settings, plan: Plan, model: Mapping, judges: Mapping[str, Mapping], remarks: Sequence[str] = ()
) -> Manifest:
    """Return the manifest of a run that begins here and now.

    Args:
        settings: as resolved from the command line.
        plan: of the run.
        model: the model's own description, weights digests included.
        judges: name → the judge's own description.
        remarks: on how pictures are drawn, from `eval.generate.remarks`.
    """
    return Manifest(
        identity=identity_of(plan, model, judges),
        settings=SettingsRecord(as_json(asdict(settings))),
        runtime=Runtime(
            environment.describe(_device(settings), judges),
            tuple(_command(plan.own_methods)),
            datetime.now(timezone.utc).isoformat(timespec="seconds"),
        ),
        benchmark=HUB_ID if plan.benchmark else None,
        unused_columns=tuple(plan.unused_columns),
        prompt_remarks=tuple(plan.remarks),
        drawing_remarks=tuple(remarks),
        deviations=(*plan.deviations, *_other_precision(plan, model)),
        lossy=tuple(plan.lossy),
    )


def identity_of(plan: Plan, model: Mapping[str, Any], judges: Mapping[str, Mapping[str, Any]]) -> Identity:
    """Return what a run of this plan is made from.

    Args:
        plan: of the run.
        model: the model's own description, or as much of it as is known.
        judges: name → the judge's own description, or as much of it as is known.
    """
    return Identity(
        model=ModelRecord(as_json(model)),
        prompts=PromptsRecord(i2p.digest(plan.prompts), len(plan.prompts)),
        protocol=plan.recorded_protocol,
        methods=tuple(MethodRecord(as_json(method.describe())) for method in plan.methods),
        judges={name: JudgeRecord(as_json(judge)) for name, judge in judges.items()},
    )


def _device(settings: Settings) -> str:
    """What pictures are drawn or judged on; results that are replayed take none."""
    return str(device_of(settings.device)) if SOURCES[settings.model.kind].needs_device else "cpu"


def _other_precision(plan: Plan, model: Mapping) -> list[str]:
    """Where the model draws in another precision than the protocol's source, in words."""
    precision, wanted = model.get("dtype"), PRECISION.get(plan.protocol.name)
    return [f"dtype {precision} instead of {wanted}"] if wanted and precision not in (None, wanted) else []


def _command(script: bool) -> list[str]:
    """As it can be typed again: a script with methods of its own calls `eval.run.main` under its own name."""
    own = Path(sys.argv[0])
    program = ["python", str(own.resolve() if own.is_file() else own)] if script else [NAME, "run"]
    return [*program, *sys.argv[1:]]
