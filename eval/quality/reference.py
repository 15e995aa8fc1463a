"""What `kid`, `kid_clip` and `fid` compare pictures with, as the user names it: a folder of pictures, or their numbers.

Numbers are an .npz file, never read as a pickle: mean `mu` and covariance `sigma` of Inception's features, as
pytorch-fid and clean-fid write them, or the `features` themselves.
"""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from eval.base.errors import InputError, Unreadable
from eval.folder.layouts import is_picture
from eval.folder.listing import walk
from eval.quality import CLIP, DISTRIBUTIONS, INCEPTION, METRICS
from eval.quality.settings import QualitySettings

LENGTH = 2048  # of Inception's features
STATISTICS, FEATURES = ("mu", "sigma"), "features"
COLUMNS = {CLIP: "embedding", INCEPTION: "features"}  # of an extractor: what of a picture is compared with a reference


@dataclass(frozen=True)
class PictureFolder:
    """A folder of pictures, those of its subfolders included.

    Attributes:
        root: the folder.
        paths: of its pictures, relative to it.
    """

    root: Path
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Numbers:
    """The numbers of a reference's pictures that a file has.

    Attributes:
        path: of the file.
        arrays: name → array, those of `STATISTICS` or `FEATURES`.
    """

    path: Path
    arrays: Mapping[str, np.ndarray]

    @cached_property
    def is_statistics(self) -> bool:
        """Whether these are mean and covariance, which only `fid` can be computed from."""
        return FEATURES not in self.arrays

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that can be computed from them."""
        return ("fid",) if self.is_statistics else ("kid", "fid")


def needs_reference(settings: QualitySettings, extractor: str) -> bool:
    """Return whether a metric that was asked for compares an extractor's features with those of a named reference."""
    metrics = [name for name in settings.explicit if name in DISTRIBUTIONS and METRICS[name] == extractor]
    return settings.reference is not None and bool(metrics)


def check_reference(settings: QualitySettings) -> None:
    """Refuse a reference that is not there, or can't be compared with; of a folder two pictures are read.

    Raises:
        InputError: a folder with fewer than two pictures that can be read, a file of other numbers, or one from
            which none of the metrics can be computed.
    """
    if settings.reference is None:
        return
    reference = open_reference(settings.reference)
    if isinstance(reference, PictureFolder):
        _check_readable(reference, settings.reference)
    else:
        _check_use(reference, settings.explicit)


def _check_readable(reference: PictureFolder, given: str) -> None:
    """Refuse a folder in which not two pictures can be read; the first two that can be are enough."""
    from eval.base.pictures import read_picture  # OpenCV, which a report does without

    readable, fault = 0, ""
    for path in reference.paths:
        try:
            read_picture(reference.root / path)
            readable += 1
        except Unreadable as error:
            fault = fault or f", {path} being unreadable ({error})"
        if readable == 2:
            return
    raise InputError(
        f"quality.reference must be a folder of two readable pictures or more, found {readable} in {given}{fault}: "
        "give another"
    )


def _check_use(reference: Numbers, metrics: Collection[str]) -> None:
    """Refuse numbers from which none of the metrics can be computed; of some, the report says why they are blank."""
    blank = [name for name in metrics if name in DISTRIBUTIONS]
    if blank and not set(blank) & set(reference.metrics):
        held = "mu and sigma" if reference.is_statistics else "Inception's features"
        raise InputError(
            f"quality.reference must be a folder of pictures for {' and '.join(blank)}, found {held} in "
            f"{reference.path}: give a folder, or ask for {' and '.join(reference.metrics)}"
        )


def open_reference(given: str) -> PictureFolder | Numbers:
    """Return the reference at a path.

    Raises:
        InputError: as `check_reference`.
    """
    path = Path(given)
    if given and path.is_dir():
        return _open_folder(path)
    if path.is_file():
        return Numbers(path, _checked(path, _read(path)))
    raise InputError(
        f"quality.reference must be a folder of pictures or an .npz file, found nothing at {given or repr(given)}: "
        "correct quality.reference=PATH"
    )


def _open_folder(path: Path) -> PictureFolder:
    if (path / "manifest.json").is_file():
        raise InputError(
            f"quality.reference must be a folder of nothing but the reference's pictures, found the run directory "
            f"{path}: name the folder of one method in {path / 'images'}, quality.reference=FOLDER"
        )
    root = path.resolve()
    paths = tuple(walk(root, lambda file: is_picture(file.name)))
    if len(paths) < 2:
        raise InputError(
            f"quality.reference must be a folder of two pictures or more, found {len(paths)} in {path}: correct "
            "quality.reference=PATH"
        )
    return PictureFolder(root, paths)


def _read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name; what would have to be unpickled is refused."""
    try:
        with zipfile.ZipFile(path) as content:
            names = [name.removesuffix(".npy") for name in content.namelist()]
        wanted = [FEATURES] if FEATURES in names else [name for name in STATISTICS if name in names]
        with np.load(path, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in wanted}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            "quality.reference must be a folder of pictures or an .npz file of plain arrays, found another or damaged "
            f"file at {path} ({' '.join(str(error).split())[:200]}): write it anew with numpy.savez"
        ) from error


def _checked(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return arrays as floats, if they can be numbers of Inception's features."""
    if FEATURES not in arrays and arrays.keys() != set(STATISTICS):
        raise InputError(
            f"the .npz file of quality.reference must hold mu and sigma, or features, found {path} with "
            f"{', '.join(arrays) or 'none of them'}: write it with one of these programs, pytorch-fid or clean-fid"
        )
    for name, array in arrays.items():
        shape = {"mu": (LENGTH,), "sigma": (LENGTH, LENGTH)}.get(name, (array.shape[:1] or (0,)) + (LENGTH,))
        found = f"{array.dtype} of shape {array.shape}"
        if array.dtype.kind == "f" and array.shape == shape and shape[0] > 1:
            if np.isfinite(array).all():
                continue
            found = "NaN or infinity in it"
        words = " × ".join(f"{length:,}" for length in shape) if name != FEATURES else f"two rows or more of {LENGTH:,}"
        raise InputError(
            f"{name} in {path}, quality.reference, must be {words} finite floats, found {found}: give numbers of "
            "Inception's last pooling layer"
        )
    return {name: array.astype(np.float32 if name == FEATURES else np.float64) for name, array in arrays.items()}
