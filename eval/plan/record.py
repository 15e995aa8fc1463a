"""The manifest of a new run, from its settings and plan."""

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
from eval.plan.methods import guided_on
from eval.plan.plan import Plan
from eval.store import environment
from eval.store.groups import record_of
from eval.store.identity import Identity
from eval.store.manifest import Manifest, as_json
from eval.store.records import JudgeRecord, MethodRecord, ModelRecord, PromptsRecord, Runtime, SettingsRecord
from i2p.hub import HUB_ID
from i2p.protocols import PRECISION
from sld.devices import device_of


def make_manifest(
    settings: Settings, plan: Plan, model: Mapping, judges: Mapping[str, Mapping], remarks: Sequence[str] = ()
) -> Manifest:
    """Return the manifest of a run that begins now.

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
        population=plan.population,
        prompt_remarks=tuple(plan.remarks),
        drawing_remarks=tuple(remarks),
        deviations=(*plan.deviations, *_precision_deviation(plan, model)),
        lossy=tuple(plan.lossy),
        groups=record_of(plan.prompts, plan.grouped_by, plan.group_column),
    )


def identity_of(plan: Plan, model: Mapping[str, Any], judges: Mapping[str, Mapping[str, Any]]) -> Identity:
    """Return the identity of a run of this plan.

    Args:
        plan: of the run.
        model: the model's own description, or the known part of it.
        judges: name → the judge's own description, or the known part of it.
    """
    return Identity(
        model=ModelRecord(as_json(model)),
        prompts=PromptsRecord(i2p.digest(plan.prompts), len(plan.prompts)),
        protocol=plan.recorded_protocol,
        methods=tuple(MethodRecord(as_json(method.describe() | guided_on(method, model))) for method in plan.methods),
        judges={name: JudgeRecord(as_json(judge)) for name, judge in judges.items()},
    )


def _device(settings: Settings) -> str:
    """Return the device on which pictures are drawn or judged; a replay needs none."""
    return str(device_of(settings.device)) if SOURCES[settings.model.kind].needs_device else "cpu"


def _precision_deviation(plan: Plan, model: Mapping) -> list[str]:
    """Return, in words, a precision other than that of the protocol's source."""
    precision, expected = model.get("dtype"), PRECISION.get(plan.protocol.name)
    return [f"dtype {precision} instead of {expected}"] if expected and precision not in (None, expected) else []


def _command(is_script: bool) -> list[str]:
    """Return the command as it can be typed again: by the name of a script, if one called `eval.run.main`."""
    script_path = Path(sys.argv[0])
    program = (
        ["python", str(script_path.resolve() if script_path.is_file() else script_path)] if is_script else [NAME, "run"]
    )
    return [*program, *sys.argv[1:]]
