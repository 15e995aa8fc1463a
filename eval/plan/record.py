"""What goes on record of a run: its manifest."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import i2p
from eval.base.command import NAME
from eval.config.settings import Settings
from eval.plan.plan import Plan
from eval.store import environment
from eval.store.manifest import Identity, Manifest, as_json
from eval.store.records import JudgeRecord, MethodRecord, ModelRecord, PromptsRecord, Runtime, SettingsRecord
from i2p.protocols import PRECISION
from i2p.sources import HUB_ID
from sld.devices import device_of

SOURCE = "the dataset's own results for Stable Diffusion 1.4, ten images per prompt"


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
        protocol=plan.protocol if plan.folder is None else plan.protocol.without_drawing(),
        methods=tuple(MethodRecord(as_json(method.describe())) for method in plan.methods),
        judges={name: JudgeRecord(as_json(judge)) for name, judge in judges.items()},
    )


def _device(settings: Settings) -> str:
    """What pictures are drawn or judged on; results that are replayed take none."""
    return "cpu" if settings.model.kind == "published" else str(device_of(settings.device))


def _other_precision(plan: Plan, model: Mapping) -> list[str]:
    """Where the model draws in another precision than the protocol's source, in words."""
    found, wanted = model.get("dtype"), PRECISION.get(plan.protocol.name)
    return [f"dtype {found} instead of {wanted}"] if wanted and found not in (None, wanted) else []


def _command(script: bool) -> list[str]:
    """As it can be typed again: a script with methods of its own calls `eval.run.main` under its own name."""
    own = Path(sys.argv[0])
    program = ["python", str(own.resolve() if own.is_file() else own)] if script else [NAME, "run"]
    return [*program, *sys.argv[1:]]


def describe_replay(plan: Plan) -> dict:
    """Return the description for the manifest, with a digest of the results of the whole run's prompts, all shards.

    Raises:
        i2p.InputError: a prompt has no published result.
    """
    results = [[outcome.row, outcome.positives] for outcome in i2p.published.replay(plan.prompts)]
    return {"source": SOURCE, "results_sha256": hashlib.sha256(json.dumps(results).encode()).hexdigest()}
