"""A manifest: read from its file, refused where it is another version's, damaged or changed, and compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import sld
from eval.base.errors import InputError
from eval.base.files import json_digest
from eval.folder.layouts import NO_PROMPTS
from eval.judges import JUDGES, judge_class
from i2p.protocols import DRAWN, NOISE
from i2p.sources import HUB_ID
from i2p.tables import is_table

FORMAT = 3
IDENTITY = ("model", "prompts", "protocol", "methods", "judges")
DESCRIBED = tuple(key for key in IDENTITY if key != "methods")  # each by names and values
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
FREE_KEYS = {
    *("model.source", "model.revision"),
    *("protocol.source", "protocol.caveats"),  # sentences about what the protocol's name and values say
    *(f"judges.{name}.{key}" for name in JUDGES for key in judge_class(name).files if not key.endswith("sha256")),
}
# Sentences of older runs in the words of today.
REWORDED = {"one CPU generator a prompt, seeded with the row's seed; image k is its k-th draw": NOISE}
SCHEDULER = "model.scheduler_config"
# Choices that there were not yet when older runs began, which ran as this says.
SINCE = {"protocol.seed_offset": 0}


def signed(manifest: dict) -> dict:
    """Return a manifest with the digest of all the rest of it, by which a changed one is noticed."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return rest | {"sha256": json_digest(rest)}


def read_manifest(path: Path) -> dict | None:
    """Return the manifest in a file, None where there is none.

    Raises:
        InputError: there is one, and it can't be read or is not whole.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not path.is_symlink():
            return None
        raise InputError(f"{path} must be a manifest, found a link to nothing: remove it, or set out=") from error
    except NotADirectoryError as error:
        raise InputError(f"out must be a folder, found a file on the way to {path.parent}: name another") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} can't be read ({error}): restore it, or set out= to a new folder") from error
    found = manifest if isinstance(manifest, dict) else {}
    if found.get("format") != FORMAT:
        raise InputError(
            f"{path} must be a manifest of format {FORMAT}, found format {found.get('format')!r}: "
            "use the version that wrote it, or set out= to a new folder"
        )
    whole = _is_whole(found)
    if whole and signed(found) != found:
        raise InputError(f"{path} has been changed since it was written: restore it, or set out= to a new folder")
    if not whole or not all(_has_name(method) for method in found["identity"]["methods"]):
        raise InputError(
            f"{path} lacks a part (identity with {', '.join(IDENTITY)}; deviations, lossy, settings, runtime): restore "
            "it, or set out= to a new folder"
        )
    return manifest


def _is_whole(found: dict) -> bool:
    """Whether all that is read of a manifest is there and of its type."""
    parts = all(isinstance(found.get(key), dict) for key in ("identity", "settings", "runtime"))
    lists = all(isinstance(found.get(key), list) for key in ("deviations", "lossy"))
    if not parts or not lists or not set(IDENTITY) <= set(found["identity"]):
        return False
    identity = found["identity"]
    described = all(isinstance(identity[key], dict) for key in DESCRIBED) and isinstance(identity["methods"], list)
    return described and all(isinstance(judge, dict) for judge in identity["judges"].values())


def _has_name(method: object) -> bool:
    return isinstance(method, dict) and isinstance(method.get("name"), str) and sld.is_method_name(method["name"])


def made_elsewhere(manifest: Mapping) -> bool:
    """Whether a run judged pictures that it did not draw."""
    return "layout" in manifest["identity"]["model"]


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


def identity_of(manifest: Mapping) -> dict:
    """Return what a run was made from; at first that of pictures made elsewhere had all of its protocol."""
    identity = manifest["identity"]
    return {**identity, "protocol": not_drawn(identity["protocol"])} if made_elsewhere(manifest) else identity


def not_drawn(protocol: Mapping) -> dict:
    """Of a protocol what holds of pictures that were made elsewhere: how they are judged and counted."""
    return {key: value for key, value in protocol.items() if key not in DRAWN}


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
    elif as_worded(there) != as_worded(here) and key not in FREE_KEYS:
        yield f"{key} is {_short(there)} {places[0]} and {_short(here)} {places[1]}"


def as_worded(value: object) -> object:
    """Return a sentence of an older run in the words of today; anything else as it is."""
    return REWORDED.get(value, value) if isinstance(value, str) else value


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
