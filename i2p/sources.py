"""The sources of prompts: the hub, a file, or this package. All end in `schema.to_prompts`."""

import logging
from pathlib import Path

from i2p.hub import HUB_ID, hub_file, hub_table, is_hub_id, parsed
from i2p.prompt import InputError, Prompt, digest
from i2p.schema import PromptList, to_prompts
from i2p.tables import read_table

_DATA = Path(__file__).parent / "data"
SHIPPED = {name: _DATA / f"{name}.csv" for name in ("harmless", "demo", "demo_control", "demo_both")}

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
        source: a name ("i2p", or one of `SHIPPED`, which come with this package), a data set on the hub
            ("owner/name[@revision]") or a file in one ("owner/name[@revision]:path"), or a file; None means I2P on the
            hub.
        path: a file, in place of `source`. Any file is read by its suffix: .csv, .tsv, .json, .jsonl, .parquet or .txt
            (one prompt per line), all but parquet also packed (.csv.gz).
        revision: of a data set on the hub.
        split: of a data set on the hub.
        offline: ask only the hub's local cache.

    Raises:
        InputError: something cannot be read or is not valid; nothing is repaired or dropped.
    """
    if path is not None:
        return _from_file(path)
    source = HUB_ID if source in (None, "i2p") else source
    if source in SHIPPED:
        return _from_file(SHIPPED[source])
    if isinstance(source, Path) or not is_hub_id(source):
        return _from_file(source)
    name, pinned, inner = parsed(source)
    if revision and pinned and revision != pinned:
        raise InputError(
            f"{source} must have one revision, found {pinned!r} and {revision!r}: leave revision= out", "revision="
        )
    if inner:
        return to_prompts(read_table(hub_file(name, inner, revision or pinned, offline)), source)
    prompt_list = _from_hub(name, revision or pinned, split, offline)
    if name == HUB_ID and not (revision or pinned) and not (prompt_list.benchmark and prompt_list.benchmark.complete):
        raise InputError(
            f"{name} must hold the 4703 prompts that were published, found {len(prompt_list.prompts)} that differ "
            f"(digest {digest(prompt_list.prompts)[:12]}…), because the data set has changed: name a revision, "
            "revision=COMMIT, or give a file, path=FILE",
            "revision=COMMIT",
            "path=FILE",
        )
    return prompt_list


def _from_file(path: str | Path) -> PromptList:
    return to_prompts(read_table(path), str(path))


def _from_hub(name: str, revision: str | None, split: str, offline: bool) -> PromptList:
    source = f"{name}@{revision}" if revision else name
    table = hub_table(name, revision, split, offline)
    try:
        return to_prompts(table, source)
    except InputError as error:
        raise InputError(f"{error} (in a copy of the set, which is given with path=FILE)", "path=FILE") from error
