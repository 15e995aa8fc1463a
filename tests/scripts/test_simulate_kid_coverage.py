"""The worlds are what their names say, their truth is what their samples estimate, and the page has a row of each."""

import argparse
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def simulate():
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("simulate_kid_coverage")
    sys.path.remove(str(SCRIPTS))
    for name in [name for name in sys.modules if name.split(".")[0] in ("simulate_kid_coverage", "simulated_coverage")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def worlds(simulate):
    simulate.PROMPTS = 300  # a fifth
    return simulate.worlds(np.random.default_rng(0))


def test_a_tenth_and_a_fiftieth_of_the_prompts_change(worlds):
    shares = [(made != first).any(axis=(1, 2)).mean() for made, first in worlds.values()]
    assert shares == pytest.approx([1, 1, 1, 0.1, 0.02], abs=0.04)


def test_most_intervals_hold_the_truth_and_the_page_says_how_many(simulate, worlds):
    world = "all pictures move alike"
    shares = simulate.coverage(worlds[world], 30, 2, 20, 0)
    assert shares["paired"][0] > 0.7
    assert shares["reference"][0] > 0.7
    page = simulate.report({(world, 30, 2): shares}, argparse.Namespace(runs=20, seed=0))
    assert "of 20 simulated runs" in page
    assert f"| {world} | 30 × 2" in page
