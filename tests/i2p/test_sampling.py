"""Samples drawn in proportion over the levels of the published percentage, and what is recorded of the rest."""

import dataclasses
import random
from collections import Counter
from fractions import Fraction
from itertools import combinations, pairwise

import pytest
from scipy import stats

import i2p
from i2p.population import Population, population_of
from i2p.sampling import draw, level

# 20 prompts of four levels: 8, 6, 4 and 2.
LEVELS = [0.0] * 8 + [0.3] * 6 + [0.7] * 4 + [1.0] * 2
PROMPTS = [
    i2p.Prompt(
        row, f"text {row}", ("hate",) if row % 3 else ("hate", "sexual"), row, 7.5, 64, 64,
        published=i2p.Published(published),
    )
    for row, published in enumerate(LEVELS)
]  # fmt: skip


def chosen(**filters):
    return [p.row for p in i2p.select(PROMPTS, i2p.Selection(strata="published", **filters))]


def by_level(rows):
    counts = Counter(LEVELS[row] for row in rows)
    return [counts[value] for value in (0.0, 0.3, 0.7, 1.0)]


def is_webster(shares, sizes):
    """Whether no stratum deserves another's last place more: what the method is defined by, ties included."""
    next_place = max(Fraction(size, 2 * share + 1) for share, size in zip(shares, sizes, strict=True) if share < size)
    last_place = min(Fraction(size, 2 * share - 1) for share, size in zip(shares, sizes, strict=True) if share)
    return next_place <= last_place


@pytest.mark.parametrize(("size", "shares"), [(5, [2, 2, 1, 0]), (10, [4, 3, 2, 1]), (20, [8, 6, 4, 2])])
def test_strata_share_a_sample_in_proportion(size, shares):
    assert by_level(chosen(sample=size)) == shares


def test_the_shares_are_webster_s(i2p_csv):
    prompts = i2p.load_prompts(path=i2p_csv)
    whole = Counter(level(p.published.inappropriate) for p in prompts)
    sizes = [whole[number] for number in range(11)]
    for size in (47, 470, 1001):
        counts = Counter(level(p.published.inappropriate) for p in draw(prompts, size, 0, "published"))
        assert is_webster([counts[number] for number in range(11)], sizes)


def test_no_level_of_i2p_is_off_by_a_whole_prompt_at_any_size(i2p_csv):
    prompts = i2p.load_prompts(path=i2p_csv)
    whole = Counter(level(p.published.inappropriate) for p in prompts)
    counts = Counter()
    for size, prompt in enumerate(draw(prompts, len(prompts), 0, "published"), 1):  # the order in which they come
        counts[level(prompt.published.inappropriate)] += 1
        assert all(abs(counts[number] - size * whole[number] / 4703) < 1 for number in range(11))


def test_a_smaller_sample_is_part_of_a_larger_one_with_strata_too():
    sizes = [{*chosen(sample=size)} for size in range(1, 21)]
    assert all(smaller < larger for smaller, larger in pairwise(sizes))
    assert sizes[-1] == {p.row for p in PROMPTS}


def test_a_stratified_sample_depends_on_its_seed_and_on_no_order():
    shuffled = random.Random(0).sample(PROMPTS, 20)
    want = i2p.Selection(sample=7, sample_seed=3, strata="published")
    assert [p.row for p in i2p.select(shuffled, want)] == chosen(sample=7, sample_seed=3)
    assert chosen(sample=7, sample_seed=4) != chosen(sample=7, sample_seed=3)


def test_within_a_stratum_every_sample_is_equally_likely():
    counts = Counter(tuple(row for row in chosen(sample=10, sample_seed=seed) if row >= 14) for seed in range(1500))
    pairs = [(*four, two) for four in combinations(range(14, 18), 2) for two in (18, 19)]
    assert set(counts) == set(pairs)
    assert stats.chisquare([counts[pair] for pair in pairs]).pvalue > 0.001


def test_strata_are_those_of_what_the_other_filters_leave():
    rows = chosen(sample=4, categories="sexual")
    assert all(row % 3 == 0 for row in rows)
    assert len(rows) == 4
    assert is_webster(by_level(rows), by_level(range(0, 20, 3)))


def test_levels_are_the_nearest_tenths():
    assert [level(value) for value in (0, 0.04, 0.05, 0.3, 0.1 + 0.2, 0.55, 0.95, 1)] == [0, 0, 1, 3, 3, 6, 10, 10]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"strata": "published"}, "strata must come with a sample, .* found none: give its size, sample=, or leave"),
        ({"strata": "hard", "sample": 3}, "strata must be one of 'published', found 'hard': correct strata="),
    ],
)
def test_strata_that_cannot_be_meant_are_refused(filters, words):
    with pytest.raises(i2p.InputError, match=words):
        i2p.Selection(**filters)


def test_strata_of_what_was_not_published_are_refused():
    prompts = [*PROMPTS[:3], dataclasses.replace(PROMPTS[3], published=None)]
    with pytest.raises(i2p.InputError, match="gives 'inappropriate_percentage' for every prompt, found none in row 3"):
        i2p.select(prompts, i2p.Selection(sample=2, strata="published"))


def test_a_population_counts_prompts_and_means_by_category_and_level():
    population = population_of(PROMPTS[::-1])
    sexual = LEVELS[::3]
    assert population.prompts == population.shares["hate"].prompts == 20
    assert population.shares["all"].published == pytest.approx(sum(LEVELS) / 20)
    assert population.shares["sexual"] == i2p.population.Share(7, pytest.approx(sum(sexual) / 7))
    assert population.levels == (8, 0, 0, 6, 0, 0, 0, 4, 0, 0, 2)
    assert Population.read(population.document()) == population
    assert population_of([*PROMPTS, dataclasses.replace(PROMPTS[0], row=99, published=None)]) is None


@pytest.mark.parametrize("change", [{"levels": [1] * 11}, {"levels": [20]}, {"shares": {}}, {"shares": None}])
def test_a_damaged_population_is_noticed(change):
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        Population.read(population_of(PROMPTS).document() | change)
