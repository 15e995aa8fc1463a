"""The run directory: the only state of a run, readable without this project.

manifest.json   prompts.jsonl   engine/   environments/   images/<method>/<row>_<k>.png   scores/<shard>-<part>.parquet
features/<extractor>-<key>/<shard>-<part>.parquet   report/   manifests/ of a run that grew (eval.store.generations)
cache/, which can be deleted: what a complete run need not find out again
pictures.parquet in the place of engine/ and images/ where pictures made elsewhere were judged (eval.store.pictures)
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from eval.base.errors import InputError
from eval.base.files import cannot_write, strict_json, sync_folder, write_atomic, write_new
from eval.base.image_key import ImageKey
from eval.judges import JUDGES
from eval.store.environment import key_of
from eval.store.generations import FOLDER, latest_manifest, replace_manifest, settle
from eval.store.manifest import Manifest
from eval.store.merged import Part, StoredScores, merge
from eval.store.part_files import DAMAGED, PART_OF, PartFiles, opened
from eval.store.scores import Score, has_judged, is_of_part, to_table

FOLDERS = ("cache", "engine", "environments", "features", "images", FOLDER, "scores", "report")
MADE_IN = b"i2p-bench environment"  # a score part's metadata: the key of its environment, in environments/
JUDGES_OF = b"i2p-bench judges"  # and the names of its judges, where they judged pictures that had scores already


class RunDir:
    """The directory of a run; nothing is created before the first write."""

    def __init__(self, root: str | Path):
        self.root = Path(root)
        self._manifest: Manifest | None = None  # that of the parts which are written
        self._latest: Manifest | None = None  # that of the parts which are read: the run may have grown meanwhile
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
        """Refuse a run directory, existing or planned, or a part of it that can't be written; nothing is left behind.

        Raises:
            InputError: one can't be written.
        """
        subfolders = [path for name in FOLDERS if (path := self.root / name).exists()]
        files = [self.manifest_path, self._prompts_path(""), *self.root.glob("engine/*.json")]
        hindered = [found for folder in (self.root, *subfolders) if (found := cannot_write(folder))]
        hindered += [(path, "it is a folder") for path in files if path.is_dir()]
        for path, why in hindered[:1]:
            raise InputError(
                f"out must be a folder that can be written, found {path}, which can't ({why}): set out= to another "
                "place"
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

    def write_scores(self, shard: int, scores: list[Score], later: Sequence[str] = ()) -> None:
        """Write the next part of a shard; two processes on one shard write different parts.

        Args:
            shard: its index.
            scores: of images.
            later: the judges of which these are the records, where they judged pictures that have scores already.
        """
        metadata = {MADE_IN: self._environment.encode()} if self._environment else {}
        if later:
            metadata[JUDGES_OF] = ",".join(later).encode()
        table = to_table(scores, _plugged(self._made_from()))
        self.parts_in("scores").write(shard, table, {PART_OF: self.identity_digest(), **metadata})

    def identity_digest(self) -> bytes:
        """Return the digest by which a part names its run; empty without a manifest."""
        return manifest.identity_digest.encode() if (manifest := self._made_from()) else b""

    def parts_in(self, folder: str | Path) -> PartFiles:
        """Return the parts in a folder of the run directory, as this process writes and reads them."""
        path = self.root / folder
        return self._parts.setdefault(path, PartFiles(path))

    def parts(self) -> Iterator[tuple[float, int]]:
        """Yield (time of writing in seconds since 1970, images) of every readable score part, in the order of time."""
        for written, path in sorted(self.parts_in("scores").paths()):
            with contextlib.suppress(*DAMAGED), opened(path) as content:
                yield written / 1e9, content.metadata.num_rows

    def read_scores(self, *, set_aside: bool = False) -> pa.Table:
        """Return the table of `read_stored`."""
        return self.read_stored(set_aside=set_aside).table

    def read_stored(self, *, set_aside: bool = False) -> StoredScores:
        """Return the merged parts. Damaged ones, and those of another run, are skipped with a warning.

        Args:
            set_aside: also rename the skipped parts, so that their images are made again only once.

        Raises:
            StorageError: a part that this object has written is missing or can't be read.
        """
        parts = list(self._score_parts(set_aside))
        return merge(parts, self._latest.identity.judges if self._latest else ())

    def done(self, *, set_aside: bool = False) -> set[ImageKey]:
        """Return the images that a rerun need not make again; `set_aside` as in `read_stored`."""
        return self.read_stored(set_aside=set_aside).done

    def _made_from(self) -> Manifest | None:
        if self._manifest is None:
            self._manifest = self.read_manifest()
        return self._manifest

    def is_own(self, digest: str) -> bool:
        """Return whether a part that names its run by this digest is of this one, or of it before it grew."""
        if self._latest is None or not self._latest.is_own(digest):  # the run may have grown meanwhile
            self._latest = self.read_manifest()
        return self._latest.is_own(digest) if self._latest else not digest

    def _score_parts(self, set_aside: bool) -> Iterator[Part]:
        self._latest = None

        def fits(schema: pa.Schema) -> bool:
            return is_of_part(schema, _plugged(self._latest))

        for _, table in self.parts_in("scores").read(self.is_own, fits, set_aside=set_aside):
            metadata = table.schema.metadata or {}
            key = metadata[MADE_IN].decode(errors="replace") if MADE_IN in metadata else None
            made_in = pa.array([key] * table.num_rows, pa.string())
            stored = table.append_column("environment", made_in).replace_schema_metadata(None)
            if JUDGES_OF in metadata:
                yield Part(stored, frozenset(metadata[JUDGES_OF].decode(errors="replace").split(",")), later=True)
            else:
                digest = metadata.get(PART_OF, b"").decode()
                judges = self._latest.judges_under(digest) if self._latest else frozenset()
                yield Part(stored, frozenset(judge for judge in judges if has_judged(judge, stored)))


def _plugged(manifest: Manifest | None) -> list[str]:
    """Return the names of a run's judges that other packages bring."""
    return [name for name in manifest.identity.judges if name not in JUDGES] if manifest else []
