"""Text and tables within the width of a terminal. Nothing is cut: what is too wide is wrapped, or left out by name."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from functools import partial

from wcwidth import wrap

from eval.base.escape import terminal
from eval.base.grid import Grid
from eval.base.table import Table

USUAL = 80  # columns of output that is no terminal, such as a pipe or a log file
LEAST = 40  # columns; a narrower terminal breaks the lines itself
# Columns of a word that is not broken: at first, and in turn where a table is still too wide.
LONG, SHORT = 24, (12, 6, 2)
INDENT = "  "  # of the further lines of a line
_HELD = "\N{NO-BREAK SPACE}"  # in place of a space where no line may end


def page(parts: Sequence[str | Table], *, wide: bool = False, elsewhere: str = "") -> str:
    """Return texts and tables for stdout, with empty lines between them.

    Tables fit the terminal, or 80 columns without one; the variable COLUMNS changes both. Lines of text are wrapped on
    a terminal only: in a file or a pipe a sentence is one line, so that `grep` finds it as a whole.

    Args:
        parts: in their order.
        wide: whether to show all of every table, however wide it is.
        elsewhere: where the intervals are that are left out here, as a clause; empty if no table has any.
    """
    width = None if wide else columns()
    laid, last = [], None
    for part in parts:
        if isinstance(part, str):
            laid.append(paragraphs(part, INDENT if "\n" in part else ""))
            continue
        text, has_all = table_text(part, width)
        laid.append(text)
        last = last if has_all else len(laid)
    if last is not None:
        laid.insert(last, paragraphs(f"Without intervals, to fit {width} columns: {elsewhere}."))
    return "\n\n".join(laid)


def columns() -> int:
    """Return the columns that stdout has: of its terminal, or as the variable COLUMNS says, or 80."""
    if os.environ.get("COLUMNS", "").isdecimal() or sys.stdout.isatty():
        return max(shutil.get_terminal_size((USUAL, 24)).columns, LEAST)
    return USUAL


def paragraphs(text: str, indent: str = "") -> str:
    """Return text for stdout with each line wrapped at the width of the terminal; as it is where there is none.

    What stands between backticks stays in one line, and so does a word that is wider than the terminal, because a
    command or a path is copied as a whole.

    Args:
        text: any.
        indent: what the further lines of a line begin with.
    """
    if not sys.stdout.isatty():
        return text
    held = re.sub(r"`[^`\n]+`", lambda command: command[0].replace(" ", _HELD), terminal(text).expandtabs())
    fill = partial(wrap, width=columns(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join("\n".join(fill(line)) for line in held.split("\n")).replace(_HELD, " ")


def table_text(table: Table, width: int | None = None) -> tuple[str, bool]:
    """Return a table as text for a terminal, and whether its intervals are in it.

    The table is as it is where it fits, else wrapped between words, else with its rows as columns, else without its
    intervals. Where all of that is too wide, words are broken, or the columns follow each other in parts, as they are
    or with rows as columns, with intervals or without: whichever takes the fewest lines.

    Args:
        table: any.
        width: which no line exceeds, unless a single number does; None for the table as it is.
    """
    grid = Grid.of(table)
    if width is None:
        return grid.text(None, LONG), True
    bare = grid.without_intervals()
    for each in (grid, *grid.transposed(), bare):
        if each.fits(width, LONG):
            return each.text(width, LONG), each != bare or bare == grid
    for longest in SHORT:
        shapes = [(shape, each == grid) for each in (grid, bare) for shape in (each, *each.transposed())]
        ways = [(shape.parts(width, longest), has_all) for shape, has_all in shapes]
        if fitting := [way for way in ways if all(part.fits(width, longest) for part in way[0])]:
            break
    texts = [("\n\n".join(part.text(width, longest) for part in parts), has_all) for parts, has_all in fitting or ways]
    return min(texts, key=lambda text: text[0].count("\n"))
