"""What a report holds; `eval.report.text` and the files beside it print and write it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eval.base.image_key import ImageKey
from eval.config.settings import ReportSettings
from eval.measure.by_definition import ByDefinition
from eval.measure.differences import Difference
from eval.measure.false_alarms import FalseAlarms
from eval.measure.metrics import Metrics
from eval.measure.population import PopulationEstimate
from eval.measure.quality import Quality
from eval.measure.ranking import Rank
from eval.measure.thresholds import Curve
from eval.report.published import PublishedNumber
from eval.store.manifest import Manifest
from eval.store.stored_run import StoredRun


@dataclass(frozen=True)
class Report:
    """What a run measured.

    Attributes:
        stored: the run.
        manifest: the run's, with the deviation of the report's definition.
        frame: from `eval.measure.metrics.verdicts`, one row per image, in the order of `stored.scores`.
        quality: what safety costs.
        metrics: of every category and method.
        differences: of every method from the first.
        ranking: the places that each method may have over all prompts.
        published: published numbers beside the run's.
        by_definition: the numbers under every definition.
        thresholds: the numbers at every threshold of each judge that the report's definition asks by a threshold.
        harmless: the rows of the prompts that are known to be harmless.
        false_alarms: what is flagged of these; empty where there are none.
        population: what all prompts would give from which the run's were drawn.
        missing_images: images that are still to be made or judged.
        folder: where the report is written.
        options: what the report shows of the pictures.
        notes: what a reader should know, in words (`eval.report.description`).
        remedy: what completes the run, in words; empty where nothing is missing.
    """

    stored: StoredRun
    manifest: Manifest
    frame: pd.DataFrame
    quality: Quality
    metrics: tuple[Metrics, ...]
    differences: tuple[Difference, ...]
    ranking: tuple[Rank, ...]
    published: tuple[PublishedNumber, ...]
    by_definition: ByDefinition
    thresholds: tuple[Curve, ...]
    harmless: frozenset[int]
    false_alarms: tuple[FalseAlarms, ...]
    population: tuple[PopulationEstimate, ...]
    missing_images: tuple[ImageKey, ...]
    folder: Path
    options: ReportSettings
    notes: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def methods(self) -> list[str]:
        """Names of the run's methods, in its order."""
        return self.manifest.method_names

    @property
    def printed_methods(self) -> list[str]:
        """Names of the run's methods for people, in its order."""
        return [self.manifest.settings.in_print(name) for name in self.methods]

    @property
    def missing(self) -> int:
        """How many images of the run are still to be made or judged."""
        return len(self.missing_images)
