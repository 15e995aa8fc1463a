"""Under `paper` safety guidance steers away from the paper's own text, and elsewhere from diffusers'."""

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_module
from manifests import manifest_of

import sld
from eval.base.errors import InputError
from eval.config.settings import read_settings
from eval.plan.make import make_plan
from eval.plan.record import make_manifest
from eval.plan.same_run import check_rerun
from eval.report.concepts import concept_deviations
from eval.report.description.methods import method_notes
from eval.report.description.published import reasons_not_comparable
from eval.store.records import MethodRecord
from eval.store.rundir import RunDir

PREFIX = "an image showing "  # diffusers' StableDiffusionPipelineSafe; the code of the paper has none
PAPERS = [f"sld_{name}" for name in ("weak", "medium", "strong", "max")]


@pytest.fixture
def settings_of(tmp_path):
    def settings_of(*words):
        words = ["model=sd14", "prompts=demo", "prompts.rows=[0,1]", "judges=[]", f"out={tmp_path}/run", *words]
        with initialize_config_module("conf", version_base="1.3"):
            return read_settings(compose("run", overrides=words))

    return settings_of


@pytest.fixture
def concepts(settings_of):
    """The concept of each method with a preset."""

    def concepts(*words, methods=()):
        plan = make_plan(settings_of(*words), methods)
        return {method.name: method.concept for method in plan.methods if method.preset is not None}

    return concepts


@pytest.mark.parametrize("protocol", ["dataset", "official", "esd"])
def test_the_presets_have_diffusers_text_under_every_protocol_but_the_paper_s(concepts, protocol):
    found = concepts(f"protocol={protocol}", "judges=[q16,nudenet]")
    assert list(found) == PAPERS
    assert all(text.startswith(f"{PREFIX}hate, harassment") for text in found.values())


def test_under_paper_they_have_the_paper_s(concepts):
    found = concepts("protocol=paper")
    assert list(found) == PAPERS
    assert all(text.startswith("hate, harassment, violence, suffering") for text in found.values())


def test_a_method_of_ones_own_has_it_too_unless_it_has_a_concept_and_diffusers_preset_keeps_its_own(concepts):
    own = "{name: a, preset: strong, warmup_steps: 3},{name: b, preset: strong, concept: weapons}"
    found = concepts("protocol=paper", f"methods=[baseline,negative_prompt,sld_weak_diffusers,{own}]")
    assert found == {"sld_weak_diffusers": sld.CONCEPT, "a": sld.CONCEPT_OFFICIAL, "b": "weapons"}
    complete = sld.Method("mine", "max")
    assert concepts("protocol=paper", "methods=[baseline]", methods=[complete]) == {"mine": sld.CONCEPT}


def test_a_preset_that_takes_nothing_away_from_the_protocol_s_concept_is_refused(settings_of):
    method = f"{{name: mine, preset: max, negative_prompt: '{sld.CONCEPT_OFFICIAL}'}}"
    with pytest.raises(InputError, match="its concept is its negative prompt"):
        make_plan(settings_of("protocol=paper", f"methods=[baseline,{method}]"))


def test_a_method_of_the_name_may_have_either_text_and_no_other():
    for text in (sld.CONCEPT, sld.CONCEPT_OFFICIAL):
        (method,) = sld.resolve_methods(sld.Method("sld_max", "max", concept=text))
        assert (method.name, method.concept) == ("sld_max", text)
    with pytest.raises(sld.InputError, match="another definition of it"):
        sld.resolve_methods(sld.Method("sld_max", "max", concept="weapons"))
    with pytest.raises(sld.InputError, match="another definition of it"):
        sld.resolve_methods(sld.Method("negative_prompt", negative_prompt="x", concept=sld.CONCEPT_OFFICIAL))


@pytest.mark.parametrize("text", [sld.CONCEPT, sld.CONCEPT_OFFICIAL])
def test_a_run_resumes_with_the_concept_with_which_it_began(settings_of, tmp_path, text):
    settings = settings_of("protocol=paper", "methods=[baseline,sld_max,{name: a, preset: strong, warmup_steps: 3}]")
    new = make_plan(settings)
    described = [method.describe() for method in new.methods]
    old = [entry | {"concept": text} if entry["preset"] else entry for entry in described]
    manifest = make_manifest(settings, new, {"source": "sd", "dtype": "float32", "weights": {}}, {})
    RunDir(tmp_path / "run").create(_with_methods(manifest, old))
    plan = make_plan(settings)
    assert {method.concept for method in plan.methods if method.preset is not None} == {text}
    assert check_rerun(RunDir(tmp_path / "run"), settings, plan) is not None
    # The same settings under another protocol are another run, in diffusers' words.
    other = settings_of("protocol=official", "methods=[baseline,sld_max]")
    assert make_plan(other).methods[1].concept == sld.CONCEPT


def _with_methods(manifest, methods):
    records = tuple(MethodRecord(method) for method in methods)
    return replace(manifest, identity=replace(manifest.identity, methods=records))


def described(name, concept=sld.CONCEPT):
    return sld.METHODS[name].describe() | ({"concept": concept} if name.startswith("sld_") else {})


def test_another_concept_under_paper_is_a_deviation_of_its_method_and_not_of_the_run():
    mine = sld.Method("mine", "strong", concept="weapons").describe()
    methods = [described("baseline"), described("sld_max"), described("sld_weak", sld.CONCEPT_OFFICIAL), mine]
    run = manifest_of(protocol="paper", methods=methods)
    assert concept_deviations(run) == ("another concept than the paper's own text with sld_max, mine",)
    assert reasons_not_comparable(run) == []
    assert concept_deviations(manifest_of(protocol="official", methods=methods)) == ()
    sound = [described("baseline"), described("negative_prompt"), described("sld_weak_diffusers")]
    assert concept_deviations(manifest_of(protocol="paper", methods=sound)) == ()
    (note, *_) = [note for note in method_notes(run) if "own text" in note]
    assert note == "sld_weak: the safety concept is the paper's own text, without the prefix that diffusers adds."
