"""The base class of extractors that are one published network, whose weights are a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from eval.quality.extractor import Extractor
from eval.quality.settings import QualitySettings
from eval.quality.weights import Weights, check_package, check_weights, fetch, present, read

if TYPE_CHECKING:
    import torch


class PublishedNetwork(Extractor):
    """A network of a package of the extra `quality`, with published weights in one file."""

    module: ClassVar[str]  # of the package, in Python
    package: ClassVar[str]  # its name for pip
    metrics: ClassVar[str]  # that need it, for sentences

    @classmethod
    def weights(cls, settings: QualitySettings) -> tuple[Weights, str | None]:
        """Return the published weights, and the path of the file that the settings name; None for torch's cache."""
        raise NotImplementedError

    @classmethod
    def check_files(cls, settings: QualitySettings) -> None:
        """Refuse a missing package, or weights that are not there; nothing is loaded."""
        check_package(cls.module, cls.package, cls.metrics)
        check_weights(*cls.weights(settings))

    @classmethod
    def files(cls, settings: QualitySettings) -> list[Path]:
        """Return the weights file that is here; empty where a run would download it first."""
        return present(*cls.weights(settings))

    @classmethod
    def fetch(cls, settings: QualitySettings) -> None:
        """Download weights that are not there."""
        fetch(*cls.weights(settings))

    @classmethod
    def read(cls, settings: QualitySettings) -> dict[str, torch.Tensor]:
        """Return the tensors of the weights by name, on the CPU.

        Raises:
            InputError: the package or the file is missing, or the file has other bytes.
        """
        check_package(cls.module, cls.package, cls.metrics)
        return read(*cls.weights(settings))
