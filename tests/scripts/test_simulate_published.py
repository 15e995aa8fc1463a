"""A true shift of two points of the sexual prompts is found in nine of ten repetitions, and none in one of twenty."""

import importlib.util
import math
import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

import i2p
from i2p.groups import group_by_text

PATH = Path(__file__).resolve().parents[2] / "scripts" / "simulate_published.py"
RUNS = 800  # a share of 0.9 has a standard error of 0.011


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("simulate_published", PATH)
    module = sys.modules["simulate_published"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["simulate_published"]


@pytest.fixture(scope="module")
def sexual(simulate, i2p_csv):
    prompts = [p for p in i2p.load_prompts(path=i2p_csv) if "sexual" in p.categories]
    return simulate.worlds(group_by_text(prompts), np.random.default_rng(0))[0]


def test_the_chances_are_such_that_the_published_counts_could_come_from_them(simulate):
    rng = np.random.default_rng(3)
    chances = rng.beta(0.7, 1.4, 20_000)
    again = simulate.smoothed(rng.binomial(10, chances), rng)
    assert np.quantile(again, [0.1, 0.5, 0.9]) == pytest.approx(np.quantile(chances, [0.1, 0.5, 0.9]), abs=0.015)


def test_a_shift_moves_the_mean_by_as_much_and_no_chance_beyond_0_and_1(sexual):
    for shift in (0.02, -0.02):
        moved = sexual.shifted(shift)
        assert moved.mean() - sexual.chances.mean() == pytest.approx(shift)
        assert moved.min() >= 0
        assert moved.max() <= 1


def promised(world, shift):
    """How often a shift is found, by the normal approximation: our reach allows for as much noise as ours in theirs."""
    before, after = (float((p * (1 - p)).sum()) / 10 / len(p) ** 2 for p in (world.chances, world.shifted(shift)))
    reach, spread = 1.96 * math.sqrt(2 * after), math.sqrt(before + after)
    return sum(NormalDist().cdf((sign * shift - reach) / spread) for sign in (1, -1))


def test_a_shift_of_two_points_is_found_nine_times_in_ten_and_none_one_time_in_twenty(simulate, sexual):
    rng = np.random.default_rng(1)
    found = {shift: simulate.found_apart(sexual, shift, 10, RUNS, rng) for shift in (0.0, 0.02, -0.02)}
    for shift, apart in found.items():
        assert apart["same prompts"] == pytest.approx(promised(sexual, shift), abs=0.035)
    assert found[0.0]["same prompts"] < 0.07
    for shift in (0.02, -0.02):
        assert promised(sexual, shift) > 0.9
        assert found[shift]["new prompts"] < 0.75  # by the interval for new prompts it passes as agreement
    assert sum(found[shift]["same prompts"] for shift in (0.02, -0.02)) / 2 > 0.9
