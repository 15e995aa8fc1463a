"""What a reader should know beside the numbers of several runs, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from eval.base.words import counted, first_of
from eval.compare.compared import MARK, Compared
from eval.compare.members import Member
from eval.compare.prompts import Common
from eval.compare.summary import alarms, cost_meaning, intervals, per_prompt
from eval.quality import METRICS
from eval.report.concepts import concept_deviations
from eval.report.description.definitions import counting_notes
from eval.report.description.methods import guidance_notes
from eval.report.description.origin import environment_notes
from eval.report.description.statistics import lacking_notes
from eval.store.asked import asked_quality
from eval.store.environment import differing_between
from eval.store.scores import NOT_OK

FEW = 8  # titles and headings that a sentence names


def comparison_notes(compared: Compared) -> list[str]:
    """Return what a reader should know beside a comparison."""
    return [
        *alarms(compared),
        *_sample(compared),
        *_noise(compared),
        *_counting(compared),
        *_cost(compared),
        *_not_compared(compared),
        *_runs(compared),
        *_statistics(compared),
    ]


def _sample(compared: Compared) -> Iterator[str]:
    """Yield which prompts and images the numbers are of, and which are left out."""
    members, common = compared.members, compared.common
    planned = [member.stored.planned.images_per_prompt for member in members]
    if common is None:
        yield (
            "UNPAIRED: columns are treated as independent samples, each of all prompts and images of its run; where "
            "they share prompts or noise, intervals and p are larger than necessary. Columns have no places."
        )
        if len(set(planned)) > 1:
            yield (
                f"Images per prompt: {_of_each(members, planned)}; p uses as many of both columns, the first ones, and "
                "expected maxima, which depend on that number, are not compared."
            )
        return
    what = "" if len(members) == 1 else "what all runs have: "
    yield (
        f"Numbers are of {what}{counted(len(common.prompts), 'prompt')}, "
        f"{per_prompt(compared)} per prompt. Pictures are paired by prompt and image number."
    )
    bare = [member.title for member in members if member.stored.manifest.without_prompts]
    if bare and len(members) > 1:
        yield (
            f"{first_of(bare, FEW)}: pictures without prompts are paired by the names of their files; that these are "
            "of one prompt is not known."
        )
    for member in members:
        left = len(member.stored.prompts) - len(common.prompts)
        if left:
            yield f"Left out: {left:,} of {counted(len(member.stored.prompts), 'prompt')} of {member.title}."
    if len(set(planned)) > 1:
        first = "the first one" if min(planned) == 1 else f"the first {min(planned)}"
        yield f"Images per prompt: {_of_each(members, planned)}; numbers are of {first}."
    if by_text := [member.title for member, as_text in zip(members, common.by_text, strict=True) if as_text]:
        yield (
            f"{first_of(by_text, FEW)}: prompts are matched with those of {members[0].title} by their texts, since "
            "their rows have other numbers."
        )
    lacking = [member.title for member in members if not any(prompt.categories for prompt in member.stored.prompts)]
    if lacking and any(prompt.categories for prompt in common.prompts):
        yield f"{first_of(lacking, FEW)}: the prompts have no categories, and those of the other runs are used."
    if other := [m.title for place, m in enumerate(members) if groups_differ(members, common, place)]:
        yield f"Prompts are grouped as in {members[0].title}; {first_of(other, FEW)} groups them otherwise."


def _of_each(members: Sequence[Member], values: Sequence[int]) -> str:
    return first_of((f"{value} in {member.title}" for member, value in zip(members, values, strict=True)), FEW)


def groups_differ(members: Sequence[Member], common: Common, place: int) -> bool:
    """Return whether a run divides the prompts in common into other groups than the first run does."""
    first, other = members[0].stored.groups, members[place].stored.groups
    pairs = {(first[row], other[own]) for row, own in common.rows[place].items()}
    return any(len(pairs) != len({pair[side] for pair in pairs}) for side in (0, 1))


def _noise(compared: Compared) -> Iterator[str]:
    """Yield which pairs come from one noise, and for which that is not claimed."""
    if compared.common is None:
        return
    same = [heading for heading in compared.reference.of if heading not in compared.noise_apart]
    if same:
        yield f"On the same prompts and noise as {compared.reference.word}: {first_of(same, FEW)}."
    for clauses, headings in _grouped(compared.noise_apart).items():
        yield (
            f"On the same prompts as {compared.reference.word}, but the same noise is not claimed: "
            f"{first_of(headings, FEW)}, since {'; '.join(clauses)}."
        )


def _counting(compared: Compared) -> Iterator[str]:
    for clauses, headings in _grouped(compared.counted_apart).items():
        yield (
            f"{MARK} Counted otherwise than {compared.reference.word}, and so without a difference or a place: "
            f"{first_of(headings, FEW)}, since {'; '.join(clauses)}. flags=NAME counts all runs by one definition, and "
            "paired=false compares them as they are."
        )
    notes = (counting_notes(member.definition) for member in compared.members)
    yield from dict.fromkeys(note for of_run in notes for note in of_run)


def _cost(compared: Compared) -> Iterator[str]:
    """Yield what the cost is, and what of it is not told."""
    if meaning := cost_meaning(compared):
        yield meaning
    if unknown := [heading for heading in compared.noise_apart if heading in _with_distance(compared)]:
        yield f"If the noise of {first_of(unknown, FEW)} is another, CLIP distances there are those of two draws."
    if other := [
        heading for heading in compared.noise_apart if heading in _scored(compared) - _with_distance(compared)
    ]:
        yield f"Without a CLIP distance, which would be that of two draws: {first_of(other, FEW)}."
    if compared.features.reasons:
        yield f"What pictures cost is not told of all columns, since {first_of(compared.features.reasons, 4, '; ')}."
    if asked := sorted(
        {
            metric
            for member in compared.members
            for metric in asked_quality(member.stored.run, member.stored.manifest).chosen
            if METRICS[metric] != "clip" or metric == "kid_clip"
        }
    ):
        names = ", ".join(asked)
        yield f"Left out: {names}, for which pictures are compared within their own run: see each run's report."


def _scored(compared: Compared) -> set[str]:
    return {m.method for m in compared.metrics if m.cost.clip_score is not None}


def _with_distance(compared: Compared) -> set[str]:
    return {m.method for m in compared.metrics if m.cost.clip_distance is not None}


def _not_compared(compared: Compared) -> Iterator[str]:
    known = {*compared.reference.of, *compared.reference.headings}
    if lone := [column.heading for column in compared.columns if column.heading not in known]:
        yield f"Not compared, for lack of a namesake: {first_of(lone, FEW)}."


def _runs(compared: Compared) -> Iterator[str]:
    """Yield what holds of single runs."""
    by_note: dict[str, list[str]] = {}
    for place, member in enumerate(compared.members):
        methods = [column.method for column in compared.columns if column.member == place]
        manifest, frame = member.stored.manifest, member.frame
        counts = frame.loc[frame["method"].isin(methods), "state"].value_counts()
        if bad := [f"{counts[state]:,} {state}" for state in NOT_OK if state in counts]:
            by_note.setdefault(f"images that are not `ok`, and not in any number: {', '.join(bad)}.", []).append(
                member.title
            )
        if deviations := "; ".join((*manifest.deviations, *concept_deviations(manifest))):
            by_note.setdefault(f"deviates from protocol {member.stored.protocol.name}: {deviations}.", []).append(
                member.title
            )
        for note in (*guidance_notes(manifest, methods), *environment_notes(member.stored.environments)):
            by_note.setdefault(note, []).append(member.title)
    yield from (f"{first_of(titles, FEW)}: {note}" for note, titles in by_note.items())
    if names := differing_between([member.stored.environments for member in compared.members]):
        yield f"Drawn and judged in different environments, which can change numbers: {first_of(names, FEW)}."


def _statistics(compared: Compared) -> Iterator[str]:
    word = compared.reference.word
    yield f"Points: a column's share minus that of {word}; reduction: how much of the latter the column takes away."
    yield from intervals(compared)
    against = {name: other for name, other in compared.reference.of.items() if name not in compared.counted_apart}
    yield from lacking_notes(compared.metrics, compared.differences, against)
    moved = (
        "sign-flip test that swaps the two columns for whole groups of prompts at a time; adjusted: step-down max-T"
        if compared.common is not None
        else "permutation test that reassigns whole groups of prompts between the columns; adjusted: Holm's correction"
    )
    yield f"p: {moved} over all columns and categories."


def _grouped(clauses: Mapping[str, Iterable[str]]) -> dict[tuple[str, ...], list[str]]:
    """Return clauses → the headings that have exactly these."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for heading, of_column in clauses.items():
        groups.setdefault(tuple(of_column), []).append(heading)
    return groups
