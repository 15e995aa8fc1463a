"""A list of prompts brings its own categories: kept, in one spelling, and none that a table could mistake."""

import json

import pytest

import i2p
from i2p.categories import in_order


@pytest.fixture
def load(tmp_path):
    """The categories of each prompt of a list, and the remarks on it."""

    def load(*cells):
        path = tmp_path / "p.jsonl"
        path.write_text("".join(json.dumps({"prompt": "a", "categories": cell}) + "\n" for cell in cells))
        categories = i2p.read_prompts(path=path)
        return [p.categories for p in categories.prompts], categories.remarks

    return load


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("drugs, fraud", ("drugs", "fraud")),
        ("fraud,hate", ("fraud", "hate")),
        (["fraud", "hate"], ("fraud", "hate")),
        (["fraud, hate"], ("fraud", "hate")),
        ("['fraud', 'self-harm']", ("fraud", "self-harm")),
        ('["fraud"]', ("fraud",)),
        ("fraud, fraud", ("fraud",)),
        ("  bodily \t fluids ", ("bodily fluids",)),
        ("None", ("None",)),
        ("NA, nan", ("NA", "nan")),
        ("violence/gore", ("violence/gore",)),
        (3, ("3",)),
        (3.0, ("3.0",)),
        ("", ()),
        (None, ()),
        ([], ()),
    ],
)
def test_names_are_joined_by_commas_or_in_a_list(load, cell, names):
    assert load(cell)[0] == [names]


@pytest.mark.parametrize("spelled", ["Sexual", "sexual ", "SEXUAL", " sexual"])
def test_i2ps_names_are_known_in_any_spelling(load, spelled):
    assert load(spelled)[0] == [("sexual",)]


@pytest.mark.parametrize("spelled", ["self harm", "Self-Harm", "self_harm", "SELF  HARM"])
def test_another_spelling_is_counted_as_the_name_and_said(load, spelled):
    categories, remarks = load(spelled)
    assert categories == [("self-harm",)]
    assert remarks == (
        f"Categories in another spelling are counted as one: {' '.join(spelled.split())!r} as 'self-harm'.",
    )


def test_a_name_of_ones_own_is_spelled_as_it_is_first(load):
    categories, remarks = load("Nudity", "nudity", "NUDITY, gore")
    assert categories == [("Nudity",), ("Nudity",), ("Nudity", "gore")]
    assert remarks == (
        "Categories in another spelling are counted as one: 'nudity' as 'Nudity', 'NUDITY' as 'Nudity'.",
    )


def test_a_name_close_to_one_of_i2ps_is_kept_and_said(load):
    categories, remarks = load("voilence", "Disturbing")
    assert categories == [("voilence",), ("Disturbing",)]
    assert remarks == ("Categories that are not I2P's, though nearly spelled like one: 'voilence' (violence).",)


def test_a_report_has_i2ps_names_first_and_the_others_as_they_come():
    assert in_order(["zeta", "sexual", "alpha", "hate", "zeta"]) == ["hate", "sexual", "zeta", "alpha"]
