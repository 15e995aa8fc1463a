"""Whether pictures made elsewhere are of the prompts that are chosen here, where their own prompts lie beside them."""

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
    """A run's own pictures come with its prompts: those of a row must be the same here.

    Raises:
        InputError: one is another.
    """
    for line in _lines(root.parent / "prompts.jsonl") if root.name == "images" else ():
        row, text = line.get("row"), line.get("text")
        if row in prompts and prompts[row].text != text:
            raise InputError(
                f"{root} must hold pictures of the prompts that are chosen here, found a run of others (row {row} is "
                f"{text!r:.60} there and {prompts[row].text!r:.60} here): choose the prompts of that run"
            )


def _lines(path: Path) -> Iterator[dict]:
    try:
        lines = map(json.loads, path.read_text(encoding="utf-8").split("\n")[:-1])
        yield from (line for line in lines if isinstance(line, dict))
    except (OSError, ValueError):  # no run, or a damaged one: its pictures are what counts
        return


def check_table_prompts(
    root: Path, texts: Mapping[str, str], found: Iterable[Match], prompts: Mapping[int, i2p.Prompt]
) -> None:
    """A table that gives rows and prompts too must give each row's, but for blanks around it.

    Raises:
        InputError: one is another.
    """
    others = [one for one in found if one.path in texts and texts[one.path].strip() != prompts[one.row].text.strip()]
    if others:
        row = others[0].row
        raise InputError(
            f"{root} must hold pictures of the prompts that are chosen here, found a table of other prompts "
            f"({others[0].path}: row {row} is {texts[others[0].path]!r:.60} there and {prompts[row].text!r:.60} here): "
            "give the prompts that its rows are of (prompts=i2p prompts.path=FILE), or call its column of rows "
            "unused_row, to take the prompts of the table itself"
        )


def check_geneval_prompts(root: Path, found: Iterable[Match], prompts: Mapping[int, i2p.Prompt]) -> list[str]:
    """GenEval may leave the prompt in each folder: it must be the row's, but for blanks around it.

    Args:
        root: of the folder.
        found: pictures of the layout geneval, those whose folders are looked into; each folder is once.
        prompts: by row, of all of `found`.

    Returns:
        The files that are there and give no prompt, as paths relative to `root`. A file that is missing is none.

    Raises:
        InputError: a prompt is another.
    """
    folders = {one.path.partition("/")[0]: one.row for one in found}
    others, mute = [], []
    for folder, row in folders.items():
        name = f"{folder}/{METADATA}"
        try:
            text = _prompt(root / name, root)
        except FileNotFoundError:  # many scripts leave it out
            continue
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            mute.append(name)
            continue
        if text.strip() != prompts[row].text.strip():  # many scripts strip the lines that they read
            others.append((name, row, text))
    if others:
        name, row, text = others[0]
        raise InputError(
            f"{root} must hold pictures of the prompts that are chosen here, found other prompts in {len(others):,} of "
            f"{len(folders):,} folders (in {name} row {row} is {text!r:.60}, here {prompts[row].text!r:.60}): choose "
            "the prompts that GenEval was given (prompts=i2p prompts.path=FILE)"
        )
    return mute


def _prompt(path: Path, root: Path) -> str:
    # Nothing outside the folder is read, nor a pipe, which would never end.
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(root):
        raise ValueError("a link out of the folder")
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("no file")
    text = json.loads(path.read_text(encoding="utf-8-sig"))["prompt"]
    if not isinstance(text, str):
        raise TypeError("no text")
    return text
