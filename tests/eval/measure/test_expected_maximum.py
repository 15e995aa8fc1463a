"""The expected maximum, its spread and its interval, against enumeration, resampling and the published file."""

import itertools
from collections import defaultdict

import numpy as np
import pytest

import i2p
from eval.measure.effects import mover
from eval.measure.expected_maximum import (
    expected_max,
    paired_expected_max_difference,
    unpaired_expected_max_difference,
)

CATEGORIES = (*i2p.CATEGORIES, "all")


@pytest.mark.parametrize(("size", "draws"), [(1, 1), (6, 2), (9, 4), (9, 9), (12, 5)])
def test_the_expected_maximum_is_the_mean_over_all_subsets(size, draws):
    fractions = np.random.default_rng(size).integers(0, 11, size) / 10
    maxima = [max(subset) for subset in itertools.combinations(fractions, draws)]
    exact = expected_max(fractions, draws=draws)
    assert (exact.value, exact.spread) == pytest.approx((np.mean(maxima), np.std(maxima)), abs=1e-12)


@pytest.mark.parametrize("category", ["hate", "sexual", "all"])
def test_the_expected_maximum_is_that_of_many_random_draws(outcomes, category):
    y, rng = outcomes[category] / 10, np.random.default_rng(0)
    maxima = [rng.choice(y, 25, replace=False).max() for _ in range(10_000)]
    exact = expected_max(y)
    assert exact.value == pytest.approx(np.mean(maxima), abs=4 * exact.spread / 100)
    assert exact.spread == pytest.approx(np.std(maxima), rel=0.05)


def test_the_real_file_has_the_expected_maximum_of_the_official_rerun(outcomes):
    (row,) = i2p.published.results(source="i2p-readme", model="sd14", method="baseline", category="all")
    ours = expected_max(outcomes["all"] / 10)
    assert ours.value == pytest.approx(row.expected_max, abs=0.001)
    assert ours.spread == pytest.approx(row.expected_max_sd, abs=0.005)


def test_grouping_by_text_as_the_official_code_does_moves_the_expected_maximum_little(i2p_csv):
    prompts = i2p.load_prompts(path=i2p_csv)
    for category in CATEGORIES:
        groups = defaultdict(list)
        for p in prompts:
            if category in (*p.categories, "all"):
                groups[p.text].append(p.published.inappropriate)
        by_row = expected_max(np.concatenate(list(groups.values())))
        by_text = expected_max(np.array([np.mean(values) for values in groups.values()]))
        assert by_text.value == pytest.approx(by_row.value, abs=0.006)


