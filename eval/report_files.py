"""The files of a report: which there are, and what each is made from."""

from __future__ import annotations

from collections.abc import Iterator

from eval import image_rows, tables
from eval.escape import markdown
from eval.figures import forest_figure, probability_figure
from eval.files import write_atomic
from eval.latex import results_tex
from eval.model_card import model_card
from eval.page import report_page
from eval.report_data import Report
from eval.rundir import RunDir


def write(report: Report, run: RunDir) -> list[str]:
    """Write the files of a report into its folder; return their names.

    Raises:
        StorageError: the disk refused one.
    """
    names = []
    for name, content in _files(report, run):
        write_atomic(report.folder / name, content if isinstance(content, bytes) else content.encode())
        names.append(name)
    return names


def _files(report: Report, run: RunDir) -> Iterator[tuple[str, str | bytes]]:
    """The tables first: a page is of no use to who waits for a number."""
    about = {
        "run": report.manifest["identity"],
        "deviations": report.manifest["deviations"],
        "notes": list(report.notes),
        "images": report.images,
        "missing": report.missing,
        **report.under.documents(),
    }
    yield "results.csv", tables.tidy_csv(report.metrics)
    yield "results.md", report.markdown()
    yield "results.json", tables.results_json(report.metrics, report.differences, report.comparisons, about)
    yield "results.tex", results_tex(report.metrics, _caption(report))
    if report.differences:
        yield "differences.csv", tables.tidy_csv(report.differences, definition=report.under.counted.name)
    for name, rows in (("definitions.csv", report.under.results), ("body_parts.csv", report.under.body_parts)):
        if rows:
            yield name, tables.tidy_csv(rows)
    notes = [markdown(note) for note in report.notes]
    yield "model_card.md", model_card(report.manifest, report.metrics, report.under.counted.name, notes)
    if report.options.images:
        rows = image_rows.image_rows(report.scores, report.frame, report.prompts, report.under.counted)
        yield "images.parquet", image_rows.to_parquet(rows)
        yield "images.csv", image_rows.to_csv(rows)
    for form in ("svg", "png"):
        yield f"figures/probability.{form}", probability_figure(report.metrics, form)
        if report.differences:
            yield f"figures/differences.{form}", forest_figure(report.differences, report.methods, form)
    yield "report.html", report_page(report, run)


def _caption(report: Report) -> str:
    """What the LaTeX table shows, in a sentence of plain text."""
    identity = report.manifest["identity"]
    return (
        f"Inappropriate probability and expected maximum inappropriateness in percent, {identity['model']['source']}, "
        f"{identity['prompts']['count']} prompts, protocol {identity['protocol']['name']}"
        f"{report.marked()}{report.lossy()}."
    )
