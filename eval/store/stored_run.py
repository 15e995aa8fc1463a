"""A run read back from its directory: the basis of every report and comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import i2p
from eval.base.command import SUBMITTED, typed
from eval.base.errors import InputError
from eval.base.image_key import ImageKey
from eval.base.nearest import similar_path
from eval.base.words import first_of
from eval.store.environment import EnvironmentImages, count_by_environment
from eval.store.features import Features, read_features
from eval.store.groups import group_numbers
from eval.store.identity import Identity
from eval.store.manifest import Manifest
from eval.store.merged import LATER
from eval.store.pictures import named_images
from eval.store.planned import PlannedImages
from eval.store.prompts import read_run_prompts, run_command
from eval.store.raw_scores import RawScores, read_raw
from eval.store.records import JudgeRecord
from eval.store.rundir import RunDir
from eval.store.scores import NOT_OK, OK, keys_done


@dataclass(frozen=True)
class StoredRun:
    """A run read back from its directory.

    Attributes:
        run: the directory.
        manifest: of the run.
        prompts: of the whole run, in the order of their source.
        scores: a table of `eval.store.scores.STORED`, a row per image; from `read_run` by method, row and image, in the
            order of the run.
        named: the images that a folder's table of prompts names; None where every prompt has as many.
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
        """The records of its judges, by name."""
        return self.identity.judges

    @property
    def methods(self) -> list[str]:
        """The names of its methods, in the order of the run."""
        return self.manifest.method_names

    @cached_property
    def planned(self) -> PlannedImages:
        """The images of the whole run."""
        rows = tuple(prompt.row for prompt in self.prompts)
        return PlannedImages(tuple(self.methods), rows, self.protocol.images_per_prompt, self.named)

    @cached_property
    def groups(self) -> dict[int, int]:
        """Row → number of its group of prompts that are alike, from 0; for every prompt of the whole run."""
        return group_numbers(self.prompts, self.manifest.groups, pictures=self.manifest.without_prompts)

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
    def features(self) -> dict[str, Features]:
        """The features of its pictures, by extractor (`eval.quality`); empty for runs that have none."""
        return read_features(self.run, self.scores)

    @cached_property
    def missing(self) -> list[ImageKey]:
        """The images that are not made or not judged yet."""
        return self.planned.missing(keys_done(self.scores))

    @cached_property
    def environments(self) -> tuple[EnvironmentImages, ...]:
        """The environments in which the images were drawn and judged.

        Parts of older versions name no record: the manifest's, which is of the run's first process, stands for theirs.
        """
        records = {None: self.manifest.runtime.environment, **self.run.read_environments()}
        made = self.scores["environment"].to_pylist()
        later = self.scores[LATER].to_pylist() if LATER in self.scores.column_names else []
        # An image that was judged again elsewhere is one of both.
        also = [key for key, own in zip(later, made, strict=False) if key not in (None, own)]
        return count_by_environment([*made, *also], records)

    @property
    def command(self) -> str:
        """The run's own command, for all shards at once and with the current path of its directory."""
        return run_command(self.run, self.manifest)


def existing_manifest(run: RunDir) -> Manifest:
    """Return the manifest of a run.

    Raises:
        InputError: there is none, or it can't be read.
    """
    manifest = run.read_manifest()
    if manifest is None:
        place = "no manifest.json in it" if run.root.is_dir() else "a file" if run.root.exists() else "nothing there"
        raise InputError(f"{run.root} must be a run directory, found {place}: {_other_run(run.root)}")
    return manifest


def _other_run(folder: Path) -> str:
    """Return what to do where a folder is no run directory: the runs in it, or one of a similar name beside it."""
    if inside := _runs_in(folder):
        return f"choose a run in it, {first_of(map(str, inside), 6)}"
    if (logs := folder / SUBMITTED).is_dir():
        return f"the first of its jobs that begins writes it; if none is queued any more, the logs in {logs} say why"
    meant = similar_path(folder) if not folder.exists() else None
    return (
        f"did you mean {meant}?" if meant and RunDir(meant).manifest_path.is_file() else f"`{typed('run')}` makes one"
    )


def _runs_in(folder: Path) -> list[Path]:
    """Return the run directories in a folder, in their order; none where it can't be read."""
    try:
        return sorted(path.parent for path in folder.glob("*/manifest.json"))
    except OSError:
        return []


def read_run(run: RunDir) -> StoredRun:
    """Read a run directory.

    Raises:
        InputError: there is no run, its prompts are incomplete, none of its images has been made, or a score is of none
            that the run has.
    """
    manifest = existing_manifest(run)
    prompts = read_run_prompts(run, manifest)
    scores = run.read_scores()
    if not scores.num_rows:
        raise InputError(f"{run.root} must hold scores, found none yet: {run_command(run, manifest)} makes them")
    scores = _in_order(scores, manifest.method_names, [prompt.row for prompt in prompts])
    stored = StoredRun(run, manifest, tuple(prompts), scores, named_images(run, manifest))
    check_scores(stored)
    return stored


def _in_order(scores: pa.Table, methods: Sequence[str], rows: Sequence[int]) -> pa.Table:
    """Return scores by method, then row, each in the order of the run, then image; they were stored as shards ended."""
    values = {"method": methods, "row": rows}
    places = [pc.index_in(scores[name], pa.array(of_run, scores[name].type)) for name, of_run in values.items()]
    by_method, by_row, image = (pc.fill_null(column, -1).to_numpy() for column in (*places, scores["image"]))
    return scores.take(pa.array(np.lexsort((image, by_row, by_method))))


def check_scores(stored: StoredRun) -> None:
    """Refuse scores of images that the run has not planned, or in unknown states, which no number could count.

    Raises:
        InputError: the first of them.
    """
    scores, planned = stored.scores, stored.planned
    values = {"method": planned.methods, "row": planned.rows, "state": (OK, *NOT_OK)}
    known = [pc.is_in(scores[name], pa.array(of_run, scores[name].type)) for name, of_run in values.items()]
    known += [pc.less(scores["image"], planned.images_per_prompt), pc.greater_equal(scores["image"], 0)]
    wrong = np.logical_not(np.logical_and.reduce([pc.fill_null(column, False).to_numpy() for column in known]))
    if wrong.any():
        first = scores.slice(int(np.argmax(wrong)), 1).select([*ImageKey._fields, "state"]).to_pylist()[0]
        raise InputError(
            f"every score must be of an image of the run, in one of the states {', '.join((OK, *NOT_OK))}, found "
            f"{int(wrong.sum()):,} otherwise, the first {first['method']} row {first['row']} image {first['image']} in "
            f"state {first['state']}: its score part was not written by this program; remove it and run the run's own "
            "command again"
        )
