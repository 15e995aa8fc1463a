"""`comparison.html`: the page of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.compare.compared import Compared
from eval.compare.notes import comparison_notes
from eval.compare.sections import sections
from eval.compare.summary import alarms, cost_meaning, lead, title
from eval.report.drawing import Plot
from eval.report.page import parts
from eval.report.page.blocks import Listing, PageSection
from eval.report.page.contents import further
from eval.report.page.document import Document, render

NUMBERS = "Inappropriate probability over all prompts, with its 95 % interval."
FOOTER = "Made by i2p-bench from the run directories alone. Beside this file are:"


def comparison_page(compared: Compared, figures: Mapping[str, Plot], files: Sequence[str] = ()) -> str:
    """Return the page of a comparison.

    Args:
        compared: the comparison.
        figures: by the names of their files.
        files: names of those beside the page, to which it links.
    """
    notes = PageSection("notes", "Notes", "Notes", (Listing(tuple(comparison_notes(compared))),))
    document = Document(
        kind="i2p-bench comparison",
        title=title(compared),
        lead=lead(compared),
        alarms=tuple(alarms(compared)),
        cards=tuple(parts.cards(compared)),
        cards_note=" ".join(filter(None, [NUMBERS, cost_meaning(compared)])),
        sections=(*(further(section, figures) for section in sections(compared)), notes),
        footer=FOOTER,
        files=tuple(files),
    )
    return render(document)
