"""The score parts of a run as one table with a row per image.

A run that grows by a judge has parts of two more kinds: older ones, whose pictures this judge has not seen, and later
ones with its records alone, of pictures that have other scores already. A later record counts where its digest is that
of the picture; an image that some judge has not seen yet is no row of the table, so that it counts as missing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from eval.base.image_key import ImageKey
from eval.judges import columns_of
from eval.store.scores import OK, STORED, keyed, keys_done

if TYPE_CHECKING:  # a new run does without it
    import pandas as pd

KEY = ["method", "row", "image"]
LATER = "judged_in"  # the column of the environments in which later judges judged; only where there are such


@dataclass(frozen=True)
class Part:
    """A score part.

    Attributes:
        table: of `STORED`, and of the columns of other packages' judges.
        judges: the names of those that were asked.
        later: whether they judged pictures that had other scores already.
    """

    table: pa.Table
    judges: frozenset[str]
    later: bool = False


@dataclass(frozen=True)
class Unjudged:
    """A picture that some judges have not judged: the digest of its pixels, and their names."""

    digest: str
    judges: tuple[str, ...]


@dataclass(frozen=True)
class StoredScores:
    """The scores of a run.

    Attributes:
        table: of `STORED`, with a row per image that all judges have seen, or that none can.
        unjudged: the pictures that judges lack or failed on since they were added, by image.
    """

    table: pa.Table
    unjudged: dict[ImageKey, Unjudged]

    @property
    def done(self) -> set[ImageKey]:
        """The images that a rerun need not make again."""
        return keys_done(self.table)

    @property
    def drawn(self) -> set[ImageKey]:
        """The images that a rerun need not draw again."""
        return self.done | self.unjudged.keys()


def merge(parts: Sequence[Part], judges: Collection[str]) -> StoredScores:
    """Return the scores of all parts. Of an image that was scored twice, an `ok` row wins, then the later part.

    Args:
        parts: in the order of time.
        judges: the names of the run's.
    """
    if not parts:
        return StoredScores(pa.Table.from_batches([], schema=STORED), {})
    table = pa.concat_tables([part.table for part in parts], promote_options="default")
    frame = table.select(KEY).to_pandas()
    frame["ok"] = [state == OK for state in table["state"].to_pylist()]
    frame["part"] = np.repeat(range(len(parts)), [part.table.num_rows for part in parts])
    if not any(part.later or not part.judges.issuperset(judges) for part in parts):
        return StoredScores(table.take(pa.array(_winners(frame).index)), {})
    frame["digest"] = table["digest"].to_pandas()
    is_later = frame["part"].map(dict(enumerate(part.later for part in parts)))
    base, later = _winners(frame[~is_later]), frame[is_later]
    return _with_later(table, base, later, parts, judges)


def _winners(frame: pd.DataFrame, *more: str) -> pd.DataFrame:
    """Return the rows that count, in the order of the table."""
    return frame.sort_values("ok", kind="stable").drop_duplicates([*KEY, *more], keep="last").sort_index()


def _with_later(
    table: pa.Table, base: pd.DataFrame, later: pd.DataFrame, parts: Sequence[Part], judges: Collection[str]
) -> StoredScores:
    own = base.index.to_numpy()
    sources: dict[str, np.ndarray] = {}  # by column, the row of the table from which it is taken
    state, judged_in, seen = own.copy(), np.full(len(own), -1), np.ones(len(own), bool)
    lacking: dict[int, list[str]] = {}
    for judge in judges:
        asked = [number for number, part in enumerate(parts) if judge in part.judges]
        needed = np.flatnonzero(base["ok"] & ~base["part"].isin(asked))
        records = _winners(later[later["part"].isin(asked)], "digest").reset_index(names="at")
        match = base.iloc[needed][[*KEY, "digest"]].merge(records, on=[*KEY, "digest"], how="left")
        there = match["at"].notna().to_numpy()
        places, at = needed[there], match["at"].to_numpy()[there].astype(int)
        for column in columns_of(judge, table.column_names):
            sources[column] = own.copy()
            sources[column][places] = at
        failed = ~match["ok"].to_numpy()[there].astype(bool)
        state[places[failed]] = at[failed]
        judged_in[places] = at
        seen[needed[~there]] = False
        for place in (*needed[~there], *places[failed]):
            lacking.setdefault(place, []).append(judge)
    columns = {name: table[name].take(sources.get(name, own)) for name in table.column_names}
    columns |= {name: table[name].take(state) for name in ("state", "error")}
    environments = np.array(table["environment"].to_pylist(), object)
    columns[LATER] = pa.array(np.where(judged_in < 0, None, environments[judged_in]), pa.string())
    keys = [key for (key,) in keyed(table.select(KEY).take(own))]
    digests = base["digest"].tolist()
    unjudged = {keys[place]: Unjudged(digests[place], tuple(names)) for place, names in lacking.items()}
    return StoredScores(pa.table(columns).filter(pa.array(seen)), unjudged)
