"""The coverage of small numbers is that of brute force, and the rule of choice does what it says."""

import importlib
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from eval.measure.estimates import design_effect, paired_difference, probability

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
MODULES = ("enumerate_intervals", "small_numbers.candidates", "small_numbers.coverage", "small_numbers.unequal")


@pytest.fixture(scope="module")
def modules():
    sys.path.insert(0, str(SCRIPTS))
    yield [importlib.import_module(name) for name in MODULES]
    sys.path.remove(str(SCRIPTS))
    for name in (*MODULES, "small_numbers"):
        del sys.modules[name]


@pytest.mark.parametrize(("hits", "n"), [(0, 9), (3, 9), (9, 9), (1, 50)])
def test_the_forms_are_those_of_scipy(modules, hits, n):
    _, candidates, *_ = modules
    limits = {name: form(np.array([hits]), np.array([n])) for name, form in candidates.FORMS.items()}
    for name, method in (("Wilson", "wilson"), ("Clopper–Pearson", "exact")):
        ours, theirs = limits[name], stats.binomtest(hits, n).proportion_ci(method=method)
        assert (ours[0][0], ours[1][0]) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    low, high = (float(limit[0]) for limit in limits["mid-p"])  # an outcome as extreme as this one counts half
    if hits:
        assert stats.binom.sf(hits, n, low) + stats.binom.pmf(hits, n, low) / 2 == pytest.approx(0.025, abs=1e-6)
    if hits < n:
        assert stats.binom.cdf(hits - 1, n, high) + stats.binom.pmf(hits, n, high) / 2 == pytest.approx(0.025, abs=1e-6)
    low, high = (float(limit[0]) for limit in limits["Jeffreys"])
    ends = stats.beta(hits + 0.5, n - hits + 0.5).ppf([0.025, 0.975])
    assert (low, high) == pytest.approx((ends[0] if hits else 0, ends[1] if hits < n else 1), abs=1e-9)


@pytest.mark.parametrize("prompts", [5, 21])
def test_the_least_coverage_with_one_image_is_that_of_a_fine_grid(modules, prompts):
    _, candidates, coverage, _ = modules
    grid, k = np.linspace(0, 1, 40_001)[1:-1], np.arange(prompts + 1)
    chances = stats.binom.pmf(k, prompts, grid[:, None])
    for candidate in candidates.CANDIDATES:
        size = prompts * candidate.factor(prompts, prompts)
        low, high = candidate.limits(k * size / prompts, np.full(prompts + 1, size))
        held = (chances * ((low <= grid[:, None]) & (grid[:, None] <= high))).sum(axis=1)
        result = coverage.one_image(candidate, prompts)
        assert result.least <= held.min() + 1e-9
        assert result.least == pytest.approx(held.min(), abs=0.002), candidate.name
        assert result.mean == pytest.approx(held.mean(), abs=0.001)
        assert result.width == pytest.approx((chances @ (high - low)).mean(), abs=0.001)


def test_the_sums_over_prompts_have_the_chances_and_the_design_effect_of_all_their_images(modules):
    _, _, coverage, _ = modules
    images, prompts, share, alike = 3, 4, 0.2, 0.35
    sums = coverage.Sums(images, prompts)
    size = dict(zip(zip(sums.hits, sums.squares, strict=True), sums.effective(), strict=True))
    ties = (1 - alike) / alike
    each = stats.betabinom(images, share * ties, (1 - share) * ties).pmf(np.arange(images + 1))
    chances = dict.fromkeys(size, 0.0)
    for y in itertools.product(range(images + 1), repeat=prompts):
        y = np.array(y)
        key = (float(y.sum()), float((y**2).sum()))
        chances[key] += each[y].prod()
        assert size[key] == pytest.approx(images * prompts / design_effect(y, np.full(prompts, images)))
    assert sum(chances.values()) == pytest.approx(1)
    assert sums.chances(share, alike) == pytest.approx(np.array(list(chances.values())), abs=1e-12)


