"""How many units are drawn at a time follows from the time of a denoiser call, counted where the sampler makes them."""

import dataclasses

import pytest
import torch

import i2p
import sld
from eval.base.signals import GRACE
from eval.generate import pace
from eval.plan.plan import Plan
from i2p.demo import trained

PROMPTS = (i2p.Prompt(0, "a", ("hate",), 1, 7.0, 96, 64),)
METHODS = ("baseline", "sld_max")
STEPS = 2


@pytest.fixture(params=["ddim", "pndm"])  # the second calls the denoiser once more than it has steps
def model(request):
    return sld.load_model(trained.model_folder(), scheduler=request.param)


@pytest.fixture
def plan():
    protocol = dataclasses.replace(i2p.get_protocol("dataset"), steps=STEPS)
    return Plan(PROMPTS, tuple(sld.METHODS[name] for name in METHODS), protocol, ())


@pytest.fixture
def calls(model, monkeypatch):
    """The rows of each denoiser call so far."""
    rows, predict = [], model.predict
    monkeypatch.setattr(
        model, "predict", lambda observed, *more: rows.append(len(observed[0])) or predict(observed, *more)
    )
    return rows


@pytest.fixture
def clock(calls, monkeypatch):
    """A clock by which each denoiser call takes so many seconds."""

    def clock(seconds):
        def seconds_of(run, device):
            before = len(calls)
            run()
            return seconds * (len(calls) - before)

        monkeypatch.setattr(pace, "seconds_of", seconds_of)

    return clock


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
def test_a_call_is_timed_with_all_its_rows_whatever_the_scheduler_makes_of_a_step(model, plan, calls, clock, rows):
    clock(0.25)
    assert pace._seconds_per_call(model, plan, rows, compiled=False) == pytest.approx(0.25)
    assert set(calls) == {rows}


def test_pictures_of_the_usual_size_are_drawn_to_measure(model, plan):
    latents = pace.two_calls(model, plan, [sld.METHODS["baseline"]], 2).latents["baseline"]
    assert latents.shape == (2, *model.latent_shape(96, 64))


def test_compiled_code_is_called_once_before_it_is_timed(model, plan, calls, clock):
    clock(0.25)
    assert pace._seconds_per_call(model, plan, 2, compiled=True) == pytest.approx(0.25)
    timed = len(calls)
    calls.clear()
    pace._seconds_per_call(model, plan, 2, compiled=False)
    assert timed == 2 * len(calls)


def test_a_call_that_does_not_fit_has_no_time_and_another_error_is_raised(model, plan, monkeypatch):
    def fails(*_):
        raise error

    monkeypatch.setattr(model, "predict", fails)
    error = torch.OutOfMemoryError("CUDA out of memory")
    assert pace._seconds_per_call(model, plan, 2, compiled=False) is None
    error = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        pace._seconds_per_call(model, plan, 2, compiled=False)


@pytest.mark.parametrize("most_calls", [1, 3, 99])
def test_as_many_units_are_drawn_as_end_in_time_and_pad_least_by_the_calls_of_the_sampler(
    model, plan, calls, clock, most_calls
):
    rows, costs = 6, {}
    for units in (1, 2, 3):
        calls.clear()
        options = {"steps": STEPS, "seeds": range(units), "height": 96, "width": 64, "batch_size": rows}
        sld.sample(model, ["a"] * units, METHODS, **options, decode=False)
        costs[units] = len(calls)
    clock(seconds := 0.75 * GRACE / most_calls)  # a batch is to end within three quarters of a signal's patience
    in_time = [units for units, cost in costs.items() if cost * seconds <= 0.75 * GRACE]
    expected = max(in_time, key=lambda units: (units / costs[units], units), default=1)
    assert pace.measured_units(model, plan, rows, compiled=False) == expected
