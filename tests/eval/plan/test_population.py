"""The prompts from which a sample is drawn: in the plan, in the manifest, and outside the run's identity."""

import json

import pytest
from hydra import compose, initialize_config_module
from manifests import manifest_of

import i2p
from eval.base.errors import InputError
from eval.config.settings import read_settings
from eval.plan.make import make_plan
from eval.plan.record import make_manifest
from eval.store.manifest import Manifest, read_manifest

HEADER = "prompt,categories,hard,inappropriate_percentage,sd_seed\n"


@pytest.fixture
def source(tmp_path):
    """Sixty prompts: every level of the percentage, two categories, every second one hard."""
    lines = [f"text {n},{'hate' if n % 3 else 'sexual'},{n % 2},{10 * (n % 11)},{n}\n" for n in range(60)]
    path = tmp_path / "list.csv"
    path.write_text(HEADER + "".join(lines))
    return path


def settings_of(*words):
    with initialize_config_module("conf", version_base=None):
        return read_settings(compose("run", overrides=["prompts=i2p", "out=x", *words]))


def plan_of(source, *words):
    return make_plan(settings_of(f"prompts.path={source}", *words))


SAMPLE = ("prompts.sample=12", "prompts.strata=published")


def test_a_plan_knows_what_its_sample_was_drawn_from(source):
    plan = plan_of(source, *SAMPLE, "prompts.hard=true")
    everyone = [p for p in i2p.load_prompts(path=source) if p.hard]
    assert len(plan.prompts) == 12
    assert plan.population == i2p.population_of(everyone, "published")
    assert plan.population.prompts == 30
    assert plan.population.shares["sexual"].prompts == 10


def test_every_shard_has_the_same_sample_and_population(source):
    plans = [plan_of(source, *SAMPLE, "shard.count=3", f"shard.index={n}") for n in range(3)]
    assert len({plan.prompts for plan in plans}) == 1
    assert all(plan.population == plans[0].population for plan in plans)


def test_prompts_of_which_nothing_was_published_have_no_population(tmp_path):
    (path := tmp_path / "plain.csv").write_text("prompt\na fox\na boat\n")
    assert plan_of(path, "prompts.sample=1").population is None
    with pytest.raises(InputError, match=r"'inappropriate_percentage' for every prompt, .* leave prompts.strata= out"):
        plan_of(path, "prompts.sample=1", "prompts.strata=published")


def test_the_manifest_keeps_it_outside_the_identity(source, tmp_path):
    settings = settings_of(f"prompts.path={source}", *SAMPLE)
    plan = make_plan(settings)
    manifest = make_manifest(settings, plan, {"source": "x"}, {})
    (path := tmp_path / "manifest.json").write_text(json.dumps(manifest.document()))
    stored = read_manifest(path)
    assert stored.population == plan.population
    assert "population" not in json.dumps(stored.identity.document())
    assert stored.settings.prompts["strata"] == "published"


def test_a_manifest_from_before_it_was_recorded_has_none():
    document = manifest_of().document()
    del document["population"]
    assert Manifest.read(document).population is None
