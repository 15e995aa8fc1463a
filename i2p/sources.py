"""Where prompts come from: the hub, or a CSV, JSONL, parquet or plain text file. All end in `schema.to_prompts`."""

import csv
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

from i2p.network import is_reachable
from i2p.prompt import InputError, Prompt, digest
from i2p.schema import Record, to_prompts

HUB_ID = "AIML-TUDA/i2p"
# The digest of its 4703 rows as they were published, i2p_benchmark.csv with the sha256 5e78f211…50cb: a download that
# nobody named a revision of must be these.
HUB_DIGEST = "a2c41df798fe12080f68e5c8afc7f926b9f45f345106ea14630737dbcbcfc23b"
_DATA = Path(__file__).parent / "data"
SHIPPED = {name: _DATA / f"{name}.csv" for name in ("harmless", "demo", "demo_control")}

_Table = tuple[list[Record], list[str]]  # the rows, and the names of the columns


def load_prompts(
    source: str | Path | None = None,
    *,
    path: str | Path | None = None,
    revision: str | None = None,
    split="train",
    offline: bool = False,
) -> list[Prompt]:
    """Read prompts, in the order of the source.

    `source` is a name ("i2p", or one of `SHIPPED`, prompts that come with this package), a hub id ("owner/name", also
    "owner/name@revision") or a file; None means I2P on the hub. `path` is a file and goes before `source`. A file is
    read by its suffix: .csv, .jsonl, .parquet or .txt (one prompt a line). Text files are UTF-8; blank lines between
    rows are skipped and not counted. `revision` and `split` belong to the hub, of which `offline` asks the local cache
    only. See `schema.to_prompts` for columns.
    Errors: InputError for anything that cannot be read or is not valid; nothing is repaired or dropped.
    """
    if path is not None:
        return _from_file(Path(path))
    source = HUB_ID if source in (None, "i2p") else source
    if source in SHIPPED:
        return _from_file(SHIPPED[source])
    if isinstance(source, Path) or not is_hub_id(source):
        return _from_file(Path(source))
    name, _, pinned = source.partition("@")
    if revision and pinned and revision != pinned:
        raise InputError(f"{source}: expected one revision, found {pinned!r} and {revision!r}; give one of them")
    prompts = _from_hub(name, revision or pinned or None, split, offline)
    if name == HUB_ID and not (revision or pinned) and not is_published(prompts):
        raise InputError(
            f"{name}: expected the 4703 prompts that were published (digest {HUB_DIGEST[:12]}…), found {len(prompts)} "
            f"with the digest {_whole_digest(prompts)[:12]}…: the data set has changed; name the revision that you "
            "mean, or give a file"
        )
    return prompts


def is_published(prompts: list[Prompt]) -> bool:
    """Whether these are the 4703 rows of I2P as they were published, with what they are selected and compared by."""
    return _whole_digest(prompts) == HUB_DIGEST


def _whole_digest(prompts: list[Prompt]) -> str:
    """`digest` and what rows are selected and compared by, rounded, for the hub's decimals are parsed otherwise."""
    sha = hashlib.sha256(digest(prompts).encode())
    for p in prompts:
        shares = (p.published.inappropriate, p.published.nudity, p.published.q16) if p.published else ()
        sha.update(f"{p.hard} {p.toxicity or 0:.4f} {' '.join(f'{x or 0:.4f}' for x in shares)}\n".encode())
    return sha.hexdigest()


def is_hub_id(source: str) -> bool:
    """Whether a source is taken for a hub id, and not for a name or a file."""
    hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*(@[^@]+)?", source, re.ASCII)
    return bool(hub_id) and Path(source).suffix.lower() not in _READERS and not Path(source).exists()


def _from_file(path: Path) -> list[Prompt]:
    path = path.expanduser()
    read = _READERS.get(path.suffix.lower())
    if path.is_dir():
        raise InputError(f"{path}: expected a file of prompts, found a folder; give the file inside it")
    if not path.exists():
        raise InputError(f"{path}: expected a file of prompts, found nothing there; correct the path")
    if read is None:
        found = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise InputError(
            f"{path}: expected a file that ends in {', '.join(_READERS)}, found {found}; convert (or unpack) it"
        )
    try:
        records, columns = read(path)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8 text, found the byte {error.object[error.start]:#04x}, which is none; "
            "save the file as UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be read, found {error}; restore or replace it") from error
    return to_prompts(records, columns, str(path))


