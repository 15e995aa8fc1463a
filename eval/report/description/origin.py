"""Where a run's pictures come from, in words: a folder of those made elsewhere, and the environments of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from eval.base.words import counted
from eval.store.environment import EnvironmentImages, differing_names
from eval.store.manifest import Manifest
from eval.store.pictures import read_pictures
from eval.store.rundir import RunDir

NO_RECORD = "software that is not on record"
LISTED = 8  # environments that a note describes; the tables of a report have all


def folder_notes(run: RunDir, manifest: Manifest) -> list[str]:
    """Return what a reader must know of pictures made elsewhere; nothing for a run that drew its own."""
    if not manifest.made_elsewhere:
        return []
    sentences = [
        "Made elsewhere: the pictures' guidance, size, steps, scheduler, seeds and noise are their maker's; the "
        "protocol only determines how they are judged and counted. Methods need not share their noise."
    ]
    root, pictures, notes = read_pictures(run)
    if root is None:
        unknown = "Where the pictures are: unknown, pictures.parquet can't be read; the run's own command restores it."
        return [*sentences, unknown]
    return [*sentences, f"Pictures: {len(pictures):,} in {root}.", *notes]


def environment_notes(made: Sequence[EnvironmentImages]) -> list[str]:
    """Return a note on images that were made in different environments; nothing where no difference is known."""
    names, counts = differing_names(made), Counter()
    for environment in made:
        counts[_in_words(environment, names)] += environment.images
    if len(counts) < 2:
        return []
    clauses = [f"{counted(images, 'image')} by {words}" for words, images in list(counts.items())[:LISTED]]
    if remaining := list(counts.values())[LISTED:]:
        clauses.append(f"{counted(sum(remaining), 'image')} by {counted(len(remaining), 'other')}")
    return [f"Drawn and judged in {len(counts)} environments, which can change numbers: {'; '.join(clauses)}."]


def _in_words(environment: EnvironmentImages, names: Sequence[str]) -> str:
    """What an environment is, by these names; by this project's version where it has none of them."""
    if environment.record is None:
        return NO_RECORD
    values = environment.values
    different = ", ".join(f"{name} {values[name]}" for name in names if name in values)
    return different or f"i2p-bench {values.get('i2p-bench', 'of a version not on record')}"
