"""Where prompts come from: the hub, a file, or this package. All end in `schema.to_prompts`."""

import logging
import re
from pathlib import Path

from i2p.columns import find_columns
from i2p.network import is_reachable
from i2p.prompt import InputError, Prompt, digest
from i2p.records import Record, Table
from i2p.schema import PromptList, to_prompts
from i2p.tables import is_table, read_table

HUB_ID = "AIML-TUDA/i2p"
_DATA = Path(__file__).parent / "data"
SHIPPED = {name: _DATA / f"{name}.csv" for name in ("harmless", "demo", "demo_control")}

log = logging.getLogger(__name__)


def load_prompts(
    source: str | Path | None = None,
    *,
    path: str | Path | None = None,
    revision: str | None = None,
    split="train",
    offline: bool = False,
) -> list[Prompt]:
    """Read prompts, in the order of the source; what of it is not used is logged. See `read_prompts`."""
    found = read_prompts(source, path=path, revision=revision, split=split, offline=offline)
    for sentence in found.sentences():
        log.warning("%s", sentence)
    return found.prompts


def read_prompts(
    source: str | Path | None = None,
    *,
    path: str | Path | None = None,
    revision: str | None = None,
    split="train",
    offline: bool = False,
) -> PromptList:
    """Read prompts, in the order of the source, and what of it is not used.

    `source` is a name ("i2p", or one of `SHIPPED`, prompts that come with this package), a hub id ("owner/name", also
    "owner/name@revision") or a file; None means I2P on the hub. `path` is a file and goes before `source`. A file is
    read by its suffix: .csv, .tsv, .json, .jsonl, .parquet or .txt (one prompt a line), all but parquet also packed
    (.csv.gz).
    Text is UTF-8, or UTF-16 with its mark; blank lines between rows are skipped and not counted. `revision` and `split`
    belong to the hub, of which `offline` asks the local cache only. See `schema.to_prompts` for columns.
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
        raise InputError(
            f"{source}: expected one revision, found {pinned!r} and {revision!r}; leave revision= out", "revision="
        )
    found = _from_hub(name, revision or pinned or None, split, offline)
    if name == HUB_ID and not (revision or pinned) and not (found.benchmark and found.benchmark.whole):
        raise InputError(
            f"{name}: expected the 4703 prompts that were published, found {len(found.prompts)} (digest "
            f"{digest(found.prompts)[:12]}…) that differ: the data set has changed; name the one that you mean, "
            "revision=COMMIT, or give a file, path=FILE",
            "revision=COMMIT",
            "path=FILE",
        )
    return found


def is_hub_id(source: str) -> bool:
    """Whether a source is taken for a hub id, and not for a name or a file."""
    hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*(@[^@]+)?", source, re.ASCII)
    return bool(hub_id) and not is_table(source) and not Path(source).exists()


def _from_file(path: Path) -> PromptList:
    path = path.expanduser()
    return to_prompts(read_table(path), str(path))


def _from_hub(name: str, revision: str | None, split: str, offline: bool) -> PromptList:
    import datasets
    from huggingface_hub import constants

    source = f"{name}@{revision}" if revision else name
    config, was_offline = datasets.config, datasets.config.HF_HUB_OFFLINE
    offline = offline or was_offline or not is_reachable(constants.ENDPOINT)
    try:
        config.HF_HUB_OFFLINE = offline
        dataset = _load_dataset(name, revision, split)
    except Exception as error:  # a dozen unrelated types: no network, no such data set, revision, split, format …
        found = "no such set in the cache, and the hub cannot be reached" if offline else "no such set"
        raise InputError(
            f"{source}: expected a data set of prompts (split {split!r}) on the hub or in its local cache, found "
            f"{found} ({' '.join(str(error).split()):.200}); correct the id, connect once to fetch it, or give a "
            "file (path=FILE)",
            "path=FILE",
        ) from error
    finally:
        config.HF_HUB_OFFLINE = was_offline
    # Offline, `datasets` takes whatever version its cache holds, also where another one was asked for.
    if offline and revision and not any(revision in file["filename"] for file in dataset.cache_files):
        raise InputError(
            f"{source}: expected this revision, found a cached version that may be another, and the hub "
            "cannot be reached; connect to fetch it, or leave revision= out",
            "revision=",
        )
    table = Table([Record(values) for values in dataset.to_list()], dataset.column_names)
    if dataset.info.builder_name == "csv":
        _check_texts(table, source)
    try:
        return to_prompts(table, source)
    except InputError as error:
        raise InputError(f"{error} (in a copy of the set, which is given with path=FILE)", "path=FILE") from error


def _load_dataset(name: str, revision: str | None, split: str):
    import datasets

    try:  # pandas, which `datasets` reads a CSV with, takes the text "NA" for nothing unless it is told
        return datasets.load_dataset(name, revision=revision, split=split, keep_default_na=False)
    except Exception:  # no CSV, which has no such option, or one that an earlier version put into the cache
        return datasets.load_dataset(name, revision=revision, split=split)


def _check_texts(table: Table, source: str) -> None:
    """InputError where pandas took a text for nothing: which it was, an empty cell or "NA", is not known any more."""
    columns = find_columns(table.columns, source)
    for what in ("text", "categories"):
        column = columns.found.get(what, next(iter(columns.spare.get(what, ())), None))
        lost = [n for n, record in enumerate(table.records) if column and record.values.get(column) is None]
        if lost:
            raise InputError(
                f"{source}, row {lost[0]}, column {column!r}: expected a text, found nothing in {len(lost):,} rows: "
                "datasets reads a CSV of the hub as pandas does, which takes texts such as NA, null and None for "
                "missing; download the file and give it, path=FILE",
                "path=FILE",
            )
