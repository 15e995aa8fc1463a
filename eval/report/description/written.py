"""What a report, a comparison or a sweep has written and where, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.report.description.population import all_prompts
from eval.report.report import Report


def written_to(folder: Path | str, names: Sequence[str]) -> str:
    """Return which files were written to a folder."""
    return f"Written to {folder}: {', '.join(names)}"


def written_beside(report: Report, rewritten: Sequence[str], sheet: Path | None) -> list[str]:
    """Return what was written beside a report's own files, or is of interest among them, in sentences.

    Args:
        report: of the run.
        rewritten: folders of the reports under other definitions that were rewritten with it.
        sheet: the contact sheet; None where there is none.
    """
    sentences = []
    if rewritten:
        sentences.append(f"Rewritten under other definitions, in the same folder: {', '.join(rewritten)}")
    if count := len(report.by_definition.definitions):
        path = report.folder / "definitions.csv"
        sentences.append(f"The same pictures under {count} definitions: {path}, and in results.md")
    if report.population:
        path = report.folder / "population.csv"
        sentences.append(f"What {all_prompts(report.manifest)} would give: {path}, and in results.md")
    if sheet is not None:
        sentences.append(f"The same prompts and noise under every method, side by side: {sheet}")
    return sentences
