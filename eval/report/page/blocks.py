"""What the sections of a page consist of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from eval.base.table import Table
from eval.report.drawing import Plot
from eval.report.page import svg
from eval.report.page.paper import parts_on_paper

FOLDED = 20  # rows; a longer table is shown on demand
ROW_HEADERS = {"category", "method", "metric"}  # columns that name a row together, where they come first


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

    @property
    def is_folded(self) -> bool:
        """Whether its rows are shown on demand."""
        return len(self.table.rows) > FOLDED

    @property
    def row_headers(self) -> int:
        """How many columns, from the left, name a row."""
        names = [name in self.table.words and name in ROW_HEADERS for name in self.table.headers]
        return max([*names, False].index(False), 1)

    @property
    def on_paper(self) -> list[Table]:
        """The table in parts that a sheet of paper has room for, each with the columns that name a row."""
        return parts_on_paper(self.table, self.row_headers)


@dataclass(frozen=True)
class PageFigure:
    """A figure.

    Attributes:
        plot: the figure, as `eval.report.drawing` draws it; its own caption is not shown.
        label: what it shows, for readers who can't see it.
        prefix: of the ids in it, one per figure of a page.
        caption: below it.
        name: of the box in which it scrolls.
        files: with the figure, beside the page.
    """

    plot: Plot
    label: str
    prefix: str
    caption: str
    name: str
    files: tuple[str, ...] = ()

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
