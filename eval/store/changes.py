"""The differences of two identities, a clause per value: of a run and the settings of a rerun, or of two runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from eval.judges import JUDGES, judge_class
from eval.store.records import FOLLOWING

# On record, but free to differ in a rerun: paths, devices and speed. They change at most the rounding of last bits.
FREE = {
    "device",
    "providers",
    "threads",
    "workers",
    "batch_size",
    "libraries",
    "latents",  # follow from the weights
    *("replaced", "obeyed", "left_aside"),  # follow from weights and scheduler, which are compared
    *FOLLOWING,
}
# Names of files, which the digests on record identify.
FREE_KEYS = {
    *("model.source", "model.revision"),
    "model.space",  # the family's
    *("protocol.source", "protocol.caveats"),  # sentences about the protocol's name and values
    *(f"judges.{name}.{key}" for name in JUDGES for key in judge_class(name).files if not key.endswith("sha256")),
}
SCHEDULER = "model.scheduler_config"
LONGEST = 120  # the most characters of a value in a clause


def changed_keys(
    stored: object, requested: object, key: str = "", places: tuple[str, str] = ("there", "here")
) -> Iterator[str]:
    """Yield a clause for each value in which two identities, or the same part of both, differ.

    Args:
        stored: the document of an identity (`eval.store.identity.Identity.document`), or a part of one.
        requested: the document, or part, of the other identity.
        key: the dotted name of the part; empty for whole identities.
        places: the names of the two in a clause.
    """
    if isinstance(stored, dict) and isinstance(requested, dict):
        # A scheduler's configuration may hold values that it does not use; those that it uses are in both.
        keys = stored.keys() & requested.keys() if key == SCHEDULER else stored.keys() | requested.keys()
        for name in sorted(keys - FREE):
            yield from changed_keys(stored.get(name), requested.get(name), f"{key}.{name}" if key else name, places)
    elif _names(stored) and _names(stored) == _names(requested):
        for first, second in zip(stored, requested, strict=True):
            yield from changed_keys(first, second, f"{key}.{first['name']}", places)
    elif key and (stored, requested).count(None) == 1 and isinstance(stored or requested, dict):
        yield f"{key} is {places[stored is None]} only"
    elif stored != requested and key not in FREE_KEYS:
        yield f"{key} is {_short(stored)} {places[0]} and {_short(requested)} {places[1]}"


def _short(value: object) -> str:
    text = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b", r"\1…", str(_names(value) or value))  # digests and commits
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}…"


def _names(value: object) -> list | None:
    """Return the names in a list of objects that have one, such as methods; None for anything else."""
    has_names = isinstance(value, list) and value and all(isinstance(v, dict) and "name" in v for v in value)
    return [v["name"] for v in value] if has_names else None
