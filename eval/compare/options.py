"""The options of a comparison as typed on its command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.base.errors import InputError
from eval.base.files import cannot_write
from eval.base.words import counted
from eval.compare.compared import Options
from eval.config.checks import check_margin
from eval.config.names import check_names, check_title, look, read_names
from eval.report.margin import read_margin

KEYS = ("against", "methods", "titles", "names", "flags", "paired", "margin", "wide", "out")
FORMER = ("method_a", "method_b")


def refuse_former_keys(words: Sequence[str]) -> None:
    """Refuse the keys of earlier versions, which compared two runs."""
    for word in words:
        if word.partition("=")[0] in FORMER:
            raise InputError(
                f"{' and '.join(FORMER)} are called methods and against now, found {word!r}: give methods=[X,Y] for "
                "these two and against=TITLE:Y for what is compared with"
            )


def check_runs(folders: Sequence[Path]) -> None:
    """Refuse a run directory that is named twice, since its columns would stand in the table twice."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        place = folder.resolve()
        if place in seen:
            same = f"{folder} twice" if seen[place] == folder else f"{seen[place]} and {folder}, which are one"
            raise InputError(f"every run must be named once, found {same}: leave one out")
        seen[place] = folder


def check_out(folder: Path) -> None:
    """Refuse a folder that can't be written, before anything is measured."""
    if hindered := cannot_write(folder):
        raise InputError(
            f"out must be a folder that can be written, found {hindered[0]}, which can't ({hindered[1]}): give another"
        )


def read_options(words: Mapping[str, str], runs: int) -> Options:
    """Return the options of a comparison.

    Args:
        words: value by key, as typed.
        runs: how many runs there are.

    Raises:
        InputError: a value can't be read, or there are more titles than runs, or fewer.
    """
    margin = read_margin(words["margin"]) if "margin" in words else None
    check_margin(margin)
    titles = _listed("titles", words["titles"]) if "titles" in words else None
    if titles is not None:
        _check_titles(titles, runs)
    names = read_names(words["names"], "names") if "names" in words else None
    check_names(names, None, "names")
    return Options(
        titles=titles,
        names=names,
        methods=_listed("methods", words["methods"]) if "methods" in words else None,
        against=words.get("against"),
        flags=words.get("flags"),
        paired=read_flag("paired", words.get("paired", "true")),
        margin=margin,
    )


def read_flag(key: str, text: str) -> bool:
    """Return what `true` or `false` says, as typed."""
    if text not in ("true", "false"):
        raise InputError(f"{key} must be true or false, found {text!r}: correct it, or leave it out")
    return text == "true"


def _listed(key: str, text: str) -> list[str]:
    """Return the entries of a list as typed, `[SD 1.4, "A, B"]` or a single one."""
    import yaml

    if not text.strip().startswith("[") and "," not in text:
        return [text.strip()]
    try:
        node = yaml.compose(text, yaml.BaseLoader)
    except yaml.YAMLError:
        node = None
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise InputError(
            f"{key} must be a list in brackets, found {text!r}: give names and commas in them, [A, B], and quotes "
            "around a name with other signs"
        )
    # As written, since "A: B" would be a mapping to YAML.
    return [
        entry.value
        if isinstance(entry, yaml.ScalarNode)
        else text[entry.start_mark.index : entry.end_mark.index].strip()
        for entry in node.value
    ]


def _check_titles(titles: Sequence[str], runs: int) -> None:
    if len(titles) != runs:
        raise InputError(
            f"titles must be one per run, found {counted(len(titles), 'title')} of {counted(runs, 'run')}: give as "
            "many, in the order of the runs"
        )
    for title in titles:
        check_title(title, "titles")
    for title, count in Counter(map(look, titles)).items():
        if count > 1:
            raise InputError(f"titles must differ, found {title!r} {count} times: change all but one")
