"""The files of a report, and the end of a command that reports: writing, printing and the exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from eval.base.errors import COMPLETE, INCOMPLETE, InputError
from eval.base.escape import markdown
from eval.base.files import write_atomic
from eval.base.layout import INDENT, paragraphs
from eval.base.printing import say
from eval.config.settings import ReportSettings
from eval.report import image_rows, tables
from eval.report.description import summary
from eval.report.description.cost import quality_document
from eval.report.description.population import population_sentences
from eval.report.description.thresholds import threshold_sentences
from eval.report.description.title import title
from eval.report.description.unjudged import nothing_judged
from eval.report.description.written import page_to_open, written_to
from eval.report.drawing import Plot
from eval.report.earlier import former_meaning
from eval.report.kept_figures import figures_of
from eval.report.latex import results_tex
from eval.report.make import make_report
from eval.report.margin import margin_columns, margin_document
from eval.report.maxima import shown_maxima
from eval.report.model_card import model_card
from eval.report.names import for_people
from eval.report.page.page import report_page
from eval.report.references import references_bib
from eval.report.report import Report
from eval.report.sheet import SHEET, write_sheet
from eval.report.text import markdown_text, terminal_text
from eval.store.rundir import RunDir

PAGE = "report.html"
IMAGES = ("images.parquet", "images.csv")
# Files that not every report has, so that those of an earlier report have to be removed.
OPTIONAL = (
    "differences.csv",
    "definitions.csv",
    "body_parts.csv",
    "thresholds.csv",
    "population.csv",
    "false_alarms.csv",
    "figures/differences.svg",
    "figures/differences.png",
    "figures/thresholds.svg",
    "figures/thresholds.png",
    "figures/cost.svg",
    "figures/cost.png",
)
log = logging.getLogger(__name__)


def write(report: Report, run: RunDir) -> list[str]:
    """Write the files of a report into its folder, and remove those of an earlier report that it lacks.

    Args:
        report: of the run.
        run: the directory, for the pictures of `report.html`.

    Returns:
        The names of the files.

    Raises:
        StorageError: a file can't be written.
    """
    people = for_people(report)
    names = _write(report.folder, _tables(report, people, run))
    figures = figures_of(people, run)
    names += _write(report.folder, _figure_files(figures))
    page = report_page(people, run, figures, [*names, *_shown_by_a_link(report)])
    names += _write(report.folder, [(PAGE, page)])
    for name in set(OPTIONAL) - set(names):
        (report.folder / name).unlink(missing_ok=True)
    return names


def _shown_by_a_link(report: Report) -> list[str]:
    """The contact sheet, where there is one: its pictures are clear, so that only a page with such links has it."""
    return [SHEET] if report.options.gallery == "clear" and (report.folder / SHEET).is_file() else []


def _write(folder: Path, files: Iterable[tuple[str, str | bytes]]) -> list[str]:
    names = []
    for name, content in files:
        write_atomic(folder / name, content if isinstance(content, bytes) else content.encode())
        names.append(name)
    return names


def _figure_files(figures: Mapping[str, Plot]) -> Iterator[tuple[str, bytes]]:
    for name, figure in figures.items():
        yield f"figures/{name}.svg", figure.svg
        yield f"figures/{name}.png", figure.png


def _tables(report: Report, people: Report, run: RunDir) -> Iterator[tuple[str, str | bytes]]:
    """Name and content of each file of numbers and text, which come first: who waits for a number needs no page.

    What people read, of `people`, has the methods' names for print.
    """
    about = {
        "title": title(report),
        "names": dict(report.manifest.settings.names),
        "run": report.manifest.identity.document(),
        "deviations": list(report.manifest.deviations),
        "notes": list(report.notes),
        "images": report.stored.images,
        "missing": report.missing,
        "environments": [environment.document() for environment in report.stored.environments],
        **report.by_definition.documents(),
        "quality": quality_document(report),
        "ranking": [asdict(rank) for rank in report.ranking],
        "margin": margin_document(report.differences, report.options.margin),
        "thresholds": {
            "sentences": threshold_sentences(people),
            "curves": [curve.document() for curve in report.thresholds],
        },
        "false_alarms": [tables.values_of(row) for row in report.false_alarms],
        "population": {
            "prompts": report.manifest.population and report.manifest.population.prompts,
            "sentences": population_sentences(report),
            "estimates": [tables.values_of(row) for row in report.population],
        },
    }
    yield "results.csv", tables.tidy_csv(report.metrics)
    yield "results.md", markdown_text(people)
    yield "results.json", tables.results_json(report.metrics, report.differences, report.published, about)
    yield "results.tex", results_tex(people.metrics, summary.about(people), run.root.resolve().name)
    if report.differences:
        of_margin = margin_columns(report.differences, report.options.margin)
        definition = report.by_definition.counted.name
        yield "differences.csv", tables.tidy_csv(report.differences, **of_margin, definition=definition)
    for name, rows in (
        ("definitions.csv", report.by_definition.results),
        ("body_parts.csv", report.by_definition.body_parts),
    ):
        if rows:
            yield name, tables.tidy_csv(rows)
    if report.thresholds:
        rows = [row for curve in report.thresholds for row in curve.rows]
        yield "thresholds.csv", tables.tidy_csv(rows, definition=report.by_definition.counted.name)
    if report.population:
        yield "population.csv", tables.tidy_csv(report.population, definition=report.by_definition.counted.name)
    if report.false_alarms:
        yield "false_alarms.csv", tables.tidy_csv(report.false_alarms, definition=report.by_definition.counted.name)
    notes = [markdown(note) for note in report.notes]
    yield "references.bib", references_bib(report.manifest)
    yield (
        "model_card.md",
        model_card(report.manifest, shown_maxima(report.metrics), report.by_definition.counted.name, notes),
    )
    if report.options.images or any((report.folder / name).exists() for name in IMAGES):
        rows = image_rows.image_rows(
            report.stored, report.frame, report.by_definition.counted, pictures=report.quality.pictures
        )
        yield from zip(IMAGES, (image_rows.to_parquet(rows), image_rows.to_csv(rows)), strict=True)


def finish(run: RunDir, report: Report, *, sheet: bool = False) -> int:
    """Write a report to its folder, print it, and print where its files are and, last, the page to open.

    With the run's own report, reports under other definitions in its folder are rewritten.

    Args:
        run: the directory.
        report: of the run.
        sheet: whether to make a contact sheet; one that the run's report has is made again.

    Returns:
        The exit code: 3 where images are missing or none could be judged, else 0.

    Raises:
        StorageError: a file can't be written; the report has been printed by then.
    """
    former = former_meaning(report.folder)
    has_sheet = report.folder == run.report and (sheet or (report.folder / SHEET).is_file())
    try:
        drawn = [SHEET] if has_sheet and write_sheet(report, run) else []
        names = write(report, run) + drawn
    finally:  # after writing, so that a closed terminal costs no file; in any case, so that a full disk costs no number
        say(terminal_text(for_people(report)))
    if former:
        say(f"\nThe files replace a report that counted by what is called {former} today.")
    rewritten = _rewrite_others(run, report.options) if report.folder == run.report else []
    others = f"; rewritten under other definitions: {', '.join(rewritten)}" if rewritten else ""
    say(f"\n{paragraphs(f'{written_to(report.folder, names)}{others}', INDENT)}")
    say(page_to_open(report.folder))
    faults = [
        sentence
        for sentence in (report.remedy, nothing_judged(for_people(report).metrics, report.manifest))
        if sentence
    ]
    for sentence in faults:
        say(sentence, sys.stderr)
    return INCOMPLETE if faults else COMPLETE


def _rewrite_others(run: RunDir, options: ReportSettings) -> list[str]:
    """Rewrite every report under another definition from the run's present state; return the names of their folders."""
    names = []
    for folder in sorted(path for path in run.report.glob("flags-*") if path.is_dir()):
        if former := former_meaning(folder):
            log.warning(
                "%s keeps its earlier numbers, since its name has another meaning today: the same numbers are written "
                "by flags=%s, and flags=%s replaces them",
                folder,
                former,
                folder.name.removeprefix("flags-"),
            )
            continue
        try:
            report = make_report(run, flags=folder.name.removeprefix("flags-"), options=options)
        except InputError as error:
            log.warning("%s keeps its earlier numbers, since it can't be rewritten: %s", folder, error)
            continue
        write(report, run)
        names.append(folder.name)
    return names
