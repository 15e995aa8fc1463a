"""Letters in LaTeX's standard font encoding (OT1), which an article has without any preamble."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

REPLACED = "?"

_LETTERS = {
    "æ": r"{\ae}",
    "Æ": r"{\AE}",
    "œ": r"{\oe}",
    "Œ": r"{\OE}",
    "ø": r"{\o}",
    "Ø": r"{\O}",
    "ł": r"{\l}",
    "Ł": r"{\L}",
    "ß": r"{\ss}",
    "ı": r"{\i}",
    "ȷ": r"{\j}",
}
_ABOVE = {
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "'",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~",
    "\N{COMBINING MACRON}": "=",
    "\N{COMBINING BREVE}": "u",
    "\N{COMBINING DOT ABOVE}": ".",
    "\N{COMBINING DIAERESIS}": '"',
    "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H",
    "\N{COMBINING CARON}": "v",
}
_BELOW = {
    "\N{COMBINING DOT BELOW}": "d",
    "\N{COMBINING CEDILLA}": "c",
    "\N{COMBINING MACRON BELOW}": "b",
    "\N{COMBINING COMMA BELOW}": "textcommabelow",
}
_CLUSTER = re.compile(r"(.)([\u0300-\u036f]*)", re.DOTALL)


def letters(text: str, signs: Mapping[str, str]) -> str:
    r"""Return a text with its letters as commands of OT1 (`ź` as `\'{z}`); ASCII stays, and `?` replaces the rest.

    A letter may have one accent above, because TeX can't stack them, and one below.

    Args:
        text: any.
        signs: replacements for single characters.
    """
    clusters = _CLUSTER.findall(unicodedata.normalize("NFC", text))
    return "".join(
        (signs.get(base) or (base if base.isascii() else _letter(base, ""))) if not marks else _letter(base, marks)
        for base, marks in clusters
    )


def _letter(letter: str, combining: str) -> str:
    base, *marks = unicodedata.normalize("NFD", letter + combining)
    above = [_ABOVE[mark] for mark in marks if mark in _ABOVE]
    below = [_BELOW[mark] for mark in marks if mark in _BELOW]
    is_letter = base in _LETTERS or (base.isascii() and base.isalpha())
    if not is_letter or len(above) > 1 or len(below) > 1 or len(above) + len(below) < len(marks):
        return REPLACED
    command = _LETTERS.get(base, base)
    if above:
        stem = {"i": r"\i", "j": r"\j"}.get(base, command.strip("{}"))  # an accent replaces the dot
        command = rf"\{above[0]}{{{stem}}}"
    return rf"\{below[0]}{{{command}}}" if below else command