@pytest.mark.parametrize("size", [25, 5_000, 1_000_000])
def test_the_expected_maximum_of_evenly_spread_values_is_the_textbook_one(size):
    # The maximum of N of the numbers 1 … n, drawn without replacement: mean N (n + 1) / (N + 1).
    exact = expected_max(np.arange(1, size + 1) / size)
    assert exact.value == pytest.approx(25 * (size + 1) / 26 / size, rel=1e-9)
    variance = 25 * (size - 25) * (size + 1) / (26**2 * 27) / size**2
    assert exact.spread == pytest.approx(np.sqrt(variance), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("share", [0.1, 1 / 3, 1.0])
def test_of_prompts_that_are_all_alike_it_is_their_share_to_the_last_bit(share):
    """Weights whose sum is rounded would put it outside of [0, 1]."""
    for prompts in range(25, 120):
        found = expected_max(np.full(prompts, share))
        assert found.value == share
        assert found.low is None or found.low <= share <= found.high <= 1


def test_with_fewer_prompts_than_draws_there_is_no_expected_maximum():
    assert expected_max(np.full(24, 0.5)) is None
    assert expected_max(np.full(25, 0.5)).value == pytest.approx(0.5)
    assert expected_max(np.array([])) is None


@pytest.mark.parametrize("fractions", [[1.5], [-0.1], [np.nan], [[0.5]]])
def test_fractions_outside_0_and_1_are_refused(fractions):
    with pytest.raises(ValueError, match=r"fractions \(P,\) in \[0, 1\]"):
        expected_max(np.array(fractions), draws=1)


# --- intervals -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two():
    """The share of inappropriate images of two methods, (300,) each of ten images, on prompts that are alike."""
    rng = np.random.default_rng(1)
    level = rng.beta(0.9, 1.6, 300)
    return rng.binomial(10, 0.35 * level) / 10, rng.binomial(10, level) / 10


@pytest.mark.parametrize(("prompts", "draws"), [(300, 25), (30, 4)])
@pytest.mark.parametrize("group_size", [1, 3])
def test_an_interval_rests_on_leaving_out_one_group_after_the_other(two, prompts, draws, group_size):
    for values in (side[:prompts] for side in two):
        groups = np.arange(prompts) // group_size
        result = expected_max(values, groups, draws)
        left_out = [expected_max(values[groups != g], draws=draws).value for g in np.unique(groups)]
        count = len(left_out)
        error = np.sqrt((count - 1) * np.var(left_out))
        as_a_share = np.sqrt(result.value * (1 - result.value) / count)  # it never varies less
        assert 1.8 * max(error, as_a_share) < (result.high - result.low) / 2 < 3.2 * max(error, as_a_share)
        assert result.low <= result.value <= result.high


def test_with_one_group_or_one_draw_there_is_no_interval():
    values = np.linspace(0, 1, 30)
    assert expected_max(values, np.zeros(30, int)).low is None
    assert expected_max(values[:25]).high is None


@pytest.mark.parametrize("category", ["all", "hate", "illegal activity"])
def test_the_interval_covers_when_groups_of_near_duplicates_are_drawn_anew(outcomes, grouped, category):
    values, groups = outcomes[category] / 10, grouped[category]
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    levels, counts = np.unique(values, return_counts=True)
    truth = np.diff((np.cumsum(counts) / counts.sum()) ** 25, prepend=0.0) @ levels
    rng, held = np.random.default_rng(0), []
    for _ in range(150):
        drawn = rng.integers(0, len(members), len(members))
        rows = np.concatenate([members[g] for g in drawn])
        result = expected_max(values[rows], np.repeat(np.arange(len(drawn)), [len(members[g]) for g in drawn]))
        held.append(result.low <= truth <= result.high)
    assert np.mean(held) > 0.9


@pytest.mark.parametrize(("prompts", "draws"), [(300, 25), (30, 4)])
def test_the_interval_of_a_difference_rests_on_the_jackknife(two, prompts, draws):
    a, b = (values[:prompts] for values in two)
    result = paired_expected_max_difference(a, b, np.full(prompts, 10), draws=draws)
    assert result.value == pytest.approx(expected_max(a, draws=draws).value - expected_max(b, draws=draws).value)
    left_out = [
        expected_max(np.delete(a, i), draws=draws).value - expected_max(np.delete(b, i), draws=draws).value
        for i in range(prompts)
    ]
    error = np.sqrt((prompts - 1) ** 2 / prompts * np.var(left_out, ddof=0) * prompts / (prompts - 1))
    assert 1.8 * error < (result.high - result.low) / 2 < 2.7 * error
    apart = unpaired_expected_max_difference(a, b[::-1], draws=draws)
    assert apart.value == pytest.approx(result.value)


def test_maxima_of_too_few_prompts_have_no_interval_or_none_at_all():
    values = np.linspace(0, 1, 25)
    assert paired_expected_max_difference(values[:24], values[:24], np.ones(24)) is None
    assert unpaired_expected_max_difference(values[:24], values) is None
    result = paired_expected_max_difference(values, values / 2, np.ones(25))
    assert (result.value, result.low, result.high) == (0.5, None, None)


def test_methods_that_never_differed_may_yet(two):
    same, many = np.minimum(two[1], 0.8), np.full(300, 10)
    result = paired_expected_max_difference(same, same, many)
    assert result.low < 0 < result.high


def test_prompts_without_a_hit_leave_room_for_a_maximum_not_seen():
    none = np.zeros(100)
    result = unpaired_expected_max_difference(none, none)
    assert (result.value, result.low) == (0, -result.high)
    # No hit in 100 prompts: up to 3 % of prompts may have one, and 25 of them to more than a half.
    assert 0.4 < result.high < 0.8


def test_the_first_and_the_second_can_be_exchanged(two):
    (a, b), images, groups = two, np.full(300, 10), np.arange(300) // 2
    result, exchanged = (paired_expected_max_difference(*sides, images, groups) for sides in ((a, b), (b, a)))
    assert (result.value, result.low, result.high) == pytest.approx((-exchanged.value, -exchanged.high, -exchanged.low))


def left_out(values, draws):
    """How each prompt's absence moves the expectation."""
    without = np.array([expected_max(np.delete(values, place), draws=draws).value for place in range(len(values))])
    return without - without.mean()


@pytest.mark.parametrize("alike", [True, False])
def test_into_the_correlation_of_two_maxima_enters_half_an_image_of_either(alike):
    rng = np.random.default_rng(4)
    first = rng.integers(0, 5, 12) / 4
    second = first if alike else np.clip(first + rng.integers(-2, 2, 12) / 4, 0, 1)
    images, draws = np.full(12, 4), 5
    half_image = draws / 12 * 0.5 / 4  # of a prompt that is drawn, and is then the largest
    rests = [[*left_out(first, draws), half_image, 0], [*left_out(second, draws), 0, half_image]]
    p, q = (expected_max(values, draws=draws) for values in (first, second))
    expected = mover(p, q, np.corrcoef(*rests)[0, 1])
    found = paired_expected_max_difference(first, second, images, draws=draws)
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.low < found.value < found.high
