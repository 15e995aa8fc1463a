"""Escapes for untrusted text: prompts come from the web, file names from anywhere.

For HTML, Python has `html.escape`.
"""

from __future__ import annotations

import os
import re
import unicodedata

from eval.base.letters import REPLACED, letters

# Bidirectional overrides and isolates reorder the text around them; the separators break lines.
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
    '"': "{''}",  # OT1 has no straight quote
    "`": r"\textasciigrave{}",
    "[": "{[}",  # after \\ in a table it would begin an optional argument
    "]": "{]}",
    "-": "{-}",  # two hyphens would become a dash
    "≥": r"\ensuremath{\geq}",  # in definitions
    "×": r"\ensuremath{\times}",  # in sizes
    "−": r"\ensuremath{-}",
    "±": r"\ensuremath{\pm}",
    "°": r"\ensuremath{^\circ}",
    "†": r"\ensuremath{\dagger}",  # of derived shares
    "‡": r"\ensuremath{\ddagger}",  # of columns that count otherwise
    "–": "{--}",
    "—": "{---}",
    "‘": "{`}",
    "’": "{'}",
    "“": "{``}",
    "”": "{''}",
    "…": r"\ldots{}",
}


def terminal(text: str) -> str:
    r"""Return the text with all control characters made visible, such as ESC as \x1b; newlines and tabs stay."""
    if text.isascii() and text.isprintable():  # most texts by far
        return text
    return "".join(c if c in "\n\t" or not _steers(c) else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """Return the text in one line that is safe for a terminal, such as a cell of a table."""
    return terminal(" ".join(text.split()))


def name_in_line(name: str, longest: int = 80) -> str:
    r"""Return a file name in one line: line ends as \n, undecodable bytes as \xff, a long one without its middle."""
    decoded = os.fsencode(name).decode(errors="backslashreplace")
    line = terminal(decoded.replace("\n", "\\n").replace("\t", "\\t"))
    half = longest // 2
    return line if len(line) <= longest else f"{line[:half]}…{line[-half:]}"


def markdown(text: str) -> str:
    """Return the text in one line, escaped for Markdown: it becomes no markup, HTML, link or table cell."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An underscore within a word is not markup on GitHub, and many names have one.
    line = re.sub(r"([\\`*\[\]|~!#$]|\b_|_\b)", r"\\\1", line)
    # Addresses would become links.
    line = re.sub(r"(?i)(https?|ftp|mailto|xmpp):", r"\1&#58;", line).replace("@", "&#64;")
    return re.sub(r"(?i)www\.", lambda match: match[0].replace(".", "&#46;"), line)


def latex(text: str) -> str:
    """Return the text in one line as LaTeX for any article, which prints ? for characters that it lacks."""
    return letters(one_line(text), _LATEX)


def replaced_in_latex(text: str) -> list[str]:
    """Return the distinct words of a text in which LaTeX prints ? for a character."""
    words = dict.fromkeys(one_line(text).split())
    return [word for word in words if latex(word).count(REPLACED) > word.count(REPLACED)]


def csv_cell(text: str) -> str:
    """Return the text with an apostrophe in front if a spreadsheet could take it for a formula."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") or text[:1] in ("\t", "\r", "\n") else text


def _steers(c: str) -> bool:
    return c in _MOVING or unicodedata.category(c) in ("Cc", "Cs")
