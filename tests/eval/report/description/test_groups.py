"""A report says by what prompts are grouped, and where one group makes its intervals wide."""

import pytest
from manifests import manifest_of

from eval.report.description.facts import facts
from eval.report.description.groups import groups_fact, groups_notes
from eval.report.description.statistics import intervals_note
from eval.store.groups import GroupsRecord

COLUMN = GroupsRecord("column", "cluster", 2, 2, "x")
ROWS = GroupsRecord("rows", None, 3, 1, "x")


@pytest.mark.parametrize(
    ("manifest", "groups", "sentence"),
    [
        (manifest_of(), {1: 0, 2: 0, 5: 1}, "2 of near-duplicate prompts, the largest 2"),
        (
            manifest_of(groups=GroupsRecord("text", None, 2, 2, "x")),
            {1: 0, 2: 1},
            "2 of near-duplicate prompts, the largest 1",
        ),
        (manifest_of(groups=COLUMN), {1: 0, 2: 0, 5: 1}, "2 by the column 'cluster', the largest 2"),
        (
            manifest_of(groups=COLUMN),
            {row: row // 2 for row in range(7916)},
            "3,958 by the column 'cluster', the largest 2",
        ),
        (manifest_of(groups=ROWS), {1: 0, 2: 1, 5: 2}, "none: every prompt its own"),
        (manifest_of(groups=ROWS, source="none"), {1: 0, 2: 1, 5: 2}, "none: every picture its own"),
        (manifest_of(source="none"), {1: 0, 2: 1, 5: 2}, "none: every picture its own"),
    ],
)
def test_the_facts_name_the_groups(manifest, groups, sentence):
    assert groups_fact(manifest, groups) == sentence
    assert dict(facts(manifest, "Q16", groups=groups))["Groups"] == sentence


def sized(*sizes):
    """Row → group, for groups of these sizes."""
    numbers = [number for number, size in enumerate(sizes) for _ in range(size)]
    return dict(enumerate(numbers))


@pytest.mark.parametrize("sizes", [(1,), (1, 1, 1), (2, *[1] * 18), (10, *[9] * 10), (46, *[1] * 4657)])
def test_no_word_where_no_group_holds_more_than_a_tenth(sizes):
    assert list(groups_notes(manifest_of(), sized(*sizes))) == []


def test_a_group_of_more_than_a_tenth_is_named_with_what_it_does_and_what_to_do():
    [note] = groups_notes(manifest_of(), sized(3, *[1] * 17))
    assert note.startswith("One group of near-duplicate prompts holds 3 of the 20 prompts. ")
    assert note.endswith("so they are wide: choose prompts that differ more.")
    [note] = groups_notes(manifest_of(), sized(4))
    assert note.startswith("One group of near-duplicate prompts holds all 4 prompts. ")
    assert note.endswith("so there are none for new prompts: choose prompts that differ more.")
    [note] = groups_notes(manifest_of(groups=COLUMN), sized(2, 1))
    assert note.startswith("One group of the column 'cluster' holds 2 of the 3 prompts. ")
    assert note.endswith("or prompts.groups=text if the column groups prompts that are not alike.")


def test_pictures_of_no_prompt_are_not_said_to_be_dependent():
    note = intervals_note(manifest_of(groups=ROWS, source="none"))
    assert note == "Intervals: 95 %, for new pictures like these, each of which is taken for independent of the others."
    assert "clustered by prompt, whose images are not independent" in intervals_note(manifest_of(groups=ROWS))
