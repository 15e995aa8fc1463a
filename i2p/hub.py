"""Prompts on the hub: a data set as the library `datasets` reads it, or one file of it as it stands there."""

from __future__ import annotations

import os
import re
from pathlib import Path

from i2p.columns import find_columns
from i2p.network import is_reachable
from i2p.prompt import InputError
from i2p.records import Record, Table
from i2p.tables import is_table
from i2p.words import counted

HUB_ID = "AIML-TUDA/i2p"
_SOURCE = re.compile(r"(?P<name>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[^@:]+))?(?::(?P<inner>[^:]+))?", re.ASCII)


def is_hub_id(source: str) -> bool:
    """Return whether a source is a data set on the hub or a file in one, and neither a name nor a file here."""
    match = _SOURCE.fullmatch(source)
    return bool(match) and not (is_table(source) and not match["inner"]) and not os.path.exists(source)


def parsed(source: str) -> tuple[str, str | None, str | None]:
    """Return name, revision and file of a source that is on the hub; None for what it leaves out."""
    return _SOURCE.fullmatch(source).group("name", "revision", "inner")


def hub_file(name: str, inner: str, revision: str | None, offline: bool) -> Path:
    """Return the path of a file of a data set in the hub's cache, after a download if necessary.

    Args:
        name: the data set's, owner/name.
        inner: the file's path in it.
        revision: of the data set; None for the newest.
        offline: ask only the cache.

    Raises:
        InputError: there is no such file, or no connection to get it.
    """
    from huggingface_hub import constants, hf_hub_download

    source = f"{name}@{revision}:{inner}" if revision else f"{name}:{inner}"
    offline = offline or constants.HF_HUB_OFFLINE or not is_reachable(constants.ENDPOINT)
    try:
        return Path(hf_hub_download(name, inner, repo_type="dataset", revision=revision, local_files_only=offline))
    except Exception as error:  # unrelated types: no network, no such data set, revision or file …
        problem = "no such file in the cache, and the hub cannot be reached" if offline else "no such file"
        raise InputError(
            f"{source} must be a file of a data set on the hub or in its local cache, found {problem} "
            f"({' '.join(str(error).split()):.200}): correct it, connect once to fetch it, or give a copy (path=FILE)",
            "path=FILE",
        ) from error


def hub_table(name: str, revision: str | None, split: str, offline: bool) -> Table:
    """Return a data set's table as `datasets` reads it.

    Args:
        name: owner/name.
        revision: None for the newest.
        split: of the data set.
        offline: ask only the local cache.

    Raises:
        InputError: there is no such set, or no connection to get it, or it has lost texts on its way.
    """
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
            f"{problem} ({' '.join(str(error).split()):.200}): correct the id, connect once to fetch it, give one of "
            f"its files (source={name}:FILE), or give a file (path=FILE)",
            f"source={name}:FILE",
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
    media = [name for name, feature in dataset.features.items() if hasattr(feature, "decode_example")]
    texts = dataset.remove_columns(media)  # pictures would be decoded, all of them at once
    table = Table([Record(values) for values in texts.to_list()], dataset.column_names)
    if dataset.info.builder_name == "csv":
        _check_texts(table, source)
    return table


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
                f"{source}, row {lost[0]}, column {column!r} must be a text, found nothing in "
                f"{counted(len(lost), 'row')}, because datasets reads a CSV from the hub as pandas does, which "
                "takes texts such as NA, null and None for missing: download the file and give it, path=FILE",
                "path=FILE",
            )
