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
RUNS = 500


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


@pytest.mark.parametrize("shift", [0.0, 0.02, -0.02])
def test_what_is_found_is_what_the_normal_approximation_promises(simulate, sexual, shift):
    apart = simulate.found_apart(sexual, shift, 10, RUNS, np.random.default_rng(1))
    p = sexual.chances
    spread = math.sqrt(2 * (p * (1 - p)).sum() / 10) / len(p)
    normal = NormalDist()
    promised = sum(normal.cdf(sign * shift / spread - normal.inv_cdf(0.975)) for sign in (1, -1))
    assert apart["same prompts"] == pytest.approx(promised, abs=0.04)
    assert apart["same prompts"] > 0.9 if shift else apart["same prompts"] < 0.08
    if shift:  # by the interval for new prompts, what is apart passes as agreement
        assert apart["new prompts"] < 0.75
