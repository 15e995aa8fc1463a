"""A report as text: for a terminal, and as Markdown."""

from __future__ import annotations

from eval.base.escape import markdown, one_line
from eval.report import tables
from eval.report.definition_table import definition_tables
from eval.report.description import summary
from eval.report.description.cost import cost_meaning
from eval.report.description.facts import facts
from eval.report.format import Table
from eval.report.report import Report
from eval.report.sections import sections
from i2p.categories import ALL


def terminal_text(report: Report) -> str:
    """Return the report for a terminal."""
    return "\n\n".join([*_tables(report, "simple", ""), "\n".join(report.notes)])


def markdown_text(report: Report) -> str:
    """Return the report as Markdown."""
    counts, stored = report.by_definition.counted.counts, report.stored
    named = facts(report.manifest, counts, stored.environments, stored.groups)
    fact_lines = "\n".join(f"- {name}: {markdown(value)}" for name, value in named)
    heading = f"# Results{summary.definition_mark(report.by_definition)}"
    parts = [heading, *_tables(report, "github", "## "), "## What was run", fact_lines]
    for title, table, remarks in definition_tables(report.by_definition):
        parts += [f"## {title}{summary.lossy_mark(report.manifest)}", table.text("github"), *map(markdown, remarks)]
    parts += _sections(report)
    parts += ["## Notes", "\n".join(f"- {markdown(note)}" for note in report.notes)]
    return "\n\n".join([*parts, "## All counts", tables.metrics_table(report.metrics).text("github")]) + "\n"


def _sections(report: Report) -> list[str]:
    """Each further question with its answer."""
    parts = []
    for section in sections(report):
        parts += [f"## {section.question}{summary.marks(report)}", markdown(" ".join(section.sentences))]
        parts += [text for caption, table in section.tables for text in (f"{markdown(caption)}:", table.text("github"))]
    return parts


def _tables(report: Report, style: str, mark: str) -> list[str]:
    """The tables, each after its heading; what a cost is stands below the first one."""
    narrow = style != "github"
    parts = _headed(f"{mark}{summary.probability_heading(report)}", tables.probability_table(report.metrics), style)
    if meaning := cost_meaning(report):
        parts.append(meaning if narrow else markdown(meaning))
    if any(m.expected_max is not None for m in report.metrics):
        parts += _headed(
            f"{mark}{summary.expected_max_heading(report)}", tables.expected_max_table(report.metrics), style
        )
    overall = [difference for difference in report.differences if difference.category == ALL]
    if narrow and overall:
        heading = f"{summary.differences_heading(report)}, against {one_line(overall[0].against)}"
        parts += _headed(heading, tables.narrow_differences_table(overall, against=False), style)
    elif report.differences:
        table = tables.differences_table(report.differences)
        parts += _headed(f"{mark}{summary.differences_heading(report)}", table, style)
    if report.published:
        table = (tables.narrow_published_table if narrow else tables.published_table)(report.published)
        parts += _headed(f"{mark}{summary.published_heading(report)}", table, style)
    return parts


def _headed(heading: str, table: Table, style: str) -> list[str]:
    return [heading, table.text(style)]
