"""A comparison as text: for a terminal, and as Markdown."""

from __future__ import annotations

from dataclasses import replace

from eval.base.escape import markdown
from eval.base.layout import page
from eval.compare.compared import Compared
from eval.compare.notes import comparison_notes
from eval.compare.sections import overview_table, sections
from eval.compare.summary import lead, title
from eval.report.tables import narrow_differences_table, probability_table
from i2p.categories import ALL

ELSEWHERE = "out=FOLDER writes them, and wide=true prints them"
FEW = 8  # columns of which a terminal shows every category


def terminal_text(compared: Compared, *, wide: bool = False) -> str:
    """Return the comparison for stdout, in tables that fit the terminal, or 80 columns without one, unless `wide`."""
    parts = [lead(compared), overview_table(compared)]
    if len({m.category for m in compared.metrics}) > 1:
        if len(compared.columns) <= FEW:
            parts += ["Inappropriate probability, %", probability_table(compared.metrics)]
        else:
            parts.append(f"By category, with more than {FEW} columns: out=FOLDER writes these tables.")
    if len(compared.reference.of) == 1 and len(compared.differences) > 1:
        parts += ["Differences", narrow_differences_table(compared.differences, against=False)]
    overall = replace(compared, differences=tuple(d for d in compared.differences if d.category == ALL))
    shown = compared if len(compared.reference.of) == 1 else overall
    for section in sections(shown):
        if section.key in ("margin", "settings"):
            parts += [section.question, *section.sentences, *(table for _, table in section.tables)]
    return page([*parts, "\n".join(comparison_notes(compared))], wide=wide, elsewhere=ELSEWHERE)


def markdown_text(compared: Compared) -> str:
    """Return the comparison as Markdown."""
    parts = [f"# {markdown(title(compared))}"]
    for section in sections(compared):
        parts.append(f"## {markdown(section.question)}")
        parts += [markdown(sentence) for sentence in section.sentences]
        parts += [text for caption, table in section.tables for text in (f"{markdown(caption)}:", table.text("github"))]
    notes = "\n".join(f"- {markdown(note)}" for note in comparison_notes(compared))
    return "\n\n".join([*parts, "## Notes", notes]) + "\n"
