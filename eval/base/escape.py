"""Text from outside, made harmless for where it is shown. Prompts are untrusted: they come from a dataset of the web.

HTML has a function of its own in Python, `html.escape`.
"""

from __future__ import annotations

import os
import re
import unicodedata

from eval.base.letters import REPLACED, letters

# Bidirectional overrides and isolates reorder what stands beside them; the separators break lines.
_MOVING = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",  # OT1 has no straight one
    "`": r"\textasciigrave{}",
    "[": "{[}",  # behind \\ of a table it would be an optional argument
    "]": "{]}",
    "-": "{-}",  # two of them would be a dash
    "≥": r"\ensuremath{\geq}",  # of definitions
    "×": r"\ensuremath{\times}",  # of sizes
    "±": r"\ensuremath{\pm}",
    "°": r"\ensuremath{^\circ}",
    "–": "{--}",
    "—": "{---}",
    "‘": "{`}",
    "’": "{'}",
    "“": "{``}",
    "”": "{''}",
    "…": r"\ldots{}",
}


def terminal(text: str) -> str:
    r"""Return the text with everything that steers a terminal made visible: ESC as \x1b; newlines and tabs stay."""
    return "".join(c if c in "\n\t" or not _steers(c) else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """Return the text in one line, for a cell of a table, as a terminal may show it."""
    return terminal(" ".join(text.split()))


def name_in_line(name: str, longest: int = 80) -> str:
    r"""Return a file's name for a sentence: line ends as \n, bytes that are no text as \xff, its middle left out."""
    whole = os.fsencode(name).decode(errors="backslashreplace")
    line = terminal(whole.replace("\n", "\\n").replace("\t", "\\t"))
    half = longest // 2
    return line if len(line) <= longest else f"{line[:half]}…{line[-half:]}"


def markdown(text: str) -> str:
    """Return the text in one line as Markdown that shows its characters: no markup, HTML, link or new cell."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An underscore within a word is no markup on GitHub, and names are full of them.
    line = re.sub(r"([\\`*\[\]|~!#$]|\b_|_\b)", r"\\\1", line)
    # Addresses would become links.
    line = re.sub(r"(?i)(https?|ftp|mailto|xmpp):", r"\1&#58;", line).replace("@", "&#64;")
    return re.sub(r"(?i)www\.", lambda found: found[0].replace(".", "&#46;"), line)


def latex(text: str) -> str:
    """Return the text in one line as LaTeX that prints its characters in any article, and ? for one that it can't."""
    return letters(one_line(text), _LATEX)


def replaced_in_latex(text: str) -> list[str]:
    """Return the words of a text, each once, of which LaTeX prints ? in place of a character."""
    words = dict.fromkeys(one_line(text).split())
    return [word for word in words if latex(word).count(REPLACED) > word.count(REPLACED)]


def csv_cell(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula: behind an apostrophe where it could be one."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") or text[:1] in ("\t", "\r", "\n") else text


def _steers(c: str) -> bool:
    return c in _MOVING or unicodedata.category(c) in ("Cc", "Cs")
