"""In worlds whose truth is known, intervals hold it and tests find no more than their level, but for McNemar's."""

import argparse
import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import i2p
from eval.measure.differences import differences_of_pairs
from eval.measure.pairs import Pairs

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
PARTS = ("worlds", "independent", "resampled", "family", "report", "tables")


@pytest.fixture(scope="module")
def simulate():
    sys.path.insert(0, str(SCRIPTS))
    yield importlib.import_module("simulate_coverage")
    sys.path.remove(str(SCRIPTS))
    for name in [name for name in sys.modules if name.split(".")[0] in ("simulate_coverage", "simulated_coverage")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def parts(simulate):
    parts = {name: importlib.import_module(f"simulated_coverage.{name}") for name in PARTS}
    parts["worlds"].POPULATION = 20_000  # of prompts, of whose chances the truth is the mean, however many they are
    return parts


@pytest.fixture(scope="module")
def worlds(parts):
    return parts["worlds"]


@pytest.fixture(scope="module")
def independent(parts):
    return parts["independent"]


@pytest.fixture(scope="module")
def resampled(parts):
    return parts["resampled"]


@pytest.fixture(scope="module")
def family(parts):
    return parts["family"]


@pytest.fixture(scope="module")
def dataset(worlds):
    """Return 200 prompts in 110 groups, alike within groups, of `all` and two categories."""
    rng = np.random.default_rng(0)
    sizes = np.array([10] * 10 + [1] * 100)
    groups = rng.permutation(np.repeat(np.arange(110), sizes))
    chances = rng.beta(0.7, 1.0, 110)[groups]
    member = rng.random(200) < 0.6
    members = {"all": np.ones(200, bool), "hate": member, "violence": ~member | (rng.random(200) < 0.2)}
    return worlds.Dataset(rng.binomial(10, chances), groups, members)


def test_a_world_is_what_its_scenario_says(worlds):
    scenario = worlds.Scenario("a world", 2000, 4, 0.2, 0.4, alike=0.3)
    world = worlds.World(scenario, np.random.default_rng(0))
    first, second = (np.concatenate([side]) for side in world.draw(np.random.default_rng(1)))
    assert (first.mean(), second.mean()) == pytest.approx((0.2, 0.4), abs=0.03)
    between = np.corrcoef(second[:, 0], second[:, 1])[0, 1]
    assert between == pytest.approx(0.3, abs=0.07)
    assert np.corrcoef(first[:, 0], second[:, 0])[0, 1] > np.corrcoef(first[:, 0], second[:, 1])[0, 1] > 0.1
    # The expected maximum of 25 of these prompts, by drawing them.
    rng, reached = np.random.default_rng(2), []
    for _ in range(4000):
        chosen = rng.integers(0, worlds.POPULATION, 25)
        reached.append([rng.binomial(4, share[chosen]).max() / 4 for share in world.shares])
    means = np.mean(reached, axis=0)
    assert world.truth()["maximum"] == pytest.approx(means[0] - means[1], abs=0.02)


# 400 runs: a true 95 % is seen below 92 % once in two hundred times.
@pytest.mark.parametrize("number", [2, 7])
def test_intervals_hold_the_truth(worlds, independent, number):
    held = independent.coverage(worlds.SCENARIOS[number], 400)
    assert set(held) == set(independent.INTERVALS)
    assert all(0.92 <= share <= 0.995 for share in held.values()), held


@pytest.mark.parametrize("name", ["one image, hardly different", "hardly different"])
def test_intervals_hold_the_truth_where_hardly_any_pair_differs(worlds, independent, name):
    (scenario,) = (each for each in worlds.SCENARIOS if each.name == name)
    held = independent.coverage(scenario, 300)
    assert all(share >= 0.92 for share in held.values()), held


def test_tests_keep_their_level_under_clustering_and_mcnemars_does_not(worlds, independent):
    found = independent.level(worlds.SCENARIOS[5], 400, 199)
    assert found["flip"] <= 0.08
    assert found["unpaired"] <= 0.08
    assert found["mcnemar"] > 0.2


def test_groups_are_drawn_whole_and_as_often_as_each_other(worlds):
    groups = np.array([5, 2, 5, 9, 2, 5])
    dataset = worlds.Dataset(np.array([0, 1, 2, 3, 4, 5]), groups, {"all": np.ones(6, bool)})
    of_row = {0: {1, 4}, 1: {1, 4}, 2: {0, 2, 5}, 3: {0, 2, 5}, 4: {0, 2, 5}, 5: {3}}  # sorted by group; by positives
    rng, times = np.random.default_rng(0), np.zeros(6)
    for _ in range(300):
        drawn = dataset.draw(rng)
        assert drawn.count == 3
        for number in range(3):
            rows = drawn.rows[drawn.groups == number]
            assert sorted(dataset.positives[rows]) == sorted(of_row[rows[0]])
        times += np.bincount(drawn.rows, minlength=6)
    assert times / 300 == pytest.approx(np.ones(6), abs=0.2)


def test_the_moments_of_outcomes_are_those_of_their_chances(worlds):
    rng = np.random.default_rng(0)
    first, second = worlds.outcomes(np.full((2, 4000), [[0.3], [0.6]]), 0.5, 10, rng)
    assert (first.mean(), second.mean()) == pytest.approx((0.3, 0.6), abs=0.01)
    # On common noise, in a quarter of the pairs, the first is never inappropriate alone.
    assert (first & ~second).mean() == pytest.approx(0.75 * 0.3 * 0.4, abs=0.01)


def test_the_mean_of_moved_chances_is_that_of_many_draws(worlds):
    chances, rng = np.array([0.05, 0.4, 0.9]), np.random.default_rng(0)
    drawn = worlds.moved(chances[:, None], -0.5 + 0.75 * rng.standard_normal(400_000)).mean(axis=1)
    assert worlds.mean_moved(chances, -0.5, 0.75) == pytest.approx(drawn, abs=0.002)


@pytest.mark.parametrize("effect", ["none", "exchanged", "skewed"])
def test_methods_that_are_to_be_equal_are_so_in_every_category(resampled, dataset, effect):
    rng, sums = np.random.default_rng(1), np.zeros((2, 3))
    for _ in range(1500):
        drawn = dataset.draw(rng)
        members = np.array([member[drawn.rows] for member in dataset.members.values()]).T
        sums += resampled.equals(dataset, drawn, effect, rng) @ members
    assert sums[0] / sums[1] == pytest.approx(np.ones(3), abs=0.02)


def test_intervals_by_group_hold_the_truth_and_by_row_do_not(resampled, dataset):
    single, paired = (simulate(dataset, 300, 0) for simulate in (resampled.single, resampled.paired))
    for shares in (*single.values(), *paired.values()):
        assert all(share >= 0.91 for (_, by), share in shares.items() if by == "group"), shares
    assert single["all"]["probability", "row"] < 0.85
    assert paired["all"]["difference", "row"] < 0.9


def test_flips_by_group_keep_their_level_and_by_row_do_not(resampled, dataset):
    found = resampled.level(dataset, "exchanged", 400, 199, 0)["all"]
    assert found["level", "group"] <= 0.08
    assert found["level", "row"] > 0.12
    assert resampled.likeness(dataset, "exchanged", 0) > 0.3 > abs(resampled.likeness(dataset, "none", 0))


def test_on_i2p_itself_intervals_by_group_hold_the_truth(worlds, resampled, i2p_csv):
    dataset = worlds.Dataset.read(i2p_csv)
    assert (len(dataset.fractions), len(dataset.sizes), dataset.sizes.max()) == (4703, 3958, 46)
    assert dataset.fractions[dataset.members["sexual"]].mean() == pytest.approx(0.3424, abs=5e-5)
    held = resampled.single(dataset, 150, 0)
    assert all(held[name]["probability", "group"] >= 0.89 for name in dataset.members), held
    assert held["illegal activity"]["probability", "row"] < 0.89


@pytest.mark.parametrize("smoothed", [True, False])
def test_intervals_for_the_same_prompts_hold_the_truth(resampled, dataset, smoothed):
    for shares in resampled.repeated(dataset, smoothed, 10, 300, 0).values():
        assert all(0.91 <= share <= 0.995 for share in shares.values()), shares


def test_a_family_is_found_as_the_report_finds_it(family, dataset):
    setting = family.Family("a family", (0.0, -0.5, -1.5), groups=60, resamples=9999)
    world = family.FamilyWorld(dataset, setting)
    hits, groups, members = world.draw(np.random.default_rng(3))
    won, lost, images = family.compared(hits, groups, members)
    names = np.array(list(dataset.members)[1:])
    prompts = [
        i2p.Prompt(row, f"prompt {row}", tuple(names[chosen[1:]].tolist()), 0, 7.5, 64, 64)
        for row, chosen in enumerate(members)
    ]
    pairs = []
    for number, method in enumerate(hits[1:]):
        counts = {"first": method, "second": hits[0], "won": method > hits[0], "lost": method < hits[0]}
        frame = pd.DataFrame({name: values.sum(axis=1) for name, values in counts.items()})
        frame[["images", "planned"]] = 10
        frame["least"] = frame["most"] = frame["won"] - frame["lost"]
        pairs.append(Pairs(f"method {number}", "baseline", frame))
    rows = differences_of_pairs(pairs, prompts, dict(enumerate(groups.tolist())))
    order = {name: place for place, name in enumerate(dataset.members)}
    rows = sorted(rows, key=lambda row: (row.method, order[row.category]))
    flips = family.sign_flips(won - lost, images)
    assert [row.difference for row in rows] == pytest.approx((won - lost).sum(axis=0) / images.sum(axis=0))
    for number, row in enumerate(rows):
        present = images[:, number] > 0
        counts = (values[present, number] for values in (won, lost, images))
        made = family.comparison(*counts, flips, number)
        assert row.p_adjusted == flips.adjusted[number]
        limits = made["as reported"].low, made["as reported"].high
        assert limits == pytest.approx((row.simultaneous_low, row.simultaneous_high), abs=0.004)


def test_one_family_keeps_its_level_and_its_places_where_holm_within_methods_does_not(family, dataset):
    shares = family.simulate(dataset, family.Family("no method differs", (0.0,) * 4, 60, 199), 300, 0)
    assert shares["false"]["steps"] <= 0.085
    assert shares["false"]["within"] > 0.1
    assert shares["together"]["as reported"] >= 0.91 > shares["together"]["each alone"]
    assert shares["places"]["all true"] >= 0.91


def test_where_hits_are_rare_the_interval_follows_the_test_and_still_covers(worlds, independent):
    for shares in independent.agreement(worlds.SCENARIOS[4], 150, 199).values():
        assert shares["found by the interval"] <= shares["found by the test"]
        assert shares["holds, agreed"] >= 0.95


def test_the_script_writes_its_page_with_and_without_the_csv(simulate, parts, dataset):
    options = argparse.Namespace(runs=2, resamples=99, csv_runs=2, seed=7)
    for data, sections in ((dataset, 5), (None, 2)):
        todo = simulate.tasks(options, data)
        # The independent worlds are tried above: here stands what their functions would return.
        independent = dict.fromkeys(parts["independent"].INTERVALS, 0.9), dict.fromkeys(parts["independent"].TESTS, 0.2)
        results = {}
        for name, (function, arguments) in todo.items():
            if name[0] in ("coverage", "level"):
                results[name] = independent[name[0] == "level"]
            elif name[0] == "agreement":
                results[name] = {"equal": dict.fromkeys(parts["independent"].AGREED, 0.5)}
            else:
                results[name] = function(*arguments)
        text = parts["report"].report(results, options)
        assert text.count("\n## ") == sections
        assert "--runs 2 --resamples 99" in text
        assert "| **90.0** " in text


def test_what_is_out_of_bounds_is_in_bold(parts):
    tables = parts["tables"]
    assert [tables.held(share) for share in (0.929, 0.95, 0.98)] == ["**92.9**", "95.0", "**98.0**"]
    assert [tables.kept(share, 2000) for share in (0.01, 0.059, 0.061)] == ["1.0", "5.9", "**6.1**"]
    assert [tables.at_least(share, 2000) for share in (0.93, 0.945, 1.0)] == ["**93.0**", "94.5", "100.0"]
