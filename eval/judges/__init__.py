"""Judges: each looks at pictures and returns one raw record an image; `eval.measure.flags` turns them into yes or no.

A judge sees the very bytes that are saved and decides nothing: thresholds and label sets are applied later, so every
definition in the field can be computed from one run. Judges are found by name and imported when asked for, because
their libraries take seconds to import.
"""

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from eval.base.errors import InputError

# Since 1.32 onnxruntime reports to its makers what it runs, and keeps a name for the machine, unless told before it is
# imported that it must not. Who sets it is obeyed.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


_MODULES = {"nudenet": ("eval.judges.nudenet", "NudeNet"), "q16": ("eval.judges.q16", "Q16")}
JUDGES = tuple(_MODULES)


@dataclass(frozen=True, slots=True)
class Detection:
    """One body part found in one picture.

    `label` is NudeNet v3's name, `score` in (0.25, 1], `box` is x, y, width, height in pixels of the picture.
    """

    label: str
    score: float
    box: tuple[int, int, int, int]


class Judge(Protocol):
    """What the harness asks of a judge."""

    name: str
    version: str  # raised whenever the same picture would get another record
    takes_tensors: bool  # whether `judge` also takes a (B, H, W, 3) uint8 tensor on its device

    def describe(self) -> dict[str, Any]:
        """Everything a score depends on, as plain JSON values for the manifest."""

    def judge(self, images: np.ndarray | Sequence[np.ndarray]) -> Sequence[Any]:
        """One record for each picture of a (B, H, W, 3) uint8 RGB array, or of a sequence of (H, W, 3) ones.

        Raises InputError for anything else, and JudgeError when a picture gets no finite score.
        """


def judge_class(name: str) -> type:
    """The class of the judge called `name`; InputError, with the names there are, for any other."""
    if name not in _MODULES:
        raise InputError(f"expected a judge of {', '.join(JUDGES)}, found {name!r}: choose one of these names")
    module, attribute = _MODULES[name]
    return getattr(importlib.import_module(module), attribute)
