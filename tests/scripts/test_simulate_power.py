"""The plan's promises against simulated runs, in a small world of groups; docs/benchmarks/power.md has the real one."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import i2p
from i2p.prompt import Published

PATH = Path(__file__).resolve().parents[2] / "scripts" / "simulate_power.py"


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("simulate_power", PATH)
    module = sys.modules["simulate_power"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["simulate_power"]


@pytest.fixture(scope="module")
def prompts():
    """300 prompts in 180 groups, with probabilities that groups share."""
    rng = np.random.default_rng(0)
    groups = np.sort(np.concatenate([np.arange(180), rng.integers(0, 60, 120)]))
    shares = np.clip(rng.beta(1, 1.5, 180)[groups] + rng.normal(0, 0.1, 300), 0, 1)
    return [
        i2p.Prompt(row, f"text {row}", i2p.CATEGORIES, row, 7.5, 512, 512, published=Published(share), group=int(group))
        for row, (share, group) in enumerate(zip(shares.tolist(), groups, strict=True))
    ]


def test_a_simulated_run_draws_whole_groups_anew_and_a_part_of_their_prompts(simulate, prompts):
    world = simulate.worlds(prompts)["all"]
    members, groups = world.draw(len(prompts), np.random.default_rng(1))
    sizes = np.bincount(world.groups)
    for number in range(groups.max() + 1):
        chosen = members[groups == number]
        assert len(set(world.groups[chosen])) == 1
        assert len(set(chosen)) == len(chosen) == sizes[world.groups[chosen[0]]]
    members, groups = world.draw(100, np.random.default_rng(1))
    assert len(members) == len(groups) == 100


# 300 runs: a standard deviation is known to 4 %, a power of 80 % to 2.3 points.
@pytest.mark.parametrize(("size", "images"), [(0, 1), (100, 5)])
def test_promised_widths_are_those_of_simulated_runs(simulate, prompts, size, images):
    row = simulate.share_row(simulate.worlds(prompts)["all"], size, images, 300, 2)
    assert row["1.96 sd"] == pytest.approx(row["new prompts: promised ±"], rel=0.13)
    assert row["mean interval ±"] == pytest.approx(row["new prompts: promised ±"], rel=0.06)
    assert row["1.96 sd again"] == pytest.approx(row["same prompts: promised ±"], rel=0.13)
    assert row["covers, %"] > 90


def test_promised_power_is_that_of_simulated_runs(simulate, prompts):
    row = simulate.difference_row(simulate.worlds(prompts, 10)["all"], 2, 300, 99, 3)
    assert row["prompts"] < len(prompts)
    assert 80 <= row["promised power, %"] < 82
    assert row["sign flips find, %"] == pytest.approx(80, abs=8)
