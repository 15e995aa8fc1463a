"""What goes on record of a run: its manifest."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import i2p
from eval.base.command import NAME
from eval.config.settings import Settings
from eval.plan.plan import Plan
from eval.store import environment
from eval.store.manifest import FORMAT, as_json, differences, identity_of, not_drawn
from i2p.protocols import PRECISION
from i2p.sources import HUB_ID
from sld.devices import device_of

SOURCE = "the dataset's own results for Stable Diffusion 1.4, ten images per prompt"


def make_manifest(
    settings: Settings, plan: Plan, model: Mapping, judges: Mapping[str, Mapping], remarks: Sequence[str] = ()
) -> dict:
    """Return the manifest: `identity` is what a rerun must share (but for `FREE`), the rest is on record.

    Args:
        settings: as resolved from the command line.
        plan: of the run.
        model: the model's own description, weights digests included.
        judges: name → the judge's own description.
        remarks: on how pictures are drawn, from `eval.generate.remarks`.
    """
    return {
        "format": FORMAT,
        "identity": {
            "model": dict(model),
            **_planned(plan),
            "judges": {name: dict(judge) for name, judge in judges.items()},
        },
        "benchmark": HUB_ID if plan.benchmark else None,
        "unused_columns": list(plan.unused_columns),
        "prompt_remarks": list(plan.remarks),
        "drawing_remarks": list(remarks),
        "deviations": [*plan.deviations, *_other_precision(plan, model)],
        "lossy": list(plan.lossy),
        "settings": asdict(settings),
        "runtime": {
            **environment.describe(_device(settings), judges),
            "command": _command(plan.own_methods),
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        },
    }


def _device(settings: Settings) -> str:
    """What pictures are drawn or judged on; results that are replayed take none."""
    return "cpu" if settings.model.kind == "published" else str(device_of(settings.device))


def _other_precision(plan: Plan, model: Mapping) -> list[str]:
    """Where the model draws in another precision than the protocol's source, in words."""
    found, wanted = model.get("dtype"), PRECISION.get(plan.protocol.name)
    return [f"dtype {found} instead of {wanted}"] if wanted and found not in (None, wanted) else []


def planned_differences(standing: Mapping, plan: Plan) -> list[str]:
    """Return in what a run's manifest differs from a plan, as far as that is known without loading anything."""
    there = {key: identity_of(standing)[key] for key in ("prompts", "protocol", "methods")}
    return list(differences(there, as_json(_planned(plan))))


def _planned(plan: Plan) -> dict:
    """What of an identity is known without loading anything."""
    protocol = asdict(plan.protocol)
    return {
        "prompts": {"digest": i2p.digest(plan.prompts), "count": len(plan.prompts)},
        "protocol": protocol if plan.folder is None else not_drawn(protocol),
        "methods": [m.describe() for m in plan.methods],
    }


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
