"""Reports that an earlier version wrote under a name that has another meaning today."""

from __future__ import annotations

import json
from pathlib import Path

from eval.measure.definitions import DEFINITIONS, FORMERLY


def former_meaning(folder: Path) -> str | None:
    """Return by which definition, under its name of today, an earlier version wrote the report in `flags-NAME/`.

    Args:
        folder: of the report.

    Returns:
        The name; None where NAME means the same as then, where there is no report, and where it can't be read.
    """
    former = FORMERLY.get(folder.name.removeprefix("flags-"))
    if former is None:
        return None
    try:
        counts = json.loads((folder / "results.json").read_bytes())["definition"]["counts"]
    except (OSError, ValueError, LookupError, TypeError):  # removed, damaged or of no report
        return None
    return former if counts == DEFINITIONS[former].counts else None
