"""What a reader should know beside a comparison of two runs, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from eval.compare.costs import no_costs
from eval.compare.pairing import common_prompts, no_pairs
from eval.measure.cost import shown_measure
from eval.measure.definitions import definition_of
from eval.measure.differences import Difference
from eval.quality import CLIP
from eval.report.concepts import concept_deviations
from eval.report.description.cost import clip_words
from eval.report.description.definitions import counting_notes
from eval.report.description.methods import guidance_notes
from eval.report.description.origin import environment_notes
from eval.report.description.statistics import intervals_note
from eval.report.format import COST_NAMES
from eval.store.environment import environment_differences
from eval.store.scores import NOT_OK
from eval.store.stored_run import StoredRun


def comparison_notes(
    first: StoredRun,
    second: StoredRun,
    names: list[tuple[str, str]],
    frames: list[pd.DataFrame],
    missing: tuple[int, ...],
    *,
    paired: bool,
) -> Iterator[str]:
    """Yield what a reader should know beside a comparison.

    Args:
        first: A.
        second: B.
        names: of the methods compared, of A and of B.
        frames: the verdicts of both.
        missing: how many images of either are still to be made or judged.
        paired: whether pairs are compared.
    """
    for side, (letter, stored) in enumerate((("A", first), ("B", second))):
        if missing[side]:
            yield f"INCOMPLETE: {missing[side]:,} images of {letter} are missing or unjudged; no number includes them."
        images = frames[side][frames[side]["method"].isin({both[side] for both in names})]
        counts = images["state"].value_counts()
        if bad := [f"{counts[state]:,} {state}" for state in NOT_OK if state in counts]:
            yield f"Images of {letter} that are not `ok`, and not in any number: {', '.join(bad)}."
        for deviation in (*stored.manifest.deviations, *concept_deviations(stored.manifest)):
            yield f"{letter} deviates from its protocol: {deviation}."
        shown = [both[side] for both in names]
        yield from (f"{letter}: {note}" for note in guidance_notes(stored.manifest, shown))
        yield from (f"{letter}: {note}" for note in environment_notes(stored.environments))
    if clauses := environment_differences(first.environments, second.environments):
        yield f"Drawn and judged in different environments, which can change numbers: {'; '.join(clauses)}."
    counts = [stored.protocol.images_per_prompt for stored in (first, second)]
    if paired:
        common = len(common_prompts(first, second))
        yield f"Paired by row and image, on the same noise: {common:,} rows in common."
        for letter, stored in (("A", first), ("B", second)):
            if unshared := len(stored.prompts) - common:
                yield f"Left out: {unshared:,} rows that only {letter} has."
        if counts[0] != counts[1]:
            yield f"Images per prompt: {counts[0]} in A and {counts[1]} in B; the first {min(counts)} are paired."
    else:
        yield (
            "UNPAIRED: the runs are treated as independent samples; where they share prompts or noise, "
            "intervals and p are larger than necessary."
        )
        if counts[0] != counts[1]:
            yield (
                f"Images per prompt: {counts[0]} in A and {counts[1]} in B; p uses the first {min(counts)}, and "
                "expected maxima, which depend on that number, are not compared."
            )
        for clause in no_pairs(first, second):
            yield f"No pairs, since {clause}."
    yield "Points: A's share minus B's; reduction: how much of B's share A takes away."
    yield from dict.fromkeys(
        note for stored in (first, second) for note in counting_notes(definition_of(stored.protocol, stored.judges))
    )
    yield intervals_note(first.manifest)
    if paired and groups_differ(first, second):
        yield "Prompts are grouped as in A; in B other prompts of those in common form a group."
    moved = (
        "sign-flip test that swaps the two methods for whole groups of prompts at a time; adjusted: step-down max-T"
        if paired
        else "permutation test that reassigns whole groups of prompts between the runs; adjusted: Holm's correction"
    )
    yield f"p: {moved} over all methods and categories."


def cost_notes(first: StoredRun, second: StoredRun, rows: Sequence[Difference]) -> Iterator[str]:
    """Yield what the cost in a comparison is, or why there is none, where both runs are asked for it."""
    measure = shown_measure(rows)
    if measure is not None:
        clip = clip_words(first.features[CLIP].description)
        what = "of A's picture from B's" if measure == "clip_distance" else "of A's and B's means, A minus B"
        yield f"{COST_NAMES[measure]} {what}. CLIP is {clip}."
    for clause in no_costs(first, second):
        yield f"How far the pictures of the two are apart is not told, since {clause}."


def groups_differ(first: StoredRun, second: StoredRun) -> bool:
    """Return whether the prompts that both have are divided into groups in two ways."""
    rows = [prompt.row for prompt in common_prompts(first, second)]
    pairs = {(first.groups[row], second.groups[row]) for row in rows}
    return any(len(pairs) != len({pair[side] for pair in pairs}) for side in (0, 1))
