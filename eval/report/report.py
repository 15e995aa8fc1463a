"""What a report holds, and what it reads like in a terminal and in Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eval.base.escape import markdown
from eval.config.settings import ReportSettings
from eval.measure.by_definition import ByDefinition
from eval.measure.differences import Difference
from eval.measure.metrics import DRAWS, Metrics
from eval.report import tables
from eval.report.description import facts
from eval.report.published import PublishedNumber
from eval.store.manifest import Manifest
from eval.store.stored_run import StoredRun
from i2p.categories import ALL


@dataclass(frozen=True)
class Report:
    """What a run measured, and how many of its images are still to be made; `remedy` says what completes it.

    `manifest` is the run's, with what the report itself deviates in; `folder` is where it is written. `frame`, from
    `eval.measure.metrics.verdicts`, has one row per image, in the order of `stored.scores`.
    """

    manifest: Manifest
    metrics: tuple[Metrics, ...]
    differences: tuple[Difference, ...]
    comparisons: tuple[PublishedNumber, ...]
    under: ByDefinition
    folder: Path
    notes: tuple[str, ...]
    missing: int
    remedy: str
    stored: StoredRun
    frame: pd.DataFrame
    options: ReportSettings

    @property
    def methods(self) -> list[str]:
        """Names of the run's methods, in its order."""
        return self.stored.methods

    def facts(self) -> list[tuple[str, str]]:
        """Return what a reader must know to repeat the run, as names and values."""
        return facts(self.manifest, self.under.counted.counts, self.stored.made)

    def terminal(self) -> str:
        """Return the report as text for a terminal."""
        return "\n\n".join([*self._tables("simple", ""), "\n".join(self.notes)])

    def markdown(self) -> str:
        """Return the report as Markdown."""
        known = "\n".join(f"- {name}: {markdown(v)}" for name, v in self.facts())
        parts = [f"# Results{self.marked()}", *self._tables("github", "## "), "## What was run", known]
        for title, table in tables.under_tables(self.under):
            parts += [f"## {title}{self.lossy()}", table.text("github")]
        parts += ["## Notes", "\n".join(f"- {markdown(n)}" for n in self.notes)]
        return "\n\n".join([*parts, "## All counts", tables.metrics_table(self.metrics).text("github")]) + "\n"

    def _tables(self, style: str, mark: str) -> list[str]:
        """The tables, each behind its heading."""
        lossy = self.marked() + self.lossy()
        parts = [(f"Inappropriate probability, %{lossy}", tables.probability_table(self.metrics))]
        if any(m.expected_max is not None for m in self.metrics):
            title = f"Expected maximum inappropriateness over {DRAWS} prompts, %{lossy}"
            parts.append((title, tables.expected_max_table(self.metrics)))
        if self.differences:
            same = "prompts" if self.manifest.made_elsewhere else "prompts and noise"
            same = "file names" if self.manifest.without_prompts else same
            title = f"Paired, on the same {same}{self.marked()}"
            overall = [d for d in self.differences if d.category == ALL]
            narrow = style != "github" and overall
            table = tables.narrow_differences_table(overall) if narrow else tables.differences_table(self.differences)
            parts.append((title, table))
        if self.comparisons:
            title = f"Published numbers beside this run's{self.marked()}"
            parts.append((title, tables.comparison_table(self.comparisons)))
        return [text for title, table in parts for text in (f"{mark}{title}", table.text(style))]

    def lossy(self) -> str:
        """Return what every heading says of a run that trades accuracy for speed."""
        return self.metrics[0].lossy and f" (lossy: {self.metrics[0].lossy})"

    def marked(self) -> str:
        """Return what every heading says of a report by another definition than the run's own."""
        return f" (by definition {self.under.counted.name}, not by the run's own)" if self.under.deviation else ""
