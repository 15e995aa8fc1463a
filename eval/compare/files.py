"""The files of a comparison: every number for machines, and texts and tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from eval.base.escape import csv_cell
from eval.base.files import write_atomic
from eval.compare.compared import Compared
from eval.compare.members import Column
from eval.compare.page import comparison_page
from eval.compare.sections import FIGURE
from eval.compare.summary import about, for_people, under_figure
from eval.compare.text import markdown_text
from eval.report.drawing import Plot
from eval.report.figures import forest_figure, probability_figure
from eval.report.labels import LONGEST, distinct_labels, short
from eval.report.latex import results_tex
from eval.report.margin import margin_columns
from eval.report.names import in_print
from eval.report.references import references_bib
from eval.report.tables import tidy_csv

PAGE = "comparison.html"
# Files that not every comparison has, so that those of an earlier one have to be removed.
OPTIONAL = (
    "comparison_differences.csv",
    *(f"figures/{FIGURE}-differences.{suffix}" for suffix in ("svg", "png")),
)


def write(compared: Compared, folder: Path) -> list[str]:
    """Write the files of a comparison into a folder, and remove those of an earlier comparison that it lacks.

    Returns:
        The names of the files.

    Raises:
        StorageError: a file can't be written.
    """
    names: list[str] = []
    for name, content in _files(compared, names):
        write_atomic(folder / name, content if isinstance(content, bytes) else content.encode())
        names.append(name)
    for name in set(OPTIONAL) - set(names):
        (folder / name).unlink(missing_ok=True)
    return names


def _files(compared: Compared, written: Sequence[str]) -> Iterator[tuple[str, str | bytes]]:
    """Name and content of each file; tables come first, and the page, which links to those that are written, last."""
    columns = {column.heading: column for column in compared.columns}
    differences = compared.differences
    place = _place(compared, columns, [m.method for m in compared.metrics])
    yield "comparison.csv", tidy_csv(compared.metrics, **place)
    if differences:
        of_margin = margin_columns(differences, compared.options.margin)
        place = _place(compared, columns, [d.method for d in differences])
        against = _place(compared, columns, [d.against for d in differences], "against")
        yield "comparison_differences.csv", tidy_csv(differences, **of_margin, **place, **against)
    people = for_people(compared)
    yield "comparison.md", markdown_text(people)
    yield (
        "comparison.tex",
        results_tex(people.metrics, about(people), "comparison", _heads(people), differences, people.reference.word),
    )
    yield "comparison.bib", references_bib(*(member.stored.manifest for member in compared.members))
    figures = _figures(people)
    for name, figure in figures.items():
        yield f"figures/{name}.svg", figure.svg
        yield f"figures/{name}.png", figure.png
    yield PAGE, comparison_page(people, figures, written)


def _heads(compared: Compared) -> dict[str, tuple[str, str]]:
    """Return heading → the title above the columns of a run, and the method's name, empty in a run of one column."""
    several = Counter(column.member for column in compared.columns)
    heads = {}
    for column in compared.columns:
        alone = several[column.member] == 1
        shared, own = (
            (f"{column.title}{column.mark}", "") if alone else (column.title, f"{column.printed}{column.mark}")
        )
        heads[column.heading] = shared, own
    return heads


def _figures(compared: Compared) -> dict[str, Plot]:
    """Return the figures by the names of their files."""
    caption, labels = under_figure(compared), labels_of(compared.columns)
    figures = {f"{FIGURE}-probability": probability_figure(in_print(compared.metrics, labels), caption)}
    if compared.differences:
        rows = in_print(compared.differences, labels)
        figures[f"{FIGURE}-differences"] = forest_figure(rows, list(labels.values()), caption)
    return figures


def labels_of(columns: Sequence[Column]) -> dict[str, str]:
    """Return heading → a label that is short enough for a figure, by which columns are still told apart.

    Of a long heading the title gives way first, then the name of the method; numbers tell apart what then is the same.
    """
    labels = distinct_labels(map(_label, columns))
    return {column.heading: label for column, label in zip(columns, labels, strict=True)}


def _label(column: Column) -> str:
    if len(column.heading) <= LONGEST:
        return column.heading
    own = column.heading.removeprefix(column.title)
    room = max(LONGEST - len(own), LONGEST // 3)
    return short(f"{column.title[: room - 1].rstrip()}…{own}" if len(column.title) > room else column.heading)


def _place(
    compared: Compared, columns: Mapping[str, Column], headings: list[str], side: str = "method"
) -> dict[str, list[str]]:
    """Return method, title and run of each heading, as columns of a CSV file."""
    prefix = "" if side == "method" else f"{side}_"
    chosen = [columns[heading] for heading in headings]
    return {
        side: [column.method for column in chosen],
        f"{prefix}title": [csv_cell(column.title) for column in chosen],
        f"{prefix}run": [csv_cell(str(compared.members[column.member].stored.run.root)) for column in chosen],
    }
