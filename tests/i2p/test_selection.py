"""Filters, the sample and the shards."""

import dataclasses
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import i2p

PROMPTS = [
    i2p.Prompt(
        row,
        f"text {row}",
        ("hate",) if row % 4 == 0 else ("hate", "sexual"),
        seed=row,
        guidance_scale=7.5,
        height=64,
        width=64,
        hard=row % 3 == 0,
        toxicity=row / 40,
    )
    for row in range(0, 40, 2)
]


def chosen(**filters):
    return [p.row for p in i2p.select(PROMPTS, i2p.Selection(**filters))]


def test_no_filter_selects_everything_by_rising_row():
    assert i2p.select(PROMPTS[::-1], i2p.Selection()) == PROMPTS


def test_a_prompt_passes_with_any_of_the_categories():
    assert chosen(categories=["sexual"]) == list(range(2, 40, 4))
    assert chosen(categories="hate, sexual") == chosen(categories=["sexual", "hate"]) == list(range(0, 40, 2))


def test_hard_selects_either_side():
    assert chosen(hard=True) == [0, 6, 12, 18, 24, 30, 36]
    assert sorted(chosen(hard=True) + chosen(hard=False)) == list(range(0, 40, 2))


def test_neighbouring_toxicity_ranges_share_no_prompt():
    assert chosen(toxicity_below=0.5) == list(range(0, 20, 2))
    assert chosen(toxicity_min=0.5) == list(range(20, 40, 2))
    assert chosen(toxicity_min=0.1, toxicity_below=0.2) == [4, 6]


@pytest.mark.parametrize("rows", ["0,4,10", "0, 4 ,10", [0, 4, 10], [0, "4,10"], ("10", 4, 0, 4)])
def test_rows_are_numbers_or_text(rows):
    assert chosen(rows=rows) == [0, 4, 10]


def test_filters_are_all_applied():
    assert chosen(rows=[0, 2, 6, 12], hard=True, categories="sexual") == [6]


def test_ranges_have_both_ends(i2p_csv):
    prompts = i2p.load_prompts(path=i2p_csv)
    rows = [p.row for p in i2p.select(prompts, i2p.Selection(rows="0-99,200"))]
    assert rows == [*range(100), 200]
    assert [p.row for p in i2p.select(prompts, i2p.Selection(rows=4702))] == [4702]


@pytest.mark.parametrize("rows", ["0-9", "0,5", "1-99999999999999999"])
def test_rows_that_the_source_lacks_are_named(rows):
    with pytest.raises(i2p.InputError, match=r"rows must be rows of the source .*, found (1, 3, 5|5|1, 3, 5, 7, 9)"):
        chosen(rows=rows)


@pytest.mark.parametrize("rows", ["9-5", "a", "", "1-", "-3", "1.5", 1.5, True, [1, ""], [-1], "1 2"])
def test_rows_that_cannot_be_meant_are_refused(rows):
    with pytest.raises(i2p.InputError, match="rows must be row numbers and rising ranges"):
        i2p.Selection(rows=rows)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"toxicity_min": 0.5, "toxicity_below": 0.5}, "found 0.5 and 0.5"),
        ({"toxicity_min": -1}, "toxicity_min"),
        ({"toxicity_below": float("nan")}, "found 0.0 and nan"),
        ({"sample": 0}, "found 0"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(filters, words):
    with pytest.raises(i2p.InputError, match=words):
        i2p.Selection(**filters)


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"toxicity_min": 0.99}, "toxicity_min=0.99 leaves none of 20"),
        ({"rows": [2], "hard": True}, r"hard=True leaves none of 1 \(after rows=\[2\]\)"),
        ({"categories": []}, r"categories=\[\] leaves none"),
    ],
)
def test_an_empty_selection_names_the_filter_that_took_the_last(filters, words):
    with pytest.raises(i2p.InputError, match=words):
        chosen(**filters)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("sexuall", r"one of 'hate', 'sexual' \(closest: 'sexual'\), found 'sexuall'"),
        (["hate", "gore"], "one of 'hate', 'sexual', found 'gore'"),
        ("violence", "one of 'hate', 'sexual', found 'violence'"),
        ("all", "one of 'hate', 'sexual', found 'all'"),
    ],
)
def test_a_category_that_the_prompts_lack_is_refused_with_those_they_have(names, words):
    with pytest.raises(i2p.InputError, match=f"categories must be {words}: correct it"):
        chosen(categories=names)


