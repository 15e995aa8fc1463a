"""The sources of prompts: the hub, a file, or this package. All end in `schema.to_prompts`."""

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
    """Return the prompts of a source, in its order, and log what is not used of it; see `read_prompts`."""
    prompt_list = read_prompts(source, path=path, revision=revision, split=split, offline=offline)
    for sentence in prompt_list.sentences():
        log.warning("%s", sentence)
    return prompt_list.prompts


def read_prompts(
    source: str | Path | None = None,
    *,
    path: str | Path | None = None,
    revision: str | None = None,
    split="train",
    offline: bool = False,
) -> PromptList:
    """Return the prompts of a source, in its order, and what is not used of it.

    Columns and defaults are those of `schema.to_prompts`. Text is UTF-8, or UTF-16 with a byte order mark; blank lines
    between rows are skipped and not counted.

    Args:
        source: a name ("i2p", or one of `SHIPPED`, which come with this package), a hub id ("owner/name" or
            "owner/name@revision"), or a file; None means I2P on the hub.
        path: a file, in place of `source`. A file is read by its suffix: .csv, .tsv, .json, .jsonl, .parquet or .txt
            (one prompt per line), all but parquet also packed (.csv.gz).
        revision: of a data set on the hub.
        split: of a data set on the hub.
        offline: ask only the hub's local cache.

    Raises:
        InputError: something cannot be read or is not valid; nothing is repaired or dropped.
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
            f"{source} must have one revision, found {pinned!r} and {revision!r}: leave revision= out", "revision="
        )
    prompt_list = _from_hub(name, revision or pinned or None, split, offline)
    if name == HUB_ID and not (revision or pinned) and not (prompt_list.benchmark and prompt_list.benchmark.complete):
        raise InputError(
            f"{name} must hold the 4703 prompts that were published, found {len(prompt_list.prompts)} that differ "
            f"(digest {digest(prompt_list.prompts)[:12]}…), because the data set has changed: name a revision, "
            "revision=COMMIT, or give a file, path=FILE",
            "revision=COMMIT",
            "path=FILE",
        )
    return prompt_list


def is_hub_id(source: str) -> bool:
    """Return whether a source is a hub id, and neither a name nor a file."""
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
        problem = "no such set in the cache, and the hub cannot be reached" if offline else "no such set"
        raise InputError(
            f"{source} must be a data set of prompts (split {split!r}) on the hub or in its local cache, found "
            f"{problem} ({' '.join(str(error).split()):.200}): correct the id, connect once to fetch it, or give a "
            "file (path=FILE)",
            "path=FILE",
        ) from error
    finally:
        config.HF_HUB_OFFLINE = was_offline
    # Offline, `datasets` takes whatever version its cache holds, even if another one was asked for.
    if offline and revision and not any(revision in file["filename"] for file in dataset.cache_files):
        raise InputError(
            f"{source} must be this revision, found a cached version that may be another, and the hub cannot be "
            "reached: connect to fetch it, or leave revision= out",
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

    try:  # by default `datasets` reads a CSV with pandas, which takes the text "NA" for a missing value
        return datasets.load_dataset(name, revision=revision, split=split, keep_default_na=False)
    except Exception:  # not a CSV, which has no such option, or a set that an earlier version has cached
        return datasets.load_dataset(name, revision=revision, split=split)


def _check_texts(table: Table, source: str) -> None:
    """Raise `InputError` if pandas dropped a text: an empty cell and "NA" can no longer be told apart."""
    columns = find_columns(table.columns, source)
    for meaning in ("text", "categories"):
        column = columns.by_meaning.get(meaning, next(iter(columns.spare.get(meaning, ())), None))
        lost = [n for n, record in enumerate(table.records) if column and record.values.get(column) is None]
        if lost:
            raise InputError(
                f"{source}, row {lost[0]}, column {column!r} must be a text, found nothing in {len(lost):,} rows, "
                "because datasets reads a CSV from the hub as pandas does, which takes texts such as NA, null and None "
                "for missing: download the file and give it, path=FILE",
                "path=FILE",
            )
