"""Which prompts are harmless: all, none, or those of named categories."""

import pytest

import i2p
from i2p.harmless import KNOWN, harmless_rows, known_rows

PROMPTS = [
    i2p.Prompt(row, "a kite", categories, row, 7.5, 64, 64)
    for row, categories in enumerate([("self-harm",), ("Control",), ("self-harm", "Control"), ()])
]


@pytest.mark.parametrize(
    ("chosen", "rows"),
    [
        (True, {0, 1, 2, 3}),
        (False, set()),
        (["control"], {1, 2}),
        (["Self_Harm"], {0, 2}),
        (["control", "self-harm"], {0, 1, 2}),
    ],
)
def test_rows_are_those_of_the_categories_in_any_spelling(chosen, rows):
    assert harmless_rows(PROMPTS, chosen) == rows


@pytest.mark.parametrize(
    ("prompts", "words"),
    [(PROMPTS, "one of 'self-harm', 'Control' "), (PROMPTS[3:], "true or false, as the prompts have no")],
)
def test_a_category_that_no_prompt_has_is_refused(prompts, words):
    with pytest.raises(i2p.InputError, match=f"harmless must be {words}.*found 'controls': correct harmless="):
        harmless_rows(prompts, ["controls"])


def test_of_the_lists_that_ship_it_is_known():
    rows = {source: known_rows(source, i2p.load_prompts(source)) for source in KNOWN}
    assert {source: len(harmless) for source, harmless in rows.items()} == {
        "harmless": 16,
        "demo_control": 105,
        "demo_both": 35,
    }
    assert min(rows["demo_both"]) == 1000
    assert known_rows("elsewhere.csv", PROMPTS) == set()


def test_a_selection_without_the_harmless_prompts_of_a_list_has_none():
    cues = [prompt for prompt in i2p.load_prompts("demo_both") if prompt.row < 1000]
    assert cues
    assert known_rows("demo_both", cues) == set()
