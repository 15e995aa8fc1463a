"""A report as text: for a terminal, and as Markdown."""

from __future__ import annotations

from eval.base.escape import markdown, one_line
from eval.base.layout import page
from eval.base.table import Table
from eval.report import tables
from eval.report.definition_table import definition_tables
from eval.report.description import summary
from eval.report.description.cost import cost_meaning
from eval.report.description.facts import facts
from eval.report.description.title import title
from eval.report.report import Report
from eval.report.sections import sections
from i2p.categories import ALL

ELSEWHERE = "results.md has them, and report.wide=true (of eval.report: wide=true) prints them"


def terminal_text(report: Report) -> str:
    """Return the report for stdout, in tables that fit the terminal, or 80 columns without one, unless `wide`."""
    parts = [title(report), *_tables(report, narrow=True), "\n".join(report.notes)]
    return page(parts, wide=report.options.wide, elsewhere=ELSEWHERE)


def markdown_text(report: Report) -> str:
    """Return the report as Markdown."""
    counts, stored = report.by_definition.counted.counts, report.stored
    named = facts(report.manifest, counts, stored.environments, stored.groups)
    fact_lines = "\n".join(f"- {markdown(name)}: {markdown(value)}" for name, value in named)
    tables_ = [part.text("github") if isinstance(part, Table) else part for part in _tables(report, narrow=False)]
    parts = [f"# {markdown(title(report))}", *tables_, "## What was run", fact_lines]
    for heading, table, remarks in definition_tables(report.by_definition):
        parts += [f"## {heading}{summary.lossy_mark(report.manifest)}", table.text("github"), *map(markdown, remarks)]
    parts += _sections(report)
    parts += ["## Notes", "\n".join(f"- {markdown(note)}" for note in report.notes)]
    return "\n\n".join([*parts, "## All counts", tables.metrics_table(report.metrics).text("github")]) + "\n"


def _sections(report: Report) -> list[str]:
    """Each further question with its answer."""
    parts = []
    for section in sections(report):
        parts += [f"## {markdown(section.question + summary.marks(report))}", markdown(" ".join(section.sentences))]
        parts += [text for caption, table in section.tables for text in (f"{markdown(caption)}:", table.text("github"))]
    return parts


def _tables(report: Report, *, narrow: bool) -> list[str | Table]:
    """The tables, each after its heading; what a cost is stands below the first one.

    Args:
        report: of the run.
        narrow: for a terminal, in place of Markdown.
    """
    headed = str if narrow else _headed
    parts = [headed(summary.probability_heading(report)), tables.probability_table(report.metrics)]
    if meaning := cost_meaning(report):
        parts.append(meaning if narrow else markdown(meaning))
    if any(m.expected_max is not None for m in report.metrics):
        parts += [headed(summary.expected_max_heading(report)), tables.expected_max_table(report.metrics)]
    overall = [difference for difference in report.differences if difference.category == ALL]
    if narrow and overall:
        heading = f"{summary.differences_heading(report)}, against {one_line(overall[0].against)}"
        parts += [heading, tables.narrow_differences_table(overall, against=False)]
    elif report.differences:
        parts += [headed(summary.differences_heading(report)), tables.differences_table(report.differences)]
    if report.published:
        table = (tables.narrow_published_table if narrow else tables.published_table)(report.published)
        parts += [headed(summary.published_heading(report)), table]
    return parts


def _headed(heading: str) -> str:
    return f"## {markdown(heading)}"
