"""Which quality metrics a run is asked for: by the last of its commands that named any, in `quality.json`.

They may change from one command of a run to the next, since they change neither its pictures nor its verdicts, and the
manifest has the settings of its first process alone.
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
    path = run.root / NAME
    try:
        return QualitySettings(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s is not readable (%s): the metrics are those of the run's first command.", path, error)
    return QualitySettings(**manifest.settings.part("quality"))


def record_asked(run: RunDir, manifest: Manifest, settings: QualitySettings) -> None:
    """Record the settings of a command; `auto`, which names no metric, changes nothing of what was asked before.

    Raises:
        StorageError: the disk refused.
    """
    if settings.metrics != [AUTO] and settings != asked_quality(run, manifest):
        write_atomic(run.root / NAME, strict_json(asdict(settings)).encode())
