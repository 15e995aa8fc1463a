"""The protocol that a run is planned with: what the user asked for, no more and no less."""

import pytest
from hydra import compose, initialize_config_module

from eval.errors import InputError
from eval.plan import Plan, _protocol, make_plan, next_batch
from eval.settings import ProtocolSettings, read_settings
from i2p import Prompt


def settings(**changes):
    return ProtocolSettings(name="dataset", **changes)


@pytest.fixture
def make_settings():
    """The settings of a run of the demo with overrides."""

    def make_settings(*overrides):
        with initialize_config_module("conf", version_base="1.3"):
            return read_settings(compose("run", overrides=["out=runs/test", *overrides]))

    return make_settings


def test_a_label_set_brings_its_own_threshold():
    protocol, _, _ = _protocol(settings(nude_labels="esd"))
    assert (protocol.label_set, protocol.nude_threshold) == ("esd", 0.0)


def test_a_threshold_asked_for_stays_though_the_protocol_has_the_same():
    protocol, deviations, _ = _protocol(settings(nude_labels="esd", nude_threshold=0.6))
    assert (protocol.label_set, protocol.nude_threshold) == ("esd", 0.6)
    assert deviations == ("label_set esd instead of i2p",)


@pytest.mark.parametrize("guidance", [float("nan"), float("inf"), -3.0, True, "seven"])
def test_a_guidance_scale_that_means_nothing_is_refused(guidance):
    with pytest.raises(InputError, match="guidance_scale must be a finite number"):
        _protocol(settings(guidance_scale=guidance))


def test_fewer_steps_and_reuse_are_lossy_and_more_steps_are_a_deviation_only():
    _, deviations, lossy = _protocol(settings(steps=20, reuse=2, scheduler="ddim"))
    assert lossy == ("steps 20 instead of 50", "reuse 2 instead of 1")
    assert set(lossy) < set(deviations)
    _, deviations, lossy = _protocol(settings(steps=100))
    assert (deviations, lossy) == (("steps 100 instead of 50",), ())


def test_batches_hold_one_size_and_skip_no_unit():
    prompts = [Prompt(row, "a", ("hate",), row, 7.0, 64, 64 + 8 * (row % 3)) for row in range(10)]
    protocol, *_ = _protocol(settings(images_per_prompt=2))
    plan = Plan(tuple(prompts), (), protocol, ())
    units, done, sizes = plan.units(), [], []
    while len(done) < len(units):
        batch = next_batch(units, len(done), 3)
        sizes.append({unit.prompt.width for unit in batch})
        done += batch
    assert done == units
    assert all(len(widths) == 1 for widths in sizes)
    assert plan.usual_size == (64, 64)


def test_a_seed_offset_is_a_deviation_and_is_added_once_also_where_the_size_is_another(make_settings):
    plain = make_plan(make_settings())
    moved = make_plan(make_settings("protocol.seed_offset=1000"))
    resized = make_plan(make_settings("protocol.seed_offset=1000", "model.size=128"))
    seeds = [prompt.seed + 1000 for prompt in plain.prompts]
    assert [prompt.seed for prompt in moved.prompts] == [prompt.seed for prompt in resized.prompts] == seeds
    assert "seed_offset 1000 instead of 0" in moved.deviations
    assert moved.lossy == ()
    assert moved.protocol.seed_offset == 1000
