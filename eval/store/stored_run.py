"""A run as it lies in its directory: what every report of one or two runs begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

import i2p
from eval.base.command import typed
from eval.base.errors import InputError
from eval.base.image_key import ImageKey
from eval.store.environment import Made, made_in
from eval.store.manifest import Identity, Manifest
from eval.store.pictures import named_images
from eval.store.planned import PlannedImages
from eval.store.prompts import read_run_prompts, run_command
from eval.store.raw_scores import RawScores, read_raw
from eval.store.records import JudgeRecord
from eval.store.rundir import RunDir
from eval.store.scores import keys_done


@dataclass(frozen=True)
class StoredRun:
    """A run as it lies in its directory, the one argument of measuring.

    `scores` are of `eval.store.scores.STORED`; `named` are the images of a table that says which there are.
    """

    run: RunDir
    manifest: Manifest
    prompts: tuple[i2p.Prompt, ...]
    scores: pa.Table
    named: frozenset[ImageKey] | None = None

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

    @cached_property
    def planned(self) -> PlannedImages:
        """The images of the whole run."""
        rows = tuple(prompt.row for prompt in self.prompts)
        return PlannedImages(tuple(self.methods), rows, self.protocol.images_per_prompt, self.named)

    @property
    def images(self) -> int:
        """How many images the whole run has."""
        return len(self.planned)

    @cached_property
    def raw(self) -> RawScores:
        """The raw scores, in the order of `scores`; decoded once.

        Raises:
            InputError: a detection is damaged.
        """
        return read_raw(self.scores)

    @cached_property
    def left(self) -> list[ImageKey]:
        """The images that are to be made or judged yet."""
        return self.planned.left(keys_done(self.scores))

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
    return StoredRun(run, manifest, tuple(prompts), scores, named_images(run, manifest))
