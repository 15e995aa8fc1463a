"""A run as it lies in its directory: what every report of one or two runs begins with."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import pyarrow as pa

import i2p
from eval.base.command import typed
from eval.base.errors import InputError
from eval.store.environment import Made, made_in
from eval.store.manifest import Identity, Manifest
from eval.store.pictures import planned_images
from eval.store.prompts import read_run_prompts, run_command
from eval.store.raw_scores import RawScores, read_raw
from eval.store.records import JudgeRecord
from eval.store.rundir import RunDir
from eval.store.scores import RETRIED


@dataclass(frozen=True)
class StoredRun:
    """A run as it lies in its directory, the one argument of measuring.

    `scores` are of `eval.store.scores.STORED`; `planned` is (method, row, image) of every image where prompts have not
    all as many.
    """

    run: RunDir
    manifest: Manifest
    prompts: tuple[i2p.Prompt, ...]
    scores: pa.Table
    planned: set[tuple[str, int, int]] | None = None

    @property
    def identity(self) -> Identity:
        """What the run was made from."""
        return self.manifest.identity

    @property
    def protocol(self) -> i2p.Protocol:
        """The run's protocol, with the changes that were made to it."""
        return self.identity.protocol

    @property
    def judges(self) -> Mapping[str, JudgeRecord]:
        """Descriptions of its judges, by name."""
        return self.identity.judges

    @property
    def methods(self) -> list[str]:
        """Names, in the order of the run."""
        return self.manifest.method_names

    @property
    def images(self) -> int:
        """How many images the whole run has."""
        if self.planned is not None:
            return len(self.planned)
        return len(self.prompts) * len(self.methods) * self.protocol.images_per_prompt

    @cached_property
    def raw(self) -> RawScores:
        """The raw scores, in the order of `scores`; decoded once.

        Raises:
            InputError: a detection is damaged.
        """
        return read_raw(self.scores)

    def count_planned(self, method: str, rows: Collection[int]) -> int:
        """Return how many images of a method these rows were to have."""
        if self._planned_rows is None:
            return len(rows) * self.protocol.images_per_prompt
        return sum(self._planned_rows[method, row] for row in rows)

    @cached_property
    def _planned_rows(self) -> Counter | None:
        return None if self.planned is None else Counter((method, row) for method, row, _ in self.planned)

    def left(self, frame: pd.DataFrame) -> list[tuple[str, int, int]]:
        """Return (method, row, image) of what is to be made or judged yet; `frame` from `verdicts`."""
        made = frame[~frame["state"].isin(RETRIED)]
        done = set(made[["method", "row", "image"]].itertuples(index=False, name=None))
        rows = [prompt.row for prompt in self.prompts]
        if self.planned is not None:
            place = {name: n for n, name in enumerate((*self.methods, *rows))}
            return sorted(self.planned - done, key=lambda key: (place[key[0]], place[key[1]], key[2]))
        every = itertools.product(self.methods, rows, range(self.protocol.images_per_prompt))
        return [key for key in every if key not in done]

    @cached_property
    def made(self) -> tuple[Made, ...]:
        """How many images were drawn and judged in each environment.

        Of parts from before there were records, the manifest's stands for all: it is of the process that came first.
        """
        records = {None: self.manifest.runtime.environment, **self.run.read_environments()}
        return made_in(self.scores["environment"].to_pylist(), records)

    @property
    def command(self) -> str:
        """The run's own command, for all shards at once and for where the directory is now."""
        return run_command(self.run, self.manifest)


def read_run(run: RunDir) -> StoredRun:
    """Read a run directory.

    Raises:
        InputError: there is no run, its prompts are not whole, or none of its images has been made.
    """
    manifest = run.read_manifest()
    if manifest is None:
        raise InputError(f"{run.root} is no run directory: expected a manifest.json in it; `{typed('run')}` makes one")
    prompts = read_run_prompts(run, manifest)
    scores = run.read_scores()
    if not scores.num_rows:
        raise InputError(f"{run.root} holds no scores yet: {run_command(run, manifest)} makes some")
    return StoredRun(run, manifest, tuple(prompts), scores, planned_images(run, manifest))
