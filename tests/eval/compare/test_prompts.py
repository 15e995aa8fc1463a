"""Prompts are those of one text, whatever their rows; categories must agree."""

from dataclasses import replace

import pytest
from several import FOLDER, made_up, prompts_of

from eval.base.errors import InputError
from eval.compare.compared import Options, compare_runs
from eval.compare.notes import comparison_notes
from eval.store.groups import record_of
from i2p.categories import ALL

VERDICT = {"m": lambda row, image: bool(row % 2)}


def renumbered(prompts, numbers):
    return [replace(prompt, row=number) for prompt, number in zip(prompts, numbers, strict=True)]


def test_a_list_with_rows_of_its_own_is_matched_by_text_and_repeated_texts_in_order():
    prompts = prompts_of(6)
    prompts[4] = replace(prompts[4], text=prompts[1].text, categories=prompts[1].categories)
    other = renumbered([prompts[3], prompts[1], prompts[4]], [0, 1, 2])
    runs = [made_up("a", VERDICT, prompts), made_up("b", {"m": lambda row, image: row == 2}, other)]
    compared = compare_runs(runs, Options())
    assert [dict(rows) for rows in compared.common.rows] == [{1: 1, 3: 3, 4: 4}, {1: 1, 3: 0, 4: 2}]
    shares = {m.method: m.probability for m in compared.metrics if m.category == ALL}
    assert shares == {"a": 2 / 3, "b": 1 / 3}
    notes = " ".join(comparison_notes(compared))
    assert "b: prompts are matched with those of a by their texts, since their rows have other numbers." in notes
    assert "Left out: 3 of 6 prompts of a." in notes


def test_of_common_rows_those_with_another_text_are_left_out():
    prompts = prompts_of(4)
    other = [prompts[0], replace(prompts[1], text="edited"), *prompts[2:]]
    compared = compare_runs([made_up("a", VERDICT, prompts), made_up("b", VERDICT, other)], Options())
    assert [prompt.row for prompt in compared.common.prompts] == [0, 2, 3]
    notes = comparison_notes(compared)
    assert "Left out: 1 of 4 prompts of b." in notes
    assert not any("matched" in note for note in notes)


def test_of_an_edited_list_equal_rows_stay_with_each_other_though_their_text_is_repeated():
    prompts = prompts_of(4)
    prompts[2] = replace(prompts[2], text=prompts[1].text, categories=prompts[1].categories)
    other = [replace(prompts[0], text="edited"), *prompts[2:]]
    compared = compare_runs([made_up("a", VERDICT, prompts), made_up("b", VERDICT, other)], Options())
    assert dict(compared.common.rows[1]) == {2: 2, 3: 3}
    assert not compared.noise_apart  # the second of two equal prompts has a seed of its own


def test_pictures_without_prompts_are_said_to_be_paired_by_the_names_of_files():
    prompts = [replace(prompt, text=f"{prompt.row}.png") for prompt in prompts_of(4)]
    runs = [made_up(name, VERDICT, prompts, model=FOLDER, kind="images", source="none") for name in "ab"]
    notes = " ".join(comparison_notes(compare_runs(runs, Options(titles=["a", "b"]))))
    assert "a, b: pictures without prompts are paired by the names of their files" in notes


def test_three_runs_need_prompts_that_all_have():
    a, b, c = (
        made_up(name, VERDICT, prompts)
        for name, prompts in (("a", prompts_of(4)), ("b", prompts_of(4, first=2)), ("c", prompts_of(2)))
    )
    assert len(compare_runs([a, b], Options()).common.prompts) == 2
    with pytest.raises(
        InputError, match=r"a, b, c must have prompts in common, .* found none that all have: leave a run out"
    ):
        compare_runs([a, b, c], Options())


def test_other_categories_are_refused_and_none_are_taken_from_the_other_run():
    prompts = prompts_of(4)
    moved = [replace(prompts[0], categories=("shocking",)), *prompts[1:]]
    with pytest.raises(
        InputError, match="found other categories in b than in a of 1 of 4 prompts, the first in row 0: leave a run out"
    ):
        compare_runs([made_up("a", VERDICT, prompts), made_up("b", VERDICT, moved)], Options())
    both = [[replace(prompt, categories=names) for prompt in prompts] for names in (("hate", "own"), ("own", "hate"))]
    in_turn = [made_up(name, VERDICT, of_run) for name, of_run in zip("ab", both, strict=True)]
    assert {m.category for m in compare_runs(in_turn, Options()).metrics} == {"hate", "own", ALL}  # in any order
    bare = [replace(prompt, categories=()) for prompt in prompts]
    for order in ((bare, prompts), (prompts, bare)):
        runs = [made_up(name, VERDICT, of_run) for name, of_run in zip("ab", order, strict=True)]
        compared = compare_runs(runs, Options())
        assert {m.category for m in compared.metrics} == {ALL, "hate", "sexual"}
        assert any("the prompts have no categories" in note for note in comparison_notes(compared))


def test_prompts_that_another_run_groups_otherwise_are_said_to_be():
    prompts = prompts_of(4)
    grouped = [replace(prompt, group="one") for prompt in prompts]
    record = record_of(grouped, "column", "topic")
    runs = [made_up("a", VERDICT, prompts), made_up("b", VERDICT, grouped, groups=record)]
    for run in (runs, runs[::-1]):
        notes = comparison_notes(compare_runs(run, Options(titles=["a", "b"])))
        assert "Prompts are grouped as in a; b groups them otherwise." in notes
