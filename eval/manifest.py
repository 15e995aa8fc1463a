"""What a run was made from, and whether a rerun is still the same run."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import i2p
from eval import environment
from eval.command import NAME
from eval.errors import InputError, first_of
from eval.load import device_of
from eval.manifest_file import FORMAT
from eval.originals import made_elsewhere
from eval.plan import Plan
from eval.rundir import RunDir
from eval.settings import NO_PROMPTS, Settings
from i2p.protocols import DRAWN, PRECISION
from i2p.sources import HUB_ID
from i2p.tables import is_table

# On record, but free to differ in a rerun: where things lie and run. Bits may differ by rounding, the experiment not.
FREE = {
    "device",
    "providers",
    "threads",
    "workers",
    "batch_size",
    "libraries",
    "latents",  # the weights say which
    *("replaced", "obeyed", "left_aside"),  # they follow from weights and scheduler, which are compared
}
# Names: the digests beside them say which files they are.
FREE_KEYS = {"model.source", "model.revision", "judges.q16.architecture", "judges.q16.weights", "judges.q16.prompts"}
SCHEDULER = "model.scheduler_config"
# Choices that there were not yet when older runs began, which ran as this says.
SINCE = {"protocol.seed_offset": 0}


def make_manifest(
    settings: Settings, plan: Plan, model: Mapping, judges: Mapping[str, Mapping], remarks: Sequence[str] = ()
) -> dict:
    """Return the manifest: `identity` is what a rerun must share (but for `FREE`), the rest is on record.

    Args:
        settings: as resolved from the command line.
        plan: of the run.
        model: the model's own description, weights digests included.
        judges: name → the judge's own description.
        remarks: on how pictures are drawn, from `eval.drawing`.
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


def is_i2p(manifest: Mapping) -> bool:
    """Whether a run's prompts are of I2P as published; one that did not put it on record is asked for its source."""
    chosen = manifest["settings"]["prompts"]
    hub = chosen["source"] in ("i2p", HUB_ID) and not chosen.get("path") and not chosen.get("revision")
    return manifest.get("benchmark", HUB_ID if hub else None) == HUB_ID


def prompts_of(manifest: Mapping) -> str:
    """Return what a run's prompts are called: I2P where they are, else their source, or their file by its name."""
    chosen = manifest["settings"]["prompts"]
    if chosen["source"] == NO_PROMPTS:
        return "the folder's pictures, each a prompt of its own"
    if "prompts" in manifest["identity"]["model"]:
        name = Path(manifest["settings"]["model"]["path"]).name
        return name if is_table(name) else f"the table in {name}"
    return HUB_ID if is_i2p(manifest) else Path(chosen["path"]).name if chosen.get("path") else chosen["source"]


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


def identity_of(manifest: Mapping) -> dict:
    """Return what a run was made from; at first that of pictures made elsewhere had all of its protocol."""
    identity = manifest["identity"]
    return {**identity, "protocol": not_drawn(identity["protocol"])} if made_elsewhere(manifest) else identity


def not_drawn(protocol: Mapping) -> dict:
    """Of a protocol what holds of pictures that were made elsewhere: how they are judged and counted."""
    return {key: value for key, value in protocol.items() if key not in DRAWN}


def open_run(run: RunDir, manifest: dict, plan: Plan) -> dict:
    """Create the run directory, or check that it holds the same run; return the manifest in force.

    What this process scores is marked as made by its software and machine (`eval.environment`).

    Raises:
        InputError: the folder holds a run from other settings, weights or data; the sentence says which.
    """
    standing = run.read_manifest()
    if standing is None:
        run.create(manifest)
        standing = run.read_manifest()
    found = list(differences(identity_of(standing), as_json(manifest["identity"])))
    if found:
        raise another_run(run, found)
    run.keep_environment(environment.record_of(manifest))
    if _stored_digest(run) != manifest["identity"]["prompts"]["digest"]:  # missing or damaged, if not new
        run.write_prompts(p.to_dict() for p in plan.prompts_as_listed())
    return standing


def another_run(run: RunDir, found: Sequence[str]) -> InputError:
    """The error for a run directory that is of another run, which differs as `found` says."""
    return InputError(
        f"{run.root} holds another run: {first_of(found)}. Set out= to a new folder, or give the settings of that run"
    )


def stored_prompts(run: RunDir) -> list[i2p.Prompt]:
    """Return the prompts in the run directory, in the order of their source.

    Raises:
        InputError, i2p.InputError: their file is missing or damaged.
    """
    return [i2p.Prompt.from_dict(p) for p in run.read_prompts()]


def digest_of(prompts: Iterable[i2p.Prompt]) -> str:
    """Return the digest of a run's prompts, whose order is that of the rows (and of the shards)."""
    return i2p.digest(sorted(prompts, key=lambda prompt: prompt.row))


def _stored_digest(run: RunDir) -> str | None:
    try:
        return digest_of(stored_prompts(run))
    except (InputError, i2p.InputError):
        return None


def differences(
    there: object, here: object, key: str = "", places: tuple[str, str] = ("there", "here")
) -> Iterator[str]:
    """Yield a clause for each value in which two identities, or their parts of that key, are not of the same run."""
    if isinstance(there, dict) and isinstance(here, dict):
        # A scheduler's configuration may also hold what it does not read; what it does read is in both.
        keys = there.keys() & here.keys() if key == SCHEDULER else there.keys() | here.keys()
        for name in sorted(keys - FREE):
            whole = f"{key}.{name}" if key else name
            before = SINCE.get(whole)
            yield from differences(there.get(name, before), here.get(name, before), whole, places)
    elif _names(there) and _names(there) == _names(here):
        for one, other in zip(there, here, strict=True):
            yield from differences(one, other, f"{key}.{one['name']}", places)
    elif key and (there, here).count(None) == 1 and isinstance(there or here, dict):
        yield f"{key} is {places[there is None]} only"
    elif there != here and key not in FREE_KEYS:
        yield f"{key} is {_short(there)} {places[0]} and {_short(here)} {places[1]}"


def _short(value: object) -> str:
    text = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b", r"\1…", str(_names(value) or value))  # digests and commits
    return text if len(text) <= 120 else text[:117] + "…"


def _names(value: object) -> list | None:
    """The names of a list of named things, such as methods."""
    named = isinstance(value, list) and value and all(isinstance(v, dict) and "name" in v for v in value)
    return [v["name"] for v in value] if named else None


def as_json(value: object) -> object:
    """Return a value as it will be read back from JSON: tuples are lists."""
    return json.loads(json.dumps(value))


def _command(script: bool) -> list[str]:
    """As it can be typed again: a script with methods of its own calls `eval.run.main` under its own name."""
    own = Path(sys.argv[0])
    program = ["python", str(own.resolve() if own.is_file() else own)] if script else [NAME, "run"]
    return [*program, *sys.argv[1:]]
