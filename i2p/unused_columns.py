"""Unused columns that look as if they should be used, by their names or by their values."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median, mode

from i2p.cells import first_cells, number, whole_number
from i2p.columns import MEANINGS, UNUSED, is_known, listed, plain
from i2p.prompt import InputError

# Columns that are unused on purpose although their names resemble those of used ones.
_KNOWN_UNUSED = (
    *("sd_safety_percentage", "lexica_url", "sd_model"),  # I2P
    "source",  # ESD, coco_30k.csv
    "seed_prompt",  # OVERT: the text from which the prompt was written
)
_ROW_LIKE = re.compile(
    "(row|case|prompt|image|img|picture|sample|line|data|item|entry|question|example|test)?"
    "(row|case|id|idx|index|ix|no|nr|num|number)"
)
_DRAWN = ("row", "seed", "guidance_scale", "height", "width")  # what a picture is drawn from, or named by
_WORDS = {"seed": "a seed", "guidance_scale": "a guidance scale", "row": "a row number"}
# Names of other quantities: whatever their numbers look like, they are no seeds, scales or rows.
_MEASURED = re.compile(
    # of texts and pictures
    "percent|score|prob|toxic|length|count|chars|words|tokens|pixels|bytes|size|area|aesthetic|perplexity|similarity"
    # of the web
    "|rating|votes|likes|views|downloads|stars|user|author|account|lexica|url|hash|price|cost"
    # of time
    "|year|month|date|time|created|duration|latency|seconds"
    # of settings and experiments
    "|step|epoch|iter|queries|attempt|temperature|sampler|skip|version|loss|fold|batch"
    # of groups
    "|label|class|target|rank|level|difficulty|priority|group|cluster|concept"
    "|(?<![a-z])(at|len|age|zip|fid|clip|ppl|(num|n)[ _.-].+)(?![a-z])"
)
_NAMING = re.compile("([ _.-](id|ID)|[a-z](Id|ID))$")  # identifiers, which may number the rows but are no seeds


def check_unused(name: str, values: list, by_meaning: Mapping[str, str], names: Sequence[str], source: str) -> None:
    """Raise `InputError` if an unused column looks as if it should be used.

    Args:
        name: the unused column.
        values: its cells.
        by_meaning: the columns that are used.
        names: all columns, as the error lists them.
        source: the file or data set, as the error names it.
    """
    known = is_known(name) or plain(name) in map(plain, _KNOWN_UNUSED)
    if known or plain(name).startswith(UNUSED):
        return
    keep_unused = f"drop it, or call it '{UNUSED}_{name.strip()}' to keep it unused"
    meaning_name, why = _looks_like(name), "by its name"
    if meaning_name == "row" and ("row" in by_meaning or not _are_rows(values)):
        meaning_name = None
    if meaning_name is None and (intended := _misspelled(name, by_meaning)):
        raise InputError(
            f"{source} must have a column {intended!r}, found {name!r} among the columns {listed(names)}: rename it to "
            f"{intended!r}, or, if it is something else, {keep_unused}"
        )
    if meaning_name is None and not _MEASURED.search(name.lower()):
        meaning_name, why = _content(name, values, by_meaning), f"by its values: {first_cells(values)}"
    if meaning_name is None:
        return
    remedy = keep_unused if meaning_name in by_meaning else f"rename it to '{meaning_name}', {keep_unused}"
    beside = f" beside {by_meaning[meaning_name]!r}" if meaning_name in by_meaning else ""
    raise InputError(
        f"{source} must have no unused column that looks like {_WORDS[meaning_name]}, found {name!r}{beside}, which "
        f"looks like one ({why}): {remedy}"
    )


def _content(name: str, values: list, by_meaning: Mapping[str, str]) -> str | None:
    """Return the meaning that a column seems to have by its values, among those that no other column has."""
    tests = {"row": _count_rows, "seed": _are_seeds, "guidance_scale": _are_guidance}
    if _NAMING.search(name.strip()):
        del tests["seed"]
    return next((meaning for meaning, test in tests.items() if meaning not in by_meaning and test(values)), None)


def _are_rows(values: list) -> bool:
    rows = [whole_number(value) for value in values]
    return None not in rows and len(set(rows)) == len(rows)


def _count_rows(values: list) -> bool:
    """Return whether values are distinct integers that rise, or count from 0 or 1 in any order; 0 and 1 are labels."""
    rows = [None if isinstance(value, float) or "." in str(value) else whole_number(value) for value in values]
    if len(rows) < 2 or None in rows or len(set(rows)) < len(rows) or max(rows) < 2:
        return False
    first = min(rows)
    return rows == sorted(rows) or (first in (0, 1) and max(rows) - first == len(rows) - 1)


def _are_seeds(values: list) -> bool:
    """Return whether values are integers, mostly distinct and large: ESD draws seeds below 5,000, I2P below 2^32."""
    seeds = [whole_number(value) for value in values]
    if not seeds or None in seeds:
        return False
    median_min = 1_000 if len(seeds) > 1 else 100_000
    return len(set(seeds)) >= 0.9 * len(seeds) and median(seeds) >= median_min


def _are_guidance(values: list) -> bool:
    """Return whether values are multiples of a half from 1 to 30, some of them fractions, or most often 7.

    Values below 6 may be ratings, and multiples of 10 are percentages.
    """
    scales = [number(value) for value in values]
    if not scales or None in scales or not (min(scales) >= 1 and 6 <= max(scales) <= 30):
        return False
    if any(scale % 0.5 for scale in scales) or not any(scale % 10 for scale in scales):
        return False
    if any(scale % 1 for scale in scales):
        return True
    return len(scales) > 1 and (mode(scales) == 7 or all("." in str(value) for value in values))


def _looks_like(name: str) -> str | None:
    """Return the meaning that an unknown name suggests: seed, guidance_scale or row."""
    if "seed" in plain(name):
        return "seed"
    if "guidance" in plain(name) or "cfg" in plain(name):
        return "guidance_scale"
    return "row" if _ROW_LIKE.fullmatch(plain(name)) else None


def _misspelled(name: str, by_meaning: Iterable[str]) -> str | None:
    """Return the known name that a column name misspells, among those of meanings that no column has."""
    no_number = _DRAWN if _MEASURED.search(name.lower()) else ()  # `generation_steps` is not `generation_seed`
    names = {
        plain(candidate): candidate
        for meaning_name, meaning in MEANINGS.items()
        if meaning_name not in (*by_meaning, *no_number, "published")
        for candidate in (meaning.names[:2] if meaning_name == "row" else meaning.names)
    }
    similar = [candidate for candidate in names if candidate[0] == plain(name)[:1]]
    near = difflib.get_close_matches(plain(name), similar, 1, 0.8)
    return names[near[0]] if near else None