def test_categories_of_prompts_without_any_cannot_be_chosen():
    bare = [dataclasses.replace(p, categories=()) for p in PROMPTS]
    with pytest.raises(i2p.InputError, match="must be left out, as the prompts have no categories, found 'hate'"):
        i2p.select(bare, i2p.Selection(categories="hate"))


def test_a_list_s_own_categories_are_chosen_in_any_spelling():
    own = [dataclasses.replace(p, categories=("Bodily fluids",) if p.row < 4 else ("hate",)) for p in PROMPTS]
    for name in ("Bodily fluids", "bodily_fluids", " BODILY-FLUIDS "):
        assert [p.row for p in i2p.select(own, i2p.Selection(categories=[name]))] == [0, 2]


@pytest.mark.parametrize(("field", "filters"), [("hard", {"hard": False}), ("toxicity", {"toxicity_below": 0.5})])
def test_what_is_not_known_is_neither_true_nor_false(field, filters):
    prompts = [*PROMPTS[:3], dataclasses.replace(PROMPTS[3], **{field: None})]
    with pytest.raises(i2p.InputError, match=f"gives '{field}' for every prompt, found none in row 6"):
        i2p.select(prompts, i2p.Selection(**filters))


def test_heims_selection_has_the_size_it_is_known_to_have(i2p_csv):
    assert len(i2p.select(i2p.load_prompts(path=i2p_csv), i2p.HEIM)) == 1784


def test_a_sample_depends_on_its_seed_and_on_no_order():
    shuffled = random.Random(0).sample(PROMPTS, len(PROMPTS))
    want = i2p.Selection(sample=7, sample_seed=3)
    drawn = i2p.select(PROMPTS, want)
    assert i2p.select(shuffled, want) == drawn == sorted(drawn, key=lambda p: p.row)
    assert len({p.row for p in drawn}) == 7
    assert chosen(sample=7, sample_seed=4) != chosen(sample=7, sample_seed=3)


def test_a_smaller_sample_is_part_of_a_larger_one():
    assert {*chosen(sample=5)} < {*chosen(sample=11)} < {*chosen(sample=20)} == {p.row for p in PROMPTS}


def test_a_sample_is_drawn_from_what_the_other_filters_leave():
    assert {*chosen(sample=4, hard=True)} < {*chosen(hard=True)}


def test_every_prompt_is_equally_likely_to_be_drawn():
    counts = Counter(row for seed in range(2000) for row in chosen(sample=5, sample_seed=seed))
    assert stats.chisquare([counts[p.row] for p in PROMPTS]).pvalue > 0.001


def test_a_sample_larger_than_what_there_is_is_refused():
    with pytest.raises(i2p.InputError, match=r"at most 7, the prompts that the other filters leave, found 8"):
        chosen(hard=True, sample=8)


@settings(deadline=None, database=None, derandomize=True)
@given(st.integers(0, 20), st.integers(1, 30))
def test_shards_partition_the_selection_evenly(size, count):
    shards = [i2p.shard(PROMPTS[:size], index, count) for index in range(count)]
    assert sorted((p for part in shards for p in part), key=lambda p: p.row) == PROMPTS[:size]
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_every_shard_of_i2p_holds_the_same_mix_of_categories(i2p_csv):
    prompts = i2p.load_prompts(path=i2p_csv)
    for name in i2p.CATEGORIES:
        counts = [sum(name in p.categories for p in i2p.shard(prompts, index, 4)) for index in range(4)]
        assert max(counts) <= 1.15 * min(counts)


@pytest.mark.parametrize(("index", "count"), [(4, 4), (-1, 4), (0, 0), (0, -1)])
def test_a_shard_that_does_not_exist_is_refused(index, count):
    with pytest.raises(i2p.InputError, match=f"found index {index} and count {count}"):
        i2p.shard(PROMPTS, index, count)


def test_a_filter_that_leaves_nothing_is_named_without_its_value():
    prompts = i2p.load_prompts("harmless")
    with pytest.raises(i2p.InputError, match=r"categories=\[\] leaves none of .*: loosen categories=$") as refused:
        i2p.select(prompts, i2p.Selection(categories=[]))
    assert refused.value.arguments == ("categories=",)
