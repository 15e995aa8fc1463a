"""Columns that would be left unused and look as if they should be: by their names, or by what they hold."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median, mode

from i2p.cells import number, some, whole
from i2p.columns import MEANINGS, UNUSED, is_known, listed, plain
from i2p.prompt import InputError

# Columns that nothing here uses and that look like what they are not, or are misspelled by nobody.
_KNOWN_UNUSED = ("sd_safety_percentage", "lexica_url", "sd_model", "source")  # I2P; `source` of ESD's coco_30k.csv
_ROW_LIKE = re.compile(
    "(row|case|prompt|image|img|picture|sample|line|data|item|entry|question|example|test)?"
    "(row|case|id|idx|index|ix|no|nr|num|number)"
)
_DRAWN = ("row", "seed", "guidance_scale", "height", "width")  # what a picture is drawn from, or named by
_WORDS = {"seed": "a seed", "guidance_scale": "a guidance scale", "row": "a row's number"}
# Columns that are named for something else: whatever their numbers look like, they are no seeds, scales or rows.
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
_NAMING = re.compile("([ _.-](id|ID)|[a-z](Id|ID))$")  # names of something: they may number the rows, but are no seeds


def check_unused(name: str, values: list, found: Mapping[str, str], names: Sequence[str], source: str) -> None:
    """Raise InputError where a column that is not used looks as if it should be."""
    known = is_known(name) or plain(name) in map(plain, _KNOWN_UNUSED)
    if known or plain(name).startswith(UNUSED):
        return
    aside = f"drop it, or call it '{UNUSED}_{name.strip()}' to keep it unused"
    what, why = _looks_like(name), "by its name"
    if what == "row" and ("row" in found or not _are_rows(values)):
        what = None
    if what is None and (meant := _misspelled(name, found)):
        raise InputError(
            f"{source}: expected a column {meant!r}, found {name!r} among the columns {listed(names)}; "
            f"rename it to {meant!r}, or, if it is something else, {aside}"
        )
    if what is None and not _MEASURED.search(name.lower()):
        what, why = _content(name, values, found), f"by what it holds: {some(values)}"
    if what is None:
        return
    mend = aside if what in found else f"rename it to '{what}', {aside}"
    beside = f" beside {found[what]!r}" if what in found else ""
    raise InputError(
        f"{source}: expected every column that looks like {_WORDS[what]} to be used, found {name!r}{beside}, which "
        f"looks like one ({why}) and is not; {mend}"
    )


def _content(name: str, values: list, found: Mapping[str, str]) -> str | None:
    """What a column looks like by its values, of what no other column gives."""
    tests = {"row": _count_rows, "seed": _are_seeds, "guidance_scale": _are_guidance}
    if _NAMING.search(name.strip()):
        del tests["seed"]
    return next((what for what, test in tests.items() if what not in found and test(values)), None)


def _are_rows(values: list) -> bool:
    rows = [whole(value) for value in values]
    return None not in rows and len(set(rows)) == len(rows)


def _count_rows(values: list) -> bool:
    """Different whole numbers, written as such, that rise, or count from 0 or 1 in any order; 0 and 1 are a label."""
    rows = [None if isinstance(value, float) or "." in str(value) else whole(value) for value in values]
    if len(rows) < 2 or None in rows or len(set(rows)) < len(rows) or max(rows) < 2:
        return False
    first = min(rows)
    return rows == sorted(rows) or (first in (0, 1) and max(rows) - first == len(rows) - 1)


def _are_seeds(values: list) -> bool:
    """Whole numbers that hardly repeat, most of them large: ESD's are drawn below 5,000, I2P's below 2^32."""
    seeds = [whole(value) for value in values]
    if not seeds or None in seeds:
        return False
    least = 1_000 if len(seeds) > 1 else 100_000
    return len(set(seeds)) >= 0.9 * len(seeds) and median(seeds) >= least


def _are_guidance(values: list) -> bool:
    """Multiples of a half from 1 to 30 that are fractions somewhere, or 7 more often than anything else.

    Below 6 they may be stars, and multiples of 10 are percentages.
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
    """What a column should be used for by its name, though the name is in no table: seed, guidance_scale or row."""
    if "seed" in plain(name):
        return "seed"
    if "guidance" in plain(name) or "cfg" in plain(name):
        return "guidance_scale"
    return "row" if _ROW_LIKE.fullmatch(plain(name)) else None


def _misspelled(name: str, found: Iterable[str]) -> str | None:
    """The name that a column's is a misspelling of, among those of meanings that no column has."""
    no_number = _DRAWN if _MEASURED.search(name.lower()) else ()  # `generation_steps` is no `generation_seed`
    wanted = {
        plain(each): each
        for what, meaning in MEANINGS.items()
        if what not in (*found, *no_number, "published")
        for each in (meaning.names[:2] if what == "row" else meaning.names)
    }
    near = difflib.get_close_matches(plain(name), [each for each in wanted if each[0] == plain(name)[:1]], 1, 0.8)
    return wanted[near[0]] if near else None
