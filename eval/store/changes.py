"""The differences of two identities, a clause per value: of a run and the settings of a rerun, or of two runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

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


class Change(NamedTuple):
    """A value in which two identities differ.

    Attributes:
        path: the names of the parts that lead to it, of which a list's are the names of its entries.
        stored: the value of the one; None where it has none.
        requested: the value of the other, likewise.
    """

    path: tuple[str, ...]
    stored: object
    requested: object

    @property
    def key(self) -> str:
        """The dotted name of the value."""
        return ".".join(self.path)


def changes(stored: object, requested: object, path: tuple[str, ...] = ()) -> Iterator[Change]:
    """Yield each value in which two identities, or the same part of both, differ.

    Args:
        stored: the document of an identity (`eval.store.identity.Identity.document`), or a part of one.
        requested: the document, or part, of the other identity.
        path: the names that lead to the part; empty for whole identities.
    """
    key = ".".join(path)
    if isinstance(stored, dict) and isinstance(requested, dict):
        # A scheduler's configuration may hold values that it does not use; those that it uses are in both.
        keys = stored.keys() & requested.keys() if key == SCHEDULER else stored.keys() | requested.keys()
        for name in sorted(keys - FREE):
            yield from changes(stored.get(name), requested.get(name), (*path, name))
    elif _names(stored) and _names(stored) == _names(requested):
        for first, second in zip(stored, requested, strict=True):
            yield from changes(first, second, (*path, first["name"]))
    elif stored != requested and key not in FREE_KEYS:
        yield Change(path, stored, requested)


def value_at(document: object, path: tuple[str, ...]) -> object:
    """Return the value at the path of a change in a document; None where it has none."""
    for name in path:
        if isinstance(document, list):
            document = next(
                (entry for entry in document if isinstance(entry, dict) and entry.get("name") == name), None
            )
        else:
            document = document.get(name) if isinstance(document, dict) else None
    return document


def changed_keys(
    stored: object, requested: object, key: str = "", places: tuple[str, str] = ("there", "here")
) -> Iterator[str]:
    """Yield a clause for each value in which two identities, or the same part of both, differ.

    Args:
        stored: as for `changes`.
        requested: likewise.
        key: the dotted name of the part; empty for whole identities.
        places: the names of the two in a clause.
    """
    for change in changes(stored, requested, (key,) if key else ()):
        values = change.stored, change.requested
        if change.path and values.count(None) == 1 and isinstance(values[0] or values[1], dict):
            yield f"{change.key} is {places[values[0] is None]} only"
        else:
            yield f"{change.key} is {short_value(values[0])} {places[0]} and {short_value(values[1])} {places[1]}"


def short_value(value: object) -> str:
    """Return a value of an identity as text for people, with the beginnings of digests."""
    text = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b", r"\1…", str(_names(value) or value))  # digests and commits
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}…"


def _names(value: object) -> list | None:
    """Return the names in a list of objects that have one, such as methods; None for anything else."""
    has_names = isinstance(value, list) and value and all(isinstance(v, dict) and "name" in v for v in value)
    return [v["name"] for v in value] if has_names else None
