"""The features of a reference's pictures, made where they are missing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eval.base.errors import InputError, Unreadable
from eval.base.signals import Stop
from eval.base.words import counted
from eval.generate.features import rows_of
from eval.generate.progress import Progress
from eval.generate.reading import BATCH, by_size, read_all, read_in_threads
from eval.judges.inputs import shape_fault
from eval.quality.extractor import Extractor
from eval.quality.reference import COLUMNS, PictureFolder, open_reference
from eval.store.reference import record_numbers, record_pictures, reference_rows, write_reference_rows
from eval.store.rundir import RunDir
from eval.store.scores import OK, UNREADABLE

log = logging.getLogger(__name__)

PART = 256  # pictures in a part; a killed run looks at no more of them again


def make_reference(run: RunDir, source: str, extractor: Extractor, stop: Stop) -> None:
    """Compute and store the features of the reference's pictures that the run lacks, and which pictures these are.

    Args:
        run: the directory, which has its manifest.
        source: `quality.reference`.
        extractor: loaded.
        stop: a signal, after which the next batch is the last.

    Raises:
        InputError: the reference is gone, or fewer than two of its pictures can be read.
        StorageError: the disk refused; everything stored before is complete.
    """
    reference = open_reference(source)
    if not isinstance(reference, PictureFolder):
        record_numbers(run, extractor.name, source, reference)
        return
    description = extractor.describe()
    known = reference_rows(run, extractor.name, description)
    files = dict(_digests(reference))
    missing = {sha256: path for path, sha256 in files.items() if sha256 not in known}
    rows: list[tuple[str, np.ndarray | None, str]] = []
    with Progress(len(set(files.values())), len(missing), "reference") as progress:

        def readable() -> Iterator[tuple[str, np.ndarray]]:
            for sha256, pixels in _read(reference.root, missing):
                if isinstance(pixels, Unreadable):
                    rows.append((sha256, None, str(pixels)))
                    progress.count({UNREADABLE: 1})
                else:
                    yield sha256, pixels

        for batch in by_size(readable(), BATCH, lambda item: item[1]):
            values = rows_of(extractor, [pixels for _, pixels in batch], [""] * len(batch), None)
            column = COLUMNS[extractor.name]
            rows += [(sha256, row[column], "") for (sha256, _), row in zip(batch, values, strict=True)]
            progress.count({OK: len(batch)})
            if len(rows) >= PART or stop.reason:
                _write(run, extractor, rows, known)
            if stop.reason:
                return
        _write(run, extractor, rows, known)
    lacking = [path for path, sha256 in files.items() if known[sha256]]
    if len(files) - len(lacking) < 2:
        raise InputError(
            f"quality.reference must be a folder of two readable pictures or more, found {len(files) - len(lacking)} "
            f"in {source}, {lacking[0]} being unreadable ({known[files[lacking[0]]]}): give another"
        )
    if lacking:
        names = ", ".join(f"{path} ({known[files[path]]})" for path in lacking[:3]) + " …" * (len(lacking) > 3)
        log.warning("quality.reference: without %s that can't be read: %s.", counted(len(lacking), "picture"), names)
    record_pictures(run, extractor.name, description, source, files)


def _write(
    run: RunDir, extractor: Extractor, rows: list[tuple[str, np.ndarray | None, str]], known: dict[str, str]
) -> None:
    """Write the rows, and count them as known."""
    if rows:
        write_reference_rows(run, extractor.name, extractor.describe(), rows)
    known |= {sha256: error for sha256, _, error in rows}
    rows.clear()


def _digests(reference: PictureFolder) -> Iterator[tuple[str, str]]:
    """Yield the path of each picture and the sha256 of its file: of one that can't be read, that of no bytes."""

    def digest(path: str) -> str:
        try:
            return hashlib.sha256((reference.root / path).read_bytes()).hexdigest()
        except OSError:
            return hashlib.sha256().hexdigest()

    yield from read_in_threads(reference.paths, digest)


def _read(root: Path, missing: dict[str, str]) -> Iterator[tuple[str, np.ndarray | Unreadable]]:
    """Yield the sha256 of each file and its pixels, or why it has none that can be looked at."""
    for (sha256, _), (pixels,) in read_in_threads(missing.items(), lambda item: read_all([root / item[1]])):
        fault = None if isinstance(pixels, Unreadable) else shape_fault(pixels.shape)
        yield sha256, pixels if fault is None else Unreadable(fault)
