"""In what two identities differ, a clause for each value: whether a folder holds the run that is asked for, and what
sets two runs apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from eval.judges import JUDGES, judge_class

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
SCHEDULER = "model.scheduler_config"
LONGEST = 120  # characters of a value in a clause


def changed_keys(
    there: object, here: object, key: str = "", places: tuple[str, str] = ("there", "here")
) -> Iterator[str]:
    """Yield a clause for each value in which two identities, or their parts of that key, are not of the same run.

    Args:
        there: the document of an identity (`eval.store.manifest.Identity.document`), or a part of one.
        here: the other's.
        key: the dotted name of the part; empty for the whole.
        places: what the two are called in a clause.
    """
    if isinstance(there, dict) and isinstance(here, dict):
        # A scheduler's configuration may also hold what it does not read; what it does read is in both.
        keys = there.keys() & here.keys() if key == SCHEDULER else there.keys() | here.keys()
        for name in sorted(keys - FREE):
            yield from changed_keys(there.get(name), here.get(name), f"{key}.{name}" if key else name, places)
    elif _names(there) and _names(there) == _names(here):
        for first, second in zip(there, here, strict=True):
            yield from changed_keys(first, second, f"{key}.{first['name']}", places)
    elif key and (there, here).count(None) == 1 and isinstance(there or here, dict):
        yield f"{key} is {places[there is None]} only"
    elif there != here and key not in FREE_KEYS:
        yield f"{key} is {_short(there)} {places[0]} and {_short(here)} {places[1]}"


def _short(value: object) -> str:
    text = re.sub(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b", r"\1…", str(_names(value) or value))  # digests and commits
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}…"


def _names(value: object) -> list | None:
    """The names of a list of named things, such as methods."""
    named = isinstance(value, list) and value and all(isinstance(v, dict) and "name" in v for v in value)
    return [v["name"] for v in value] if named else None
