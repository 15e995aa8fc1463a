"""What a report holds; `eval.report.text` and the files beside it print and write it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from eval.base.image_key import ImageKey
from eval.config.settings import ReportSettings
from eval.measure.by_definition import ByDefinition
from eval.measure.differences import Difference
from eval.measure.metrics import Metrics
from eval.report.published import PublishedNumber
from eval.store.manifest import Manifest
from eval.store.stored_run import StoredRun


@dataclass(frozen=True)
class Report:
    """What a run measured.

    `manifest` is the run's, with what the report itself deviates in; `frame`, from `eval.measure.metrics.verdicts`,
    has one row per image, in the order of `stored.scores`. `left` is (method, row, image) of what is still to be made
    or judged. `folder` is where the report is written. `notes` are what a reader should know and `remedy` what
    completes the run, in words (`eval.report.description`).
    """

    stored: StoredRun
    manifest: Manifest
    frame: pd.DataFrame
    metrics: tuple[Metrics, ...]
    differences: tuple[Difference, ...]
    published: tuple[PublishedNumber, ...]
    by_definition: ByDefinition
    left: tuple[ImageKey, ...]
    folder: Path
    options: ReportSettings
    notes: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def methods(self) -> list[str]:
        """Names of the run's methods, in its order."""
        return self.manifest.method_names

    @property
    def missing(self) -> int:
        """How many images of the run are still to be made or judged."""
        return len(self.left)
