"""The run directory: the only state of a run, readable without this project.

manifest.json   prompts.jsonl   engine/   environments/   images/<method>/<row>_<k>.png   scores/<shard>-<part>.parquet
features/<extractor>-<key>/<shard>-<part>.parquet   report/   manifests/ of a run that grew (eval.store.generations)
pictures.parquet in the place of engine/ and images/ where pictures made elsewhere were judged (eval.store.pictures)
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eval.base.errors import InputError
from eval.base.files import cannot_write, strict_json, sync_folder, write_atomic, write_new
from eval.base.image_key import ImageKey
from eval.judges import JUDGES
from eval.store.environment import key_of
from eval.store.generations import FOLDER, latest_manifest, replace_manifest, settle
from eval.store.manifest import Manifest
from eval.store.part_files import PART_OF, PartFiles
from eval.store.scores import OK, STORED, Score, is_of_part, keys_done, to_table

FOLDERS = ("engine", "environments", "features", "images", FOLDER, "scores", "report")
MADE_IN = b"i2p-bench environment"  # a score part's metadata: the key of its environment, in environments/


class RunDir:
    """The directory of a run; nothing is created before the first write."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self._manifest: Manifest | None = None  # once it has been read
        self._environment: str | None = None
        self._parts: dict[Path, PartFiles] = {}  # by folder

    @property
    def manifest_path(self) -> Path:
        """The path of the manifest: resolved settings, versions, digests."""
        return self.root / "manifest.json"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.root / "report"

    def read_manifest(self) -> Manifest | None:
        """Return the manifest, None where there is none yet.

        Raises:
            InputError: it can't be read.
        """
        return latest_manifest(self.root)

    def check_writable(self) -> None:
        """Refuse a run directory, existing or planned, or a subfolder that can't be written; nothing is left behind.

        Raises:
            InputError: one can't be written.
        """
        subfolders = [self.root / name for name in FOLDERS]
        for folder in [self.root, *(path for path in subfolders if path.exists())]:
            if hindered := cannot_write(folder):
                raise InputError(
                    f"out must be a folder that can be written, found {hindered[0]}, which can't ({hindered[1]}): set "
                    "out= to another place"
                )

    def create(self, manifest: Manifest) -> bool:
        """Write the manifest of a new run; return False where another process was first."""
        return write_new(self.manifest_path, strict_json(manifest.document()).encode())

    def grow(self, grown: Manifest) -> bool:
        """Replace the manifest by that of the grown run; return False where another process was first."""
        return replace_manifest(self.root, grown)

    def open(self, manifest: Manifest) -> None:
        """Name this identity in the score parts that are written from now on."""
        settle(self.root)
        self._manifest = manifest

    def read_engine(self, kind: str) -> dict | None:
        """Return the choices for a kind of device, None where there are none or they can't be read."""
        try:
            document = json.loads(self._engine_path(kind).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # only the last bits of pictures depend on it
            return None
        return document if isinstance(document, dict) else None

    def create_engine(self, kind: str, chosen: dict) -> bool:
        """Store the choices for a kind of device; return False where another process was first."""
        return write_new(self._engine_path(kind), strict_json(chosen).encode())

    def replace_engine(self, kind: str, chosen: dict) -> None:
        """Replace the choices for a kind of device."""
        write_atomic(self._engine_path(kind), strict_json(chosen).encode())

    def _engine_path(self, kind: str) -> Path:
        return self.root / "engine" / f"{kind}.json"

    def keep_environment(self, record: Mapping) -> None:
        """Store the environment of this process; the score parts that it writes from now on name it."""
        self._environment = key_of(record)
        write_new(self.root / "environments" / f"{self._environment}.json", strict_json(dict(record)).encode())

    def read_environments(self) -> dict[str, dict]:
        """Return every readable environment by its key, in the order in which they were written."""
        records = {}
        for path in sorted((self.root / "environments").glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
            with contextlib.suppress(OSError, ValueError):
                record = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(record, dict) and key_of(record) == path.stem:  # otherwise it has been changed
                    records[path.stem] = record
        return records

    def write_prompts(self, prompts: Iterable[dict], key: str = "") -> None:
        """Write the prompts of the whole selection, one per line, replacing an existing file.

        Args:
            prompts: in the order of their source.
            key: of the generation of the manifest to which they belong; empty for the present one.
        """
        lines = "".join(json.dumps(p, ensure_ascii=False) + "\n" for p in prompts)
        write_atomic(self._prompts_path(key), lines.encode())

    def _prompts_path(self, key: str) -> Path:
        return self.root / (f"{FOLDER}/prompts-{key}.jsonl" if key else "prompts.jsonl")

    def read_prompts(self, key: str = "") -> list[dict]:
        """Return the prompts of the whole selection, in order; `key` as in `write_prompts`.

        Raises:
            InputError: the file is missing or damaged.
        """
        path = self._prompts_path(key)
        try:
            with path.open(encoding="utf-8", newline="\n") as file:
                return [json.loads(line) for line in file]
        except PermissionError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(f"{path} can't be read ({error})") from error  # `eval.store.prompts` adds what restores it

    def image_path(self, method: str, row: int, image: int) -> Path:
        """Return the path of the picture of an image, which exists if it is kept."""
        return self.root / "images" / method / f"{row}_{image}.png"

    def write_images(self, images: Iterable[tuple[ImageKey, bytes]]) -> None:
        """Write the PNG bytes of images; on return all of them are on the disk."""
        folders = set()
        for key, png in images:
            path = self.image_path(*key)
            write_atomic(path, png, durable=False)
            folders.add(path.parent)
        for folder in folders:
            sync_folder(folder)

    def write_scores(self, shard: int, scores: list[Score]) -> None:
        """Write the next part of a shard; two processes on one shard write different parts."""
        made_in = {MADE_IN: self._environment.encode()} if self._environment else {}
        table = to_table(scores, self._plugged())
        self.parts_in("scores").write(shard, table, {PART_OF: self.identity_digest(), **made_in})

    def identity_digest(self) -> bytes:
        """Return the digest by which a part names its run; empty without a manifest."""
        return manifest.identity_digest.encode() if (manifest := self._made_from()) else b""

    def parts_in(self, folder: str | Path) -> PartFiles:
        """Return the parts in a folder of the run directory, as this process writes and reads them."""
        path = self.root / folder
        return self._parts.setdefault(path, PartFiles(path))

    def parts(self) -> Iterator[tuple[float, int]]:
        """Yield (time of writing in seconds since 1970, images) of every readable score part, in the order of time."""
        for written, path in self.parts_in("scores").paths():
            with contextlib.suppress(OSError, pa.ArrowException):
                yield written / 1e9, pq.read_metadata(path).num_rows

    def read_scores(self, *, set_aside: bool = False) -> pa.Table:
        """Return the merged parts as a table of `STORED`, with one row per image.

        Of an image that was scored twice, an `ok` row wins, then the part that was written later. Damaged parts, and
        those of another run, are skipped with a warning.

        Args:
            set_aside: also rename the skipped parts, so that their images are made again only once.

        Raises:
            StorageError: a part that this object has written is missing or can't be read.
        """
        tables = list(self._score_parts(set_aside))
        if not tables:
            return pa.Table.from_batches([], schema=STORED)  # empty_table() would import pandas
        table = pa.concat_tables(tables)
        frame = table.select(["method", "row", "image"]).to_pandas()
        frame["ok"] = [state == OK for state in table["state"].to_pylist()]
        frame = frame.sort_values("ok", kind="stable")
        positions = frame.drop_duplicates(["method", "row", "image"], keep="last").index
        return table.take(pa.array(sorted(positions)))

    def done(self, *, set_aside: bool = False) -> set[ImageKey]:
        """Return the images that a rerun need not make again; `set_aside` as in `read_scores`."""
        return keys_done(self.read_scores(set_aside=set_aside))

    def _made_from(self) -> Manifest | None:
        if self._manifest is None:
            self._manifest = self.read_manifest()
        return self._manifest

    def is_own(self, digest: str) -> bool:
        """Return whether a part that names its run by this digest is of this one, or of it before it grew."""
        manifest = self._made_from()
        if manifest is not None and not manifest.is_own(digest):
            manifest = self.read_manifest()  # the run may have grown meanwhile
        return manifest.is_own(digest) if manifest else not digest

    def _plugged(self) -> list[str]:
        """Return the names of the run's judges that other packages bring."""
        manifest = self._made_from()
        return [name for name in manifest.identity.judges if name not in JUDGES] if manifest else []

    def _score_parts(self, set_aside: bool) -> Iterator[pa.Table]:
        plugged = self._plugged()
        parts = self.parts_in("scores").read(
            self.is_own, lambda schema: is_of_part(schema, plugged), set_aside=set_aside
        )
        for _, table in parts:
            metadata = table.schema.metadata
            key = metadata[MADE_IN].decode() if MADE_IN in metadata else None
            made_in = pa.array([key] * table.num_rows, pa.string())
            yield table.append_column("environment", made_in).replace_schema_metadata(None)
