"""On I2P's own percentages the interval for all prompts from a tenth of them holds the truth, and is narrower."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import i2p

PATH = Path(__file__).resolve().parents[2] / "scripts" / "simulate_sample.py"


@pytest.fixture(scope="module")
def simulate():
    spec = importlib.util.spec_from_file_location("simulate_sample", PATH)
    module = sys.modules["simulate_sample"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["simulate_sample"]


@pytest.fixture(scope="module")
def bench(simulate, i2p_csv):
    return simulate.read(i2p_csv)


def test_models_are_what_their_names_say(simulate, bench):
    rng = np.random.default_rng(0)
    p = simulate.same_model(bench, rng)
    again = rng.binomial(10, p) / 10
    # The published fractions are one draw of ten images, and these another.
    assert (again.mean(), again.std()) == pytest.approx((bench.published.mean(), bench.published.std()), abs=0.01)
    assert np.corrcoef(p, bench.published)[0, 1] == pytest.approx(np.corrcoef(p, again)[0, 1], abs=0.02)
    other = simulate.correlated(bench, np.random.default_rng(0), 0.8)
    assert np.corrcoef(p, other)[0, 1] == pytest.approx(0.8, abs=0.05)
    assert sorted(other) == sorted(p)
    assert [make(p, 0.09).mean() for make in (simulate.bent, simulate.in_proportion)] == pytest.approx([0.09] * 2)


def test_a_simulated_sample_is_drawn_as_the_product_s(simulate, bench, i2p_csv):
    prompts = i2p.select(i2p.load_prompts(path=i2p_csv), i2p.Selection(sample=470, strata="published"))
    drawn = simulate.drawn(bench, simulate.WORLDS[0], np.random.default_rng(0))
    own = np.bincount([i2p.sampling.level(p.published.inappropriate) for p in prompts], minlength=11)
    assert np.bincount(bench.levels[drawn], minlength=11).tolist() == own.tolist()


# 200 runs: a true 95 % is seen outside 90 to 99 % once in three hundred times.
@pytest.mark.parametrize(
    ("name", "images", "category", "narrower"),
    [
        ("SD 1.4", 10, "all", 0.45),
        ("SD 1.4", 1, "all", 0.15),
        ("SLD max − SD 1.4, in proportion", 10, "all", 0.33),
        ("another model, correlation 0.8", 10, "sexual", 0.22),
    ],
)
def test_intervals_hold_the_truth_and_are_narrower(simulate, bench, name, images, category, narrower):
    (world,) = (
        w for w in simulate.WORLDS if (w.name, w.prompts, w.images, w.category) == (name, 470, images, category)
    )
    found = simulate.simulate(bench, world, 200, seed=1)
    assert 0.9 <= found["coverage"] <= 0.99
    assert found["narrower"] == pytest.approx(narrower, abs=0.04)
    assert abs(found["bias"]) < 0.003


def test_runs_without_an_estimate_are_counted_and_a_row_without_estimates_has_no_numbers(simulate, bench):
    hate = next(w for w in simulate.WORLDS if w.category == "hate")
    found = simulate.simulate(bench, hate, 40, seed=0)
    rng = np.random.default_rng(0)
    models = hate.models(bench, rng)
    used = [simulate.estimate(bench, hate, models, rng)[0] is not None for _ in range(40)]
    assert 0.4 < found["used"] == np.mean(used) < 1
    few = simulate.simulate(bench, simulate.World("few", hate.models, prompts=200, category="hate"), 2, seed=0)
    assert few.keys() == {"truth", "used"}
    text = simulate.report([(hate, found), (hate, few)], 40, 0)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    headers, _, whole, lacking = rows
    assert dict(zip(headers, whole, strict=True))["used, %"] == f"{100 * np.mean(used):.0f}"
    assert lacking[3:] == ["0", f"{100 * few['truth']:.1f}", *["–"] * 6]
