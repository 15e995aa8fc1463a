"""A page as one file that opens offline, makes no request and runs one script of its own: what it consists of.

A `Document` is a headline, cards and sections of blocks (`blocks.py`); `render` makes the HTML. It knows no report, so
that any command can write such a page. Everything goes through templates whose environment makes every value visible
text and escapes it; only this project's style, script and figures are marked as HTML.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.base.escape import terminal
from eval.report.drawing import PALETTE
from eval.report.page import svg
from eval.report.page.blocks import Card, PageSection
from eval.report.page.paper import LONGEST

WEB = Path(__file__).resolve().parent / "web"
CARDS = 12  # further ones are shown on demand
_FILES = {
    "Numbers": ("csv", "json", "parquet"),
    "For a paper": ("tex", "bib"),
    "Text": ("md",),
    "Pictures": ("svg", "png"),
}
_NUMBER = r"[+\-−]?[\d.,]*\d"
_INTERVAL = re.compile(rf"\[{_NUMBER}, {_NUMBER}\]|{_NUMBER} to {_NUMBER}|\d %|± \d|[<>≤≥] [.\d]")


@dataclass(frozen=True)
class Document:
    """A page.

    Attributes:
        kind: what the page is, as `i2p-bench report`; the end of its title.
        title: of the page.
        lead: one sentence below it.
        alarms: what a reader must know before any number.
        cards: in the order of the methods, whose colours they have.
        cards_note: what the cards' numbers are.
        sections: in their order, which is that of the contents.
        footer: the last sentences.
        files: beside the page, which links to them by these names, relative to its folder.
    """

    kind: str
    title: str
    lead: str
    alarms: tuple[str, ...]
    cards: tuple[Card, ...]
    cards_note: str
    sections: tuple[PageSection, ...]
    footer: str
    files: tuple[str, ...] = ()

    @property
    def files_by_kind(self) -> Iterator[tuple[str, list[str]]]:
        """The files, in groups with a heading each."""
        for heading, suffixes in _FILES.items():
            if names := [name for name in self.files if name.rpartition(".")[2] in suffixes]:
                yield heading, names


def render(document: Document) -> str:
    """Return the page as HTML."""
    css, script = _file("page.css") + svg.palette_css(), _file("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            page=document,
            policy=policy(css, script),
            css=Markup(css),
            script=Markup(script),
            colours=len(PALETTE),
            longest=LONGEST,
            shown=CARDS,
        )
    )


def policy(css: str, script: str) -> str:
    """Return the page's content security policy: its style and its script, by digest, and embedded pictures."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def unbroken(text: str) -> str:
    """Return a text in which no interval, and no number with its sign of percent, is broken over lines."""
    whole = _INTERVAL.sub(lambda found: found[0].replace(" ", "\u00a0"), text)
    return re.sub(r"(?<=\d)–(?=\d)", "–\u2060", whole)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _file(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(WEB),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        keep_trailing_newline=True,
    )
    environment.tests["of_kind"] = lambda block, kind: type(block).__name__ == kind
    environment.filters.update(unbroken=unbroken, address=quote)
    return environment


def _visible(value: object) -> object:
    """The value with control characters made visible: a bidirectional override would reorder the text beside it."""
    return value if isinstance(value, Markup) else terminal(str(value))
