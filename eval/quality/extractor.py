"""The base class of extractors, and the extractor of a name."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from eval.quality import extractors_of
from eval.quality.settings import QualitySettings

if TYPE_CHECKING:
    import pyarrow as pa


class Extractor:
    """A network that gives features of pictures; a loaded extractor is an instance.

    Its module has a line `EXTRACTOR = …` with the class.
    """

    name: ClassVar[str]  # of its module
    paired: ClassVar[bool] = False  # whether it compares with the first method's picture of the same row and image

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """Return the columns of a row of features, and their types."""
        raise NotImplementedError

    @classmethod
    def check_files(cls, settings: QualitySettings) -> None:
        """Refuse a library or a weights file that is not there; nothing is loaded.

        Raises:
            InputError: it is missing; the sentence says which file or package, where it is from, and its digest.
        """

    @classmethod
    def files(cls, settings: QualitySettings) -> list[Path]:
        """Return the weights files that are here; empty where a run would download them first."""
        return []

    @classmethod
    def fetch(cls, settings: QualitySettings) -> None:
        """Download weights that are not there, so that a run has them before it starts.

        Raises:
            InputError: they can't be downloaded.
        """

    @classmethod
    def load(cls, settings: QualitySettings, device: str) -> Extractor:
        """Return the extractor, loaded onto a device such as `cpu` or `cuda:1`.

        Raises:
            InputError: a file is missing, or not the expected one.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return everything on which its features depend, as plain JSON values.

        Features of different descriptions are never mixed. `device`, `libraries` and others where rounding is all that
        differs do not count as a difference (`eval.store.changes.FREE`).
        """
        raise NotImplementedError

    def rows(
        self,
        pictures: Sequence[np.ndarray],
        prompts: Sequence[str],
        references: Sequence[np.ndarray] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the values of the columns for each picture.

        Args:
            pictures: (H, W, 3) uint8 RGB, all of one size.
            prompts: the prompt of each, as the user wrote it, without a method's prefix; empty where there is none.
            references: the first method's picture of the same row and image of each, where `paired`; of its size.
        """
        raise NotImplementedError


def extractor_class(name: str) -> type[Extractor]:
    """Return the class of an extractor (`eval.quality.CLIP`, `INCEPTION` or `LPIPS`)."""
    return importlib.import_module(f"eval.quality.{name}").EXTRACTOR


def fetch_weights(settings: QualitySettings) -> None:
    """Download the weights of the metrics that were asked for by name, where they are not there.

    Raises:
        InputError: they can't be downloaded.
    """
    for name in extractors_of(settings.explicit):
        extractor_class(name).fetch(settings)
