"""The run directory: the only state of a run, readable without this project.

manifest.json   prompts.jsonl   engine/   environments/   images/<method>/<row>_<k>.png   scores/<shard>-<part>.parquet
report/
pictures.parquet in the place of engine/ and images/ where pictures made elsewhere were judged (eval.store.pictures)
"""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eval.base.errors import InputError, StorageError
from eval.base.files import strict_json, sync_folder, write_atomic, write_new
from eval.base.image_key import ImageKey
from eval.judges import JUDGES
from eval.store.environment import key_of
from eval.store.manifest import Manifest, read_manifest
from eval.store.parts import first_free_part, part_path
from eval.store.scores import OK, STORED, Score, is_of_part, keys_done, to_table

log = logging.getLogger(__name__)

FOLDERS = ("engine", "environments", "images", "scores", "report")
PART_OF = b"i2p-bench run"  # a score part's metadata: the digest of its run's identity
MADE_IN = b"i2p-bench environment"  # and the name of the record of what it was made by, in environments/


class RunDir:
    """One run's folder. Nothing is created before the first write."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self._manifest: Manifest | None = None  # once there is one
        self._environment: str | None = None
        self._next_part: dict[int, int] = {}  # by shard; a guess, since other processes write parts too
        self._written: set[Path] = set()  # parts, by this object

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is: resolved settings, versions, digests."""
        return self.root / "manifest.json"

    @property
    def report(self) -> Path:
        """The folder of the tables."""
        return self.root / "report"

    def read_manifest(self) -> Manifest | None:
        """Return the manifest, None where there is none yet.

        Raises:
            InputError: there is one, and it can't be read.
        """
        return read_manifest(self.manifest_path)

    def check_writable(self) -> None:
        """Try to write where the run directory is or will be, and into its folders, leaving nothing behind.

        Raises:
            InputError: the place takes no file.
        """
        place = next(p for p in [self.root.absolute(), *self.root.absolute().parents] if p.exists() or p.is_symlink())
        inside = [self.root / name for name in FOLDERS]
        for folder in [place, *(path for path in inside if path.exists())]:
            try:
                with tempfile.TemporaryFile(dir=folder):
                    pass
            except OSError as error:
                raise InputError(
                    f"out must be a folder that can be written, found {folder}, which can't "
                    f"({error.strerror or error}): set out= to another place"
                ) from error

    def create(self, manifest: Manifest) -> bool:
        """Write the manifest of a new run; return False where another process was first."""
        return write_new(self.manifest_path, strict_json(manifest.document()).encode())

    def read_engine(self, kind: str) -> dict | None:
        """Return what was chosen for this kind of device, None where nothing was or it can't be read."""
        try:
            found = json.loads(self._engine_path(kind).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # nothing depends on it but the last bits of pictures
            return None
        return found if isinstance(found, dict) else None

    def create_engine(self, kind: str, chosen: dict) -> bool:
        """Keep the choices for a kind of device; return False where another process was first."""
        return write_new(self._engine_path(kind), strict_json(chosen).encode())

    def replace_engine(self, kind: str, chosen: dict) -> None:
        """Keep other choices for a kind of device from now on."""
        write_atomic(self._engine_path(kind), strict_json(chosen).encode())

    def _engine_path(self, kind: str) -> Path:
        return self.root / "engine" / f"{kind}.json"

    def keep_environment(self, record: Mapping) -> None:
        """Keep a record of what this process computes with; the parts that it writes from now on name it."""
        self._environment = key_of(record)
        write_new(self.root / "environments" / f"{self._environment}.json", strict_json(dict(record)).encode())

    def read_environments(self) -> dict[str, dict]:
        """Return every readable record by its key, in the order in which they were written."""
        found = {}
        for path in sorted((self.root / "environments").glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
            with contextlib.suppress(OSError, ValueError):
                record = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(record, dict) and key_of(record) == path.stem:  # or it has been changed
                    found[path.stem] = record
        return found

    def write_prompts(self, prompts: Iterable[dict]) -> None:
        """Write the prompts of the whole selection, a line each, in place of what is there."""
        lines = "".join(json.dumps(p, ensure_ascii=False) + "\n" for p in prompts)
        write_atomic(self.root / "prompts.jsonl", lines.encode())

    def read_prompts(self) -> list[dict]:
        """Return the prompts of the run, whole selection, in order.

        Raises:
            InputError: the file is missing or damaged.
        """
        path = self.root / "prompts.jsonl"
        try:
            with path.open(encoding="utf-8", newline="\n") as file:
                return [json.loads(line) for line in file]
        except (OSError, ValueError) as error:
            raise InputError(f"{path} can't be read ({error})") from error  # `eval.store.prompts` says what restores it

    def image_path(self, method: str, row: int, image: int) -> Path:
        """Where image `image` of a row is, if it is kept."""
        return self.root / "images" / method / f"{row}_{image}.png"

    def write_images(self, images: Iterable[tuple[ImageKey, bytes]]) -> None:
        """Write the PNG bytes of images; all of them are on the disk when this returns."""
        folders = set()
        for key, png in images:
            path = self.image_path(*key)
            write_atomic(path, png, durable=False)
            folders.add(path.parent)
        for folder in folders:
            sync_folder(folder)

    def write_scores(self, shard: int, scores: list[Score]) -> None:
        """Write the next part of a shard. Two processes on one shard get different parts."""
        sink = pa.BufferOutputStream()
        made_in = {MADE_IN: self._environment} if self._environment else {}
        table = to_table(scores, self._plugged()).replace_schema_metadata({PART_OF: self._identity_digest(), **made_in})
        pq.write_table(table, sink, write_page_checksum=True)  # or a flipped bit would be read as a score
        data = sink.getvalue().to_pybytes()
        part = self._next_part[shard] if shard in self._next_part else first_free_part(self.root, shard)
        while not write_new(path := part_path(self.root, shard, part), data):
            part += 1
        self._next_part[shard] = part + 1
        self._written.add(path)

    def parts(self) -> Iterator[tuple[float, int]]:
        """Yield (time of writing in seconds since 1970, images) of every readable part of the scores, in this order."""
        for written, path in self._parts():
            with contextlib.suppress(OSError, pa.ArrowException):
                yield written / 1e9, pq.read_metadata(path).num_rows

    def read_scores(self, *, set_aside: bool = False) -> pa.Table:
        """Return one row an image, of `STORED`: every part merged, a repeated image once.

        Where an image was scored twice, an `ok` row wins over another, then the part that was written later. A damaged
        part, or one of another run, is left out with a warning; `set_aside` renames it too, so that its images are made
        again once.

        Raises:
            StorageError: a part that this object has written is not among them.
        """
        tables = list(self._readable_parts(set_aside))
        if not tables:
            return pa.Table.from_batches([], schema=STORED)  # empty_table() would import pandas
        table = pa.concat_tables(tables)
        frame = table.select(["method", "row", "image"]).to_pandas()
        frame["ok"] = [state == OK for state in table["state"].to_pylist()]
        frame = frame.sort_values("ok", kind="stable")
        kept = frame.drop_duplicates(["method", "row", "image"], keep="last").index
        return table.take(pa.array(sorted(kept)))

    def done(self, *, set_aside: bool = False) -> set[ImageKey]:
        """Return every image that a rerun need not make again."""
        return keys_done(self.read_scores(set_aside=set_aside))

    def _parts(self) -> list[tuple[int, Path]]:
        """Every part and when it was written, in nanoseconds, in this order."""
        found = []
        for path in (self.root / "scores").glob("[0-9]*.parquet"):
            with contextlib.suppress(FileNotFoundError):  # another process has just set it aside
                found.append((path.stat().st_mtime_ns, path))
        return sorted(found)

    def _made_from(self) -> Manifest | None:
        if self._manifest is None:
            self._manifest = self.read_manifest()
        return self._manifest

    def _identity_digest(self) -> bytes:
        """What a part says of the run that it belongs to; empty without a manifest."""
        return manifest.identity_digest.encode() if (manifest := self._made_from()) else b""

    def _plugged(self) -> list[str]:
        """The run's judges that other packages bring."""
        manifest = self._made_from()
        return [name for name in manifest.identity.judges if name not in JUDGES] if manifest else []

    def _readable_parts(self, set_aside: bool) -> Iterator[pa.Table]:
        ours, lost, plugged, schema = self._identity_digest(), set(self._written), self._plugged(), None
        for _, path in self._parts():
            try:
                with path.open("rb") as file:  # of a name, pyarrow would take a ~ for the home folder
                    table = pq.read_table(file, page_checksum_verification=True)
                if not is_of_part(table.schema, plugged) or (schema or table.schema) != table.schema:
                    raise pa.ArrowInvalid("its columns are not those of a score part")
                about = table.schema.metadata or {}
                if about.get(PART_OF) != ours:
                    raise pa.ArrowInvalid("it was written for another run")
            except FileNotFoundError:  # another process has just set it aside
                continue
            except (OSError, pa.ArrowException) as error:
                log.warning("%s is damaged (%s): its images count as not made.", path, error)
                if set_aside:
                    with contextlib.suppress(FileNotFoundError):
                        path.rename(path.with_suffix(".parquet.damaged"))
            else:
                lost.discard(path)
                schema = table.schema
                key = about[MADE_IN].decode() if MADE_IN in about else None
                made_in = pa.array([key] * table.num_rows, pa.string())
                yield table.append_column("environment", made_in).replace_schema_metadata(None)
        if lost:
            raise StorageError(
                f"{min(lost)} has been written by this process and is gone or can't be read back: look at the disk "
                "and whatever else works in that folder; run the same command again to make what is missing"
            )
