"""`report.html`: the page of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.report.description import summary
from eval.report.description.cost import cost_meaning
from eval.report.description.notes import alarms
from eval.report.description.title import title
from eval.report.drawing import Plot
from eval.report.page import parts
from eval.report.page.contents import report_sections
from eval.report.page.document import Document, render
from eval.report.report import Report
from eval.store.rundir import RunDir

FOOTER = "Made by i2p-bench from the run directory alone. Beside this file are:"


def report_page(report: Report, run: RunDir, figures: Mapping[str, Plot], files: Sequence[str] = ()) -> str:
    """Return the page of a report, with its figures and with kept pictures of the run as `report.options` chooses.

    Args:
        report: of the run.
        run: the directory with the pictures.
        figures: from `eval.report.figures.draw_figures`.
        files: names of those beside the page, to which it links.
    """
    numbers = ["Inappropriate probability over all prompts, with its 95 % interval.", summary.judged_counts(report)]
    document = Document(
        kind="i2p-bench report",
        title=title(report),
        lead=summary.lead(report),
        alarms=tuple(alarms(report)),
        cards=tuple(parts.cards(report)),
        cards_note=" ".join([*numbers, *filter(None, [cost_meaning(report)])]),
        sections=tuple(report_sections(report, run, figures)),
        footer=FOOTER,
        files=tuple(files),
    )
    return render(document)
