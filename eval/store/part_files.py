"""The parts in a folder of the run directory: tables that any number of processes add, each complete and checked."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eval.base.errors import StorageError
from eval.base.files import write_new
from eval.store.parts import first_free_part, part_path

log = logging.getLogger(__name__)

_PART = re.compile(r"\d.*\.parquet")
DAMAGED = (OSError, UnicodeDecodeError, pa.ArrowException)  # what reading a damaged file raises; the second, of a name
PART_OF = b"i2p-bench run"  # a part's metadata: the digest of its run's identity


class PartFiles:
    """The parts in one folder, as one process writes and reads them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._next: dict[int, int] = {}  # by shard; a guess, since other processes write parts too
        self._written: set[Path] = set()  # by this object
        self._warned: set[Path] = set()  # of damage

    def write(
        self, shard: int, table: pa.Table, metadata: Mapping[bytes, bytes], *, distinct: Collection[str] = ()
    ) -> None:
        """Write a table as the next part of a shard; two processes on one shard write different parts.

        Args:
            shard: index of the shard.
            table: of the part.
            metadata: of the part, with `PART_OF`.
            distinct: columns of numbers that hardly repeat, for which a dictionary of values would only take time.
        """
        sink = pa.BufferOutputStream()
        dictionary = [name for name in table.column_names if name not in distinct] if distinct else True
        # Without checksums, a flipped bit would be read as a number.
        pq.write_table(
            table.replace_schema_metadata(dict(metadata)), sink, use_dictionary=dictionary, write_page_checksum=True
        )
        data = sink.getvalue().to_pybytes()
        part = self._next[shard] if shard in self._next else first_free_part(self.folder, shard)
        while not write_new(path := part_path(self.folder, shard, part), data):
            part += 1
        self._next[shard] = part + 1
        self._written.add(path)

    def paths(self) -> list[tuple[int, Path]]:
        """Return (time of writing in nanoseconds, path) of every part, in the order of time.

        Within a shard that is the order of their numbers, since a copied folder or another clock has other times.
        """
        parts, latest = [], {}
        try:
            names = os.listdir(self.folder)  # `glob` would find no part where it may not look
        except FileNotFoundError:
            return []
        for name in sorted(name for name in names if _PART.fullmatch(name)):
            with contextlib.suppress(FileNotFoundError):  # another process has just set it aside
                path, shard = self.folder / name, name.partition("-")[0]
                written = path.stat().st_mtime_ns
                latest[shard] = max(written, latest.get(shard, written))
                parts.append((latest[shard], path, written))
        return [(written, path) for _, path, written in sorted(parts)]

    def read(
        self,
        is_own: Callable[[str], bool],
        fits: Callable[[pa.Schema], bool],
        *,
        columns: Sequence[str] | None = None,
        set_aside: bool = False,
    ) -> Iterator[tuple[Path, pa.Table]]:
        """Yield the readable parts, each with its path, in the order of time; others are skipped with a warning.

        Args:
            is_own: returns whether a part is of the run, from the digest by which it names it; empty if it names none.
            fits: returns whether a part can have this schema.
            columns: those to read, and to check for damage; None for all.
            set_aside: also rename the skipped parts, so that their images are made again only once.

        Raises:
            StorageError: a part that this object has written is missing or can't be read.
        """
        vanished, expected = set(self._written), None
        for _, path in self.paths():
            try:
                with opened(path) as content:
                    schema = content.schema_arrow
                    if not is_own((schema.metadata or {}).get(PART_OF, b"").decode()):
                        raise pa.ArrowInvalid("it was written for another run")
                    if not fits(schema):
                        raise pa.ArrowInvalid("its columns are not those of such a part")
                    expected = pa.unify_schemas([expected or schema, schema])  # of one type where of one name
                    table = content.read(columns)
            except FileNotFoundError:  # another process has just set it aside
                continue
            except PermissionError:  # its images are made
                raise
            except DAMAGED as error:
                if path not in self._warned:  # each time that it is read
                    self._warned.add(path)
                    warn_damaged(path, error)
                if set_aside:
                    with contextlib.suppress(FileNotFoundError):
                        path.rename(path.with_suffix(".parquet.damaged"))
            else:
                vanished.discard(path)
                yield path, table
        if vanished:
            raise StorageError(
                f"{min(vanished)} was written by this process and is missing or can't be read back: check the disk and "
                "other programs that use the folder; run the same command again to make what is missing"
            )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file whose checksums are verified. It is opened here: given a path, pyarrow would expand ~."""
    with path.open("rb") as file:
        yield pq.ParquetFile(file, page_checksum_verification=True)


def read_columns(path: Path, columns: Sequence[str]) -> pa.Table | None:
    """Return columns of a part, None, with a warning, if they are damaged or the part is gone."""
    try:
        with opened(path) as content:
            return content.read(columns)
    except DAMAGED as error:
        warn_damaged(path, error)
        return None


def warn_damaged(path: Path, error: Exception) -> None:
    """Log that a part is not used."""
    log.warning("%s is damaged (%s): what it holds counts as not made.", path, error)