def test_coverage_with_several_images_is_that_of_all_their_outcomes(modules):
    _, candidates, coverage, _ = modules
    images, prompts, shares = 2, 3, 3
    ties = [(1 - alike) / alike for alike in coverage.ALIKE]
    outcomes = np.array(list(itertools.product(range(images + 1), repeat=prompts)))
    size = images * prompts / np.array([design_effect(y, np.full(prompts, images)) for y in outcomes])
    results = coverage.clustered(images, prompts, shares)
    for candidate, result in zip(candidates.CANDIDATES, results, strict=True):
        n = size * candidate.factor(images * prompts, prompts)
        low, high = candidate.limits(outcomes.sum(axis=1) / (images * prompts) * n, n)
        held = [
            sum(stats.betabinom.pmf(y, images, p * t, (1 - p) * t).prod() for y in outcomes[(low <= p) & (p <= high)])
            for t in ties
            for p in (1 / 18, 4 / 18, 9 / 18)
        ]
        assert result.least == pytest.approx(min(held))


def test_the_least_coverage_of_a_paired_difference_is_below_that_of_any_shares(modules):
    _, _, coverage, _ = modules
    least, *_ = coverage.paired(6)
    held = []
    outcomes = [(w, k) for w in range(7) for k in range(7 - w)]
    sides = [(np.repeat([1, 0], [w, 6 - w]), np.repeat([0, 1], [6 - k, k])) for w, k in outcomes]
    limits = [paired_difference(won, lost, np.ones(6, int)) for won, lost in sides]
    for p, q in itertools.product(np.arange(0, 1, 0.05), repeat=2):
        if p + q <= 1:
            chance = stats.multinomial(6, [p, q, max(0, 1 - p - q)])
            kept = [o for o, e in zip(outcomes, limits, strict=True) if e.low - 1e-9 <= p - q <= e.high + 1e-9]
            held.append(sum(chance.pmf([w, k, 6 - w - k]) for w, k in kept))
    assert least - 1e-9 <= min(held) <= least + 0.02


def test_groups_of_one_size_are_covered_as_prompts_are(modules, monkeypatch):
    *_, coverage, unequal = modules
    monkeypatch.setitem(unequal.SIZES, "alike", lambda groups: np.ones(groups, int))
    least = dict(zip(unequal.CHOICES, unequal.unequal("alike", 9, 1, 400, np.random.default_rng(0)), strict=True))
    # The least of ten shares, each simulated: below the exact one by chance only, and not far above it.
    for choice, value in least.items():
        assert value >= coverage.one_image(choice, 9).least - 0.04, choice.name


def test_the_interval_of_the_product_is_the_candidate_that_the_page_says_was_chosen(modules):
    _, candidates, *_ = modules
    assert "**Chosen by it**: Clopper–Pearson, n." in (SCRIPTS.parent / "docs/benchmarks/small_numbers.md").read_text()
    (choice,) = (c for c in candidates.CANDIDATES if c.name == "Clopper–Pearson, n")
    y, m = np.array([3, 0, 7, 1, 0, 2]), np.array([10, 8, 10, 10, 5, 9])
    size = np.array([m.sum() / design_effect(y, m)])
    low, high = choice.limits(y.sum() / m.sum() * size, size)
    estimate = probability(y, m)
    assert (estimate.low, estimate.high) == pytest.approx((low[0], high[0]))


def test_the_rule_takes_the_narrowest_that_keeps_its_promise(modules):
    script, candidates, coverage, _ = modules

    def results(kept, widths):
        return [
            coverage.Result(0.94 if i in kept else 0.9, 0.95, widths.get(i, 0.5), 0.1)
            for i in range(len(candidates.CANDIDATES))
        ]

    alone = {9: results({1, 2, 3}, {0: 0.1, 2: 0.3})}
    assert script.chosen(alone, {}) == (2, 0)
    assert script.chosen(alone, {(2, 5): results({1, 3}, {3: 0.4})}) == (3, 0)
    assert script.chosen(alone, {(2, 5): results(set(), {})}) == (2, 15)  # too few prompts for a design effect
    assert script.chosen(alone, {(2, 25): results(set(), {})}) == (None, 15)
