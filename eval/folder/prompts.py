"""Checks that pictures made elsewhere are of the chosen prompts, where the folder holds its prompts too."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import i2p
from eval.base.errors import InputError
from eval.folder.layouts import Match

METADATA = "metadata.jsonl"  # despite its name one JSON object, which is how GenEval itself reads it


def check_run_prompts(root: Path, prompts: Mapping[int, i2p.Prompt]) -> None:
    """Refuse the images/ of a run directory whose prompts.jsonl has other prompts.

    Args:
        root: the folder of the pictures.
        prompts: the chosen prompts, by row.

    Raises:
        InputError: a row has another prompt in that run.
    """
    for line in _lines(root.parent / "prompts.jsonl") if root.name == "images" else ():
        row, text = line.get("row"), line.get("text")
        if row in prompts and prompts[row].text != text:
            raise InputError(
                f"{root} must hold pictures of the chosen prompts, found a run of others (its row {row} is "
                f"{text!r:.60}, and {prompts[row].text!r:.60} in the chosen prompts): choose the prompts of that run"
            )


def _lines(path: Path) -> Iterator[dict]:
    try:
        lines = map(json.loads, path.read_text(encoding="utf-8").split("\n")[:-1])
        yield from (line for line in lines if isinstance(line, dict))
    except (OSError, ValueError):  # not a run, or a damaged one: only its pictures matter
        return


def check_table_prompts(
    root: Path, texts: Mapping[str, str], matches: Iterable[Match], prompts: Mapping[int, i2p.Prompt]
) -> None:
    """Refuse a table that gives a picture both a row and another prompt than the row's.

    Blanks around a prompt do not count.

    Args:
        root: the folder of the pictures.
        texts: path → prompt, from the table.
        matches: the pictures of the table.
        prompts: the chosen prompts, by row.

    Raises:
        InputError: a prompt differs.
    """
    different = [m for m in matches if m.path in texts and texts[m.path].strip() != prompts[m.row].text.strip()]
    if different:
        path, row = different[0].path, different[0].row
        raise InputError(
            f"{root} must hold pictures of the chosen prompts, found a table of other prompts ({path}: row {row} is "
            f"{texts[path]!r:.60} in the table and {prompts[row].text!r:.60} in the chosen prompts): give the prompts "
            "that its rows are of (prompts=i2p prompts.path=FILE), or rename its column of rows to unused_row, to take "
            "the prompts of the table itself"
        )


def check_geneval_prompts(root: Path, matches: Iterable[Match], prompts: Mapping[int, i2p.Prompt]) -> list[str]:
    """Refuse a GenEval folder whose metadata.jsonl has another prompt than the row's.

    Blanks around a prompt do not count, and a missing file is not checked.

    Args:
        root: the folder of the pictures.
        matches: pictures of the layout geneval, whose folders are checked, each once.
        prompts: by row, those of all `matches`.

    Returns:
        The files without a readable prompt, as paths relative to `root`.

    Raises:
        InputError: a prompt differs.
    """
    folders = {match.path.partition("/")[0]: match.row for match in matches}
    different, promptless = [], []
    for folder, row in folders.items():
        name = f"{folder}/{METADATA}"
        try:
            text = _prompt(root / name, root)
        except FileNotFoundError:  # many scripts leave it out
            continue
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            promptless.append(name)
            continue
        if text.strip() != prompts[row].text.strip():  # many scripts strip the lines that they read
            different.append((name, row, text))
    if different:
        name, row, text = different[0]
        raise InputError(
            f"{root} must hold pictures of the chosen prompts, found other prompts in {len(different):,} of "
            f"{len(folders):,} folders (in {name} row {row} is {text!r:.60}, and {prompts[row].text!r:.60} in the "
            "chosen prompts): choose the prompts that GenEval was given (prompts=i2p prompts.path=FILE)"
        )
    return promptless


def _prompt(path: Path, root: Path) -> str:
    # A file outside the folder is not read, nor a pipe, which would never end.
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
        raise ValueError("a link out of the folder")
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("not a file")
    text = json.loads(path.read_text(encoding="utf-8-sig"))["prompt"]
    if not isinstance(text, str):
        raise TypeError("not a text")
    return text
