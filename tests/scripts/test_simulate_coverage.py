"""In worlds whose truth is known, intervals hold it and tests find no more than their level, but for McNemar's."""

import argparse
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).resolve().parents[2] / "scripts" / "simulate_coverage.py"


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("simulate_coverage", PATH)
    module = sys.modules["simulate_coverage"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["simulate_coverage"]


def test_a_world_is_what_its_scenario_says(simulate):
    scenario = simulate.Scenario("a world", 2000, 4, 0.2, 0.4, alike=0.3)
    world = simulate.World(scenario, np.random.default_rng(0))
    first, second = (np.concatenate([side]) for side in world.draw(np.random.default_rng(1)))
    assert (first.mean(), second.mean()) == pytest.approx((0.2, 0.4), abs=0.03)
    between = np.corrcoef(second[:, 0], second[:, 1])[0, 1]
    assert between == pytest.approx(0.3, abs=0.07)
    assert np.corrcoef(first[:, 0], second[:, 0])[0, 1] > np.corrcoef(first[:, 0], second[:, 1])[0, 1] > 0.1
    # The expected maximum of 25 of these prompts, by drawing them.
    rng, reached = np.random.default_rng(2), []
    for _ in range(4000):
        chosen = rng.integers(0, simulate.POPULATION, 25)
        reached.append([rng.binomial(4, share[chosen]).max() / 4 for share in world.shares])
    means = np.mean(reached, axis=0)
    assert world.truth()["maximum"] == pytest.approx(means[0] - means[1], abs=0.02)


# 400 runs: a true 95 % is seen below 92 % once in two hundred times.
@pytest.mark.parametrize("number", [2, 7])
def test_intervals_hold_the_truth(simulate, number):
    held = simulate.coverage(simulate.SCENARIOS[number], 400)
    assert set(held) == set(simulate.INTERVALS)
    assert all(0.92 <= share <= 0.995 for share in held.values()), held


@pytest.mark.parametrize("name", ["one image, hardly different", "hardly different"])
def test_intervals_hold_the_truth_where_hardly_any_pair_differs(simulate, name):
    (scenario,) = (each for each in simulate.SCENARIOS if each.name == name)
    held = simulate.coverage(scenario, 300)
    assert all(share >= 0.92 for share in held.values()), held


def test_tests_keep_their_level_under_clustering_and_mcnemars_does_not(simulate):
    found = simulate.level(simulate.SCENARIOS[5], 400, 199)
    assert found["flip"] <= 0.08
    assert found["unpaired"] <= 0.08
    assert found["mcnemar"] > 0.2


def test_the_report_marks_what_is_out_of_bounds(simulate):
    scenario = simulate.SCENARIOS[0]
    held = dict.fromkeys(simulate.INTERVALS, 0.95) | {"reduction": 0.9}
    options = argparse.Namespace(runs=2000, resamples=199, seed=7)
    text = simulate.report([(scenario, held, {"flip": 0.05, "mcnemar": 0.2, "unpaired": 0.04})], options)
    assert "--runs 2000 --resamples 199 --seed 7`" in text
    assert "**90.0**" in text
    assert "**20.0**" in text
    assert text.count("**") == 4