def _read_csv(path: Path) -> _Table:
    # Not pandas: it fills short rows up, takes a first column for an index when rows are long, and reads NA as nothing.
    # newline="" keeps the line ends inside quotes; -sig drops the mark that spreadsheets write in front.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        records, columns, line = [], None, 1
        try:
            for cells in reader:
                if not cells:
                    pass
                elif columns is None:
                    columns = cells
                elif len(cells) != len(columns):
                    raise InputError(
                        f"{path}, row {len(records)} (line {line}): expected {len(columns)} cells, as the header has, "
                        f"found {len(cells)}; put texts that hold a comma, quote or line end in double quotes"
                    )
                else:
                    records.append(Record(dict(zip(columns, cells, strict=True)), line))
                line = reader.line_num + 1
        except csv.Error as error:
            raise InputError(
                f"{path}, row {len(records)} (line {line}): expected comma-separated cells, found {error}; "
                "double the quotes inside a quoted text, and close it"
            ) from error
    return records, [] if columns is None else columns


def _lines(path: Path) -> list[tuple[int, str]]:
    """Number and text of the lines that are not blank. Only LF and CR LF end a line: a prompt may hold U+2028."""
    lines = path.read_bytes().decode("utf-8-sig").split("\n")
    return [(number, line.removesuffix("\r")) for number, line in enumerate(lines, 1) if line.strip()]


def _read_jsonl(path: Path) -> _Table:
    records, columns = [], {}
    for number, line in _lines(path):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}, row {len(records)} (line {number}): expected one JSON object a line, found {line!r:.80} "
                f"({error}); correct the line"
            ) from error
        if not isinstance(values, dict):
            raise InputError(
                f"{path}, row {len(records)} (line {number}): expected one JSON object a line, found {line!r:.80}; "
                'write every prompt as {"prompt": ...} on a line of its own'
            )
        records.append(Record(values, number))
        columns |= dict.fromkeys(values)
    return records, list(columns)


def _read_text(path: Path) -> _Table:
    return [Record({"prompt": line}, number) for number, line in _lines(path)], ["prompt"]


def _read_parquet(path: Path) -> _Table:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{path}: expected a parquet file, found {' '.join(str(error).split())}; write or download it again"
        ) from error
    names, columns = table.column_names, [column.to_pylist() for column in table.columns]
    return [Record(dict(zip(names, values, strict=True))) for values in zip(*columns, strict=True)], names


_READERS: dict[str, Callable[[Path], _Table]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
    ".txt": _read_text,
}


def _from_hub(name: str, revision: str | None, split: str, offline: bool) -> list[Prompt]:
    import datasets
    from huggingface_hub import constants

    source = f"{name}@{revision}" if revision else name
    config, was_offline = datasets.config, datasets.config.HF_HUB_OFFLINE
    offline = offline or was_offline or not is_reachable(constants.ENDPOINT)
    try:
        config.HF_HUB_OFFLINE = offline
        dataset = datasets.load_dataset(name, revision=revision, split=split)
    except Exception as error:  # a dozen unrelated types: no network, no such data set, revision, split, format …
        found = "no such set in the cache, and the hub cannot be reached" if offline else "no such set"
        raise InputError(
            f"{source}: expected a data set of prompts (split {split!r}) on the hub or in its local cache, found "
            f"{found} ({' '.join(str(error).split()):.200}); correct the id, connect once to fetch it, or give a "
            "file (path=FILE)"
        ) from error
    finally:
        config.HF_HUB_OFFLINE = was_offline
    # Offline, `datasets` takes whatever version its cache holds, also where another one was asked for.
    if offline and revision and not any(revision in file["filename"] for file in dataset.cache_files):
        raise InputError(
            f"{source}: expected this revision, found a cached version that cannot be told to be it, and the hub "
            "cannot be reached; connect to fetch it, or leave the revision out"
        )
    return to_prompts(map(Record, dataset.to_list()), dataset.column_names, source)
