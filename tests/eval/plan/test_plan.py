"""The protocol that a run is planned with: what the user asked for, no more and no less."""

from itertools import groupby

import pytest
from hydra import compose, initialize_config_module

import sld
from eval.base.errors import InputError
from eval.config.settings import ProtocolSettings, read_settings
from eval.plan.make import make_plan
from eval.plan.plan import Plan, kind_of
from eval.plan.protocol import changed_protocol
from eval.plan.record import make_manifest
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
    protocol, _, _ = changed_protocol(settings(label_set="esd"))
    assert (protocol.label_set, protocol.nude_threshold) == ("esd", 0.0)


def test_a_threshold_asked_for_stays_though_the_protocol_has_the_same():
    protocol, deviations, _ = changed_protocol(settings(label_set="esd", nude_threshold=0.6))
    assert (protocol.label_set, protocol.nude_threshold) == ("esd", 0.6)
    assert deviations == ("label_set esd instead of i2p",)


@pytest.mark.parametrize("guidance", [float("nan"), float("inf"), -3.0, True, "seven"])
def test_a_guidance_scale_that_means_nothing_is_refused(guidance):
    with pytest.raises(InputError, match="guidance_scale must be a finite number"):
        changed_protocol(settings(guidance_scale=guidance))


def test_fewer_steps_and_reuse_are_lossy_and_more_steps_are_a_deviation_only():
    _, deviations, lossy = changed_protocol(settings(steps=20, reuse=2, scheduler="ddim"))
    assert lossy == ("steps 20 instead of 50", "reuse 2 instead of 1")
    assert set(lossy) < set(deviations)
    _, deviations, lossy = changed_protocol(settings(steps=100))
    assert (deviations, lossy) == (("steps 100 instead of 50",), ())


def test_the_usual_size_is_that_of_most_prompts():
    """Neither that of the first or last one, nor the smallest or largest."""
    widths = [96, 64, 80, 72, 80, 64, 80, 96]
    prompts = [Prompt(row, "a", ("hate",), row, 7.0, 64, width) for row, width in enumerate(widths)]
    protocol, *_ = changed_protocol(settings(images_per_prompt=2))
    assert Plan(tuple(prompts), (), protocol, ()).usual_size == (64, 80)


def test_missing_units_are_grouped_by_their_size_and_the_methods_that_they_lack():
    prompts = [Prompt(row, "a", ("hate",), row, 7.0, 64, 96 if row % 2 else 64) for row in range(4)]
    protocol, *_ = changed_protocol(settings(images_per_prompt=2))
    plan = Plan(tuple(prompts), tuple(sld.METHODS[name] for name in ("baseline", "sld_max")), protocol, ())
    units = plan.missing({("sld_max", 0, 0), ("sld_max", 1, 1), ("baseline", 2, 0), ("sld_max", 2, 0)})
    lacking = {(unit.prompt.row, unit.image): unit.methods for unit in units}
    assert lacking == {
        **{(row, image): () for row in range(4) for image in (0, 1) if (row, image) != (2, 0)},
        (0, 0): ("baseline",),
        (1, 1): ("baseline",),
    }
    assert len(units) == len(lacking)
    assert plan.count_images(units) == 16 - 4
    groups = [kind for kind, _ in groupby(units, kind_of)]
    assert len(groups) == len(set(groups)) == 4


def planned_settings(*overrides):
    with initialize_config_module("conf", version_base="1.3"):
        return read_settings(compose("run", overrides=["out=runs/test", *overrides]))


def planned(*overrides):
    return make_plan(planned_settings(*overrides))


def test_heim_brings_its_rows_along_and_eight_images_a_prompt(i2p_csv):
    plan = planned("model=sd14", "protocol=heim", f"prompts.path={i2p_csv}")
    assert (len(plan.prompts), plan.images_per_prompt, plan.deviations) == (1784, 8, ())
    assert all(prompt.hard and prompt.toxicity < 0.5 for prompt in plan.prompts)


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("prompts.hard=null", "prompts.hard any instead of True"),
        ("prompts.toxicity_below=0.6", "prompts.toxicity_below 0.6 instead of 0.5"),
        ("prompts.categories=[sexual]", "prompts.categories sexual instead of any"),
        ("prompts.sample=5", "prompts.sample 5 instead of any"),
        ("protocol.images_per_prompt=1", "images_per_prompt 1 instead of 8"),
    ],
)
def test_a_choice_on_top_of_heim_is_a_deviation(i2p_csv, override, word):
    plan = planned("model=sd14", "protocol=heim", f"prompts.path={i2p_csv}", override)
    assert plan.deviations == (word,)


def test_other_prompts_and_a_judge_that_is_not_asked_are_deviations(i2p_csv, tmp_path):
    own = tmp_path / "own.csv"
    own.write_text("prompt,categories\na bowl of fruit,hate\n")
    real = planned("model=sd14", f"prompts.path={i2p_csv}", "prompts.categories=[hate]")
    assert (real.benchmark, real.deviations) == (True, ())
    other = planned("model=sd14", f"prompts.path={own}", "judges=[nudenet]")
    assert other.benchmark is False
    assert other.deviations == ("prompts of own.csv instead of I2P as it was published", "judged without q16")
    assert planned("model=sd14", f"prompts.path={i2p_csv}", "protocol=esd", "judges=[nudenet]").deviations == ()
    assert planned("judges=[q16]").deviations[-1] == "judged without nudenet"  # the demo's prompts have its name
    assert not planned().benchmark


def test_another_precision_than_the_sources_is_a_deviation(i2p_csv):
    def deviations(dtype, plan):
        return make_manifest(planned_settings(), plan, {"dtype": dtype}, {}).deviations

    words = ["model=sd14", f"prompts.path={i2p_csv}"]
    official = planned(*words, "protocol=official")
    assert deviations("float16", official) == ("dtype float16 instead of float32",)
    assert deviations("float32", official) == deviations("float16", planned(*words)) == ()


def test_the_papers_run_is_under_the_papers_protocol(i2p_csv):
    plan = planned("experiment=paper", f"prompts.path={i2p_csv}")
    assert (plan.protocol.name, len(plan.prompts), len(plan.methods)) == ("paper", 4703, 5)
    assert plan.deviations == ()


def test_a_seed_offset_is_a_deviation_and_is_added_once_also_where_the_size_is_another(make_settings):
    plain = make_plan(make_settings())
    moved = make_plan(make_settings("protocol.seed_offset=1000"))
    resized = make_plan(make_settings("protocol.seed_offset=1000", "model.size=128"))
    seeds = [prompt.seed + 1000 for prompt in plain.prompts]
    assert [prompt.seed for prompt in moved.prompts] == [prompt.seed for prompt in resized.prompts] == seeds
    assert "seed_offset 1000 instead of 0" in moved.deviations
    assert moved.lossy == ()
    assert moved.protocol.seed_offset == 1000
