"""Which quality metrics a run is asked for: by the last of its commands that named any, in `quality.json`.

They may change from one command of a run to the next, since they change neither its pictures nor its verdicts, and the
manifest has the settings of the command that began the run, or last made it grow, whether or not that named any.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict

from eval.base.files import strict_json, write_atomic
from eval.quality.settings import AUTO, QualitySettings
from eval.store.manifest import Manifest
from eval.store.rundir import RunDir

NAME = "quality.json"
log = logging.getLogger(__name__)


def asked_quality(run: RunDir, manifest: Manifest) -> QualitySettings:
    """Return the settings of the quality metrics that a run's report shows; those of older runs are `auto`."""
    recorded = _recorded(run)
    return QualitySettings(**manifest.settings.part("quality")) if recorded is None else recorded


def record_asked(run: RunDir, settings: QualitySettings) -> None:
    """Record the settings of a command; `auto`, which names no metric, changes nothing of what was asked before.

    Raises:
        StorageError: the disk refused.
    """
    if settings.metrics != [AUTO] and settings != _recorded(run):
        write_atomic(run.root / NAME, strict_json(asdict(settings)).encode())


def _recorded(run: RunDir) -> QualitySettings | None:
    """Return what is recorded; None where nothing is, or it can't be read."""
    path = run.root / NAME
    try:
        return QualitySettings(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s is not readable (%s): the metrics are those in the run's manifest.", path, error)
    return None
