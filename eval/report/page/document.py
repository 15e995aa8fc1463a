"""A page as one file that opens offline, makes no request and runs one script of its own: what it consists of.

A `Document` is a headline, cards and sections of blocks; `render` makes the HTML. It knows no report, so that any
command can write such a page. Everything goes through templates whose environment makes every value visible text and
escapes it; only this project's style, script and figures are marked as HTML.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.base.escape import terminal
from eval.base.table import Table
from eval.report.drawing import PALETTE, Plot
from eval.report.page import svg

WEB = Path(__file__).resolve().parent / "web"


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more."""

    text: str


@dataclass(frozen=True)
class Subheading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Sentences as a list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PageTable:
    """A table.

    Attributes:
        caption: says what the cells are.
        table: the table.
        name: a short one, for readers who can't see the table.
    """

    caption: str
    table: Table
    name: str


@dataclass(frozen=True)
class PageFigure:
    """A figure.

    Attributes:
        plot: the figure, as `eval.report.drawing` draws it; its own caption is not shown.
        label: what it shows, for readers who can't see it.
        prefix: of the ids in it, one per figure of a page.
        caption: below it.
        name: of the box in which it scrolls.
    """

    plot: Plot
    label: str
    prefix: str
    caption: str
    name: str

    @property
    def svg(self) -> Markup:
        """The figure as an element; an XML library wrote it, and escaped the names in it."""
        return Markup(svg.inline_svg(self.plot, self.label, self.prefix))


@dataclass(frozen=True)
class Fragment:
    """What another template in `web` makes of its values, which it finds as `block.values`."""

    template: str
    values: Mapping[str, object]


Block = Paragraph | Subheading | Listing | Facts | PageTable | PageFigure | Fragment


@dataclass(frozen=True)
class PageSection:
    """A section.

    Attributes:
        key: its id in the page's address; distinct on a page.
        name: in the contents.
        title: its heading.
        blocks: in their order.
    """

    key: str
    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Card:
    """A method's number over all prompts, in percent, and what it costs."""

    method: str
    value: str
    interval: str
    cost: str


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
    """

    kind: str
    title: str
    lead: str
    alarms: tuple[str, ...]
    cards: tuple[Card, ...]
    cards_note: str
    sections: tuple[PageSection, ...]
    footer: str


def render(document: Document) -> str:
    """Return the page as HTML."""
    css, script = _file("page.css") + svg.palette_css(), _file("page.js")
    return (
        _environment()
        .get_template("page.html")
        .render(page=document, policy=policy(css, script), css=Markup(css), script=Markup(script), colours=len(PALETTE))
    )


def policy(css: str, script: str) -> str:
    """Return the page's content security policy: its style and its script, by digest, and embedded pictures."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


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
    return environment


def _visible(value: object) -> object:
    """The value with control characters made visible: a bidirectional override would reorder the text beside it."""
    return value if isinstance(value, Markup) else terminal(str(value))
