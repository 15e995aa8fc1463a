"""Names in figures: cut to the room beside a plot, and still told apart; and how wide they are there."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Iterable

from eval.base.escape import one_line

LONGEST = 26  # characters of a name; a hundred would leave no room for the plot


def short(name: str) -> str:
    """Return a name in one line that fits beside a plot."""
    line = one_line(name)  # XML has no control characters, not even escaped
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def widest(names: Iterable[str], size: float, *, bold: bool = False) -> float:
    """Return the width of the widest label, in inches, as a viewer may draw it.

    Args:
        names: of which `short` is drawn.
        size: of the letters, in points.
        bold: whether the font is bold.
    """
    return max(sum(_advance(letter, bold) for letter in short(name)) for name in names) * size / 72


@functools.cache
def _advance(letter: str, bold: bool) -> float:
    """Return how far a letter moves the pen, in ems; of one that the font lacks, as far as the widest substitute."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    if not font.get_char_index(ord(letter)):
        return 1.2
    font.set_size(1, 72)
    return font.load_char(ord(letter)).linearHoriAdvance / 65536


def distinct_labels(names: Iterable[str]) -> list[str]:
    """Return a label of each name that fits beside a plot, no two of which are the same.

    Long names that begin alike keep their ends too; numbers tell apart what then is still the same.
    """
    names = list(names)
    labels = [short(name) for name in names]
    counts = Counter(labels)
    labels = [_with_end(name) if counts[label] > 1 else label for name, label in zip(names, labels, strict=True)]
    counts, taken = Counter(labels), set(labels)
    for place, label in enumerate(labels):
        if counts[label] > 1:
            numbered = (f"{label[: LONGEST - len(end)]}{end}" for end in (f" ({n})" for n in itertools.count(1)))
            labels[place] = next(new for new in numbered if new not in taken)
            taken.add(labels[place])
    return labels


def _with_end(name: str) -> str:
    line = one_line(name)
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2 - 1]}…{line[-(LONGEST // 2) :]}"
