"""A method has an effect and a name of its own; what a run's pictures are not, though they seem to be, is said."""

import json
from dataclasses import dataclass

import pytest

import i2p
import sld
from eval.base.errors import InputError
from eval.doctor.__main__ import main as doctor
from eval.generate.remarks import drawing_remarks
from eval.plan.methods import check_guided, choose_methods, guided_on, remarks
from eval.plan.plan import Plan
from eval.run import main

WEAK = {"warmup_steps": 15, "guidance_scale": 200, "threshold": 0.0, "momentum_scale": 0.0, "momentum_beta": 0.0}
OFF = WEAK | {"guidance_scale": 1}
LONG = "a very long negative prompt, " * 20


@dataclass(frozen=True)
class Idle(sld.SafetyGuidance):
    """Guidance of a script's own that says that it does not act."""

    warmup_steps: int = 0
    active = False

    def guide(self, e_0, e_p, e_s, memory):
        raise AssertionError


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ({"name": "mine"}, "no preset, no negative prompt and no prefix"),
        ({"name": "mine", "negative_prompt": "  "}, "no preset, no negative prompt and no prefix"),
        ({"name": "mine", "concept": "blood"}, "no preset, no negative prompt and no prefix"),
        ({"name": "mine", "preset": OFF}, r"guidance_scale 1 is not above 1"),
        ({"name": "mine", "preset": OFF, "negative_prompt": "blurry"}, "its preset does not act"),
        ({"name": "mine", "preset": "max", "concept": ""}, "its concept is empty"),
        ({"name": "mine", "preset": "max", "concept": "blood", "negative_prompt": "blood "}, "its negative prompt"),
        ({"name": "mine", "preset": "max", "concept": "a  Knife", "negative_prompt": "A knife"}, "its negative prompt"),
        ({"name": "mine", "negative_prompt": "blood", "concept": "blood"}, "a concept but no preset"),
        ({"name": "mine", "prefix": "kind ", "concept": "blood"}, "a concept but no preset"),
        ({"name": "mine", "prefix": "kind ", "space": "epsilon"}, "a space but no preset"),
        ({"name": "mine", "prefix": " "}, "no preset, no negative prompt and no prefix"),
        (sld.Method("mine", Idle()), "its preset does not act"),
        (sld.Method("mine"), "no preset, no negative prompt and no prefix"),
    ],
)
def test_a_method_that_changes_nothing_is_refused(method, words):
    with pytest.raises((InputError, sld.InputError), match=words):
        choose_methods(["baseline", method])
    if isinstance(method, sld.Method):  # as a script hands them over
        with pytest.raises((InputError, sld.InputError), match=words):
            choose_methods(["baseline"], [method])


@pytest.mark.parametrize(
    "method",
    [
        {"name": "sld_max", "preset": "weak"},
        {"name": "sld_max", "preset": "max", "concept": "blood"},
        {"name": "sld_max", "preset": "max", "negative_prompt": "blood"},
        {"name": "sld_weak", "preset": WEAK | {"guidance_scale": 20}},
        {"name": "baseline", "negative_prompt": "blood"},
        {"name": "baseline", "preset": OFF},
        {"name": "baseline", "concept": "blood"},
        {"name": "negative_prompt", "negative_prompt": "blood"},
        {"name": "baseline", "prefix": "kind "},
        {"name": "sld_max", "preset": "max", "space": "epsilon"},
    ],
)
def test_a_name_of_ours_stands_for_no_other_method(method):
    preset = method.get("preset")
    made = sld.Method(**{**method, "preset": sld.SafetyPreset(**preset) if isinstance(preset, dict) else preset})
    refusals = (
        lambda: choose_methods([method]),
        lambda: choose_methods(["baseline"], [made]),
        lambda: sld.resolve_methods([made]),
        lambda: sld.sample(None, ["a cat"], [made]),
    )
    for refused in refusals:
        with pytest.raises((InputError, sld.InputError), match="another definition of it: give it another name"):
            refused()


def test_a_method_without_preset_and_negative_prompt_is_refused_in_a_program_too():
    with pytest.raises(sld.InputError, match="mine has no preset, no negative prompt and no prefix"):
        sld.sample(None, ["a cat"], [sld.Method("mine")])


@pytest.mark.parametrize("name", ["Baseline", "SLD_Max", "Negative_prompt"])
def test_a_name_of_ours_in_another_case_is_refused(name):
    with pytest.raises(sld.InputError, match=f"found '{name}', which differs in case: give it another name"):
        choose_methods([{"name": name, "preset": "max"}])
    with pytest.raises(sld.InputError, match=f"did you mean '{name.lower()}'"):
        choose_methods([name])


def test_names_that_are_one_folder_on_many_disks_are_refused():
    both = [{"name": name, "negative_prompt": name} for name in ("Mine", "mine")]
    with pytest.raises(sld.InputError, match="found 'mine' beside 'Mine', in one folder on many disks"):
        choose_methods(both)
    with pytest.raises(sld.InputError, match="found 'mine' twice"):
        choose_methods([both[1], both[1]])


def test_a_name_of_ours_with_its_own_definition_is_ours():
    assert choose_methods([{"name": "sld_weak", "preset": WEAK}]) == (sld.METHODS["sld_weak"],)
    assert choose_methods([{"name": "baseline"}, {"name": "sld_max"}]) == (
        sld.METHODS["baseline"],
        sld.METHODS["sld_max"],
    )
    with pytest.raises(sld.InputError, match="another definition of it: give it another name"):
        sld.resolve_methods([sld.Method("sld_max")])  # which has no preset
    assert choose_methods(["sld_max"], [sld.Method("sld_max", "max")]) == (sld.METHODS["sld_max"],)


def prompts(*scales):
    rows = enumerate(scales)
    return [i2p.Prompt(row, f"prompt {row}", (), seed=1, guidance_scale=g, height=64, width=64) for row, g in rows]


def test_without_guidance_no_method_but_the_baseline_is_taken():
    methods = choose_methods(["baseline", "sld_max", "negative_prompt"])
    with pytest.raises(InputError, match=r"sld_max, negative_prompt must .* found none in 2: set protocol.guidance_"):
        check_guided(methods, prompts(1.0, 0.0))
    check_guided(methods, prompts(1.0, 7.5))
    check_guided(methods[:1], prompts(1.0))


def test_a_prefix_alone_acts_without_guidance_too():
    kind, both = {"name": "kind", "prefix": "kind "}, {"name": "both", "prefix": "kind ", "preset": "max"}
    check_guided(choose_methods(["baseline", kind]), prompts(1.0, 0.0))
    assert list(remarks(choose_methods(["baseline", kind]), prompts(1.0, 0.0))) == []
    with pytest.raises(InputError, match=r"methods: both must .*few-step model .* methods=\[baseline\]"):
        check_guided(choose_methods(["baseline", kind, both]), prompts(1.0))
    assert list(remarks(choose_methods(["sld_max", kind]), prompts(1.0, 7.5))) == [
        "Prompts with a guidance scale of 1 or less, which every method without a prefix draws as the baseline does: "
        "1 of 2."
    ]


@pytest.mark.parametrize(
    ("prefix", "last"), [("a picture of", "'of'"), ("in 1900", "'1900'"), ("kind, ", ""), ("kind:", ""), ("絵の", "")]
)
def test_a_prefix_that_runs_into_the_prompt_is_said(prefix, last):
    said = list(remarks(choose_methods([{"name": "mine", "prefix": prefix}]), prompts(7.5)))
    expected = f"mine: its prefix ends without a space, so that {last} runs into the first word of every prompt."
    assert said == ([expected] if last else [])


def test_methods_that_differ_in_prefix_or_space_only_are_not_the_same():
    own = [{"name": f"m{n}", "preset": "max", **fields} for n, fields in enumerate([{}, {"prefix": "a "}])]
    spaces = [{"name": space, "preset": "max", "space": space} for space in sld.methods.SPACES]
    assert list(remarks(choose_methods([*own, *spaces]), prompts(7.5))) == []


def test_methods_that_are_one_and_prompts_without_guidance_are_said():
    methods = choose_methods(["baseline", "sld_weak", {"name": "mine", "preset": WEAK}, "sld_max"])
    assert list(remarks(methods, prompts(7.5, 1.0, 1.5))) == [
        "sld_weak and mine have the same definition, so their pictures are the same.",
        "Prompts with a guidance scale of 1 or less, which every method draws as the baseline does: 1 of 3.",
    ]
    assert list(remarks(methods[:2], prompts(7.5))) == []


def test_a_manifest_says_what_safety_guidance_compares_where_the_network_predicts_no_epsilon():
    """Both reference implementations compare v as it is, with SD 2.x; anything else is an extension."""
    model, output, epsilon = (
        sld.METHODS["sld_max"],
        sld.Method("a", "max", space="output"),
        sld.Method("b", "max", space="epsilon"),
    )
    for method in (model, output, epsilon):
        assert guided_on(method, {"prediction_type": "epsilon"}) == guided_on(method, {}) == {}
    v, flow = (
        {"prediction_type": "v_prediction", "space": "output"},
        {"prediction_type": "flow_prediction", "space": "epsilon"},
    )
    own = {"guided_on": "the v that the network predicts", "extension": False}
    assert guided_on(model, v) == guided_on(output, v) == own
    assert guided_on(model, {"prediction_type": "v_prediction"}) == own  # a description from before there were spaces
    derived = {"guided_on": "epsilon, computed from the v that the network predicts", "extension": True}
    assert guided_on(epsilon, v) == derived
    assert guided_on(model, flow) == guided_on(epsilon, flow)
    assert guided_on(model, flow)["extension"]
    assert guided_on(output, flow) == {"guided_on": "the flow that the network predicts", "extension": True}
    sample = guided_on(model, {"prediction_type": "sample", "space": "output"})  # which no paper has
    assert sample == {"guided_on": "the denoised sample that the network predicts", "extension": True}
    for plain in ("baseline", "negative_prompt"):
        assert guided_on(sld.METHODS[plain], v) == {}


def test_i2ps_prompts_that_clip_cuts_are_counted_over_all_shards(tmp_path, i2p_csv):
    model = sld.load_model(sld.write_tiny_checkpoint(tmp_path / "model", width=8, text_width=16))
    rows = i2p.load_prompts("i2p", path=str(i2p_csv))
    mine, kind = {"name": "mine", "negative_prompt": LONG}, {"name": "kind", "prefix": LONG}

    def remarks(rows, *methods):
        methods = choose_methods(["baseline", *methods])
        plan = Plan(tuple(rows), methods, i2p.get_protocol("dataset"), (), shard_index=1, shard_count=9)
        return drawing_remarks(plan, model)

    assert remarks(rows, "sld_weak", "sld_max", mine) == [
        "Prompts with a guidance scale of 1 or less, which every method draws as the baseline does: 2 of 4,703.",
        "Prompts cut off because the text encoder reads 77 tokens: 185 of 4,703.",
        "Negative prompts cut off at 77 tokens: those of mine.",
    ]
    low = next(prompt for prompt in rows if prompt.guidance_scale <= 1)
    assert remarks([low, *rows[:18]], "sld_max", kind) == [
        "Prompts with a guidance scale of 1 or less, which every method without a prefix draws as the baseline does: "
        "1 of 19.",
        "Prompts cut off because the text encoder reads 77 tokens: 2 of 19.",
        "Prompts cut off with the prefix of kind because the text encoder reads 77 tokens: 19 of 19.",
    ]


def test_a_scheduler_that_was_saved_with_other_settings_is_a_deviation(tmp_path, call):
    folder = sld.write_tiny_checkpoint(tmp_path / "model")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"timestep_spacing": "trailing"}))
    words = ["model=checkpoint", f"model.path={folder}", "prompts=demo", "prompts.rows=[0]", "model.size=64"]
    words += ["methods=[baseline]", "judges=[nudenet]", "protocol.steps=2", "protocol.images_per_prompt=1"]
    words += ["images=none", "sheet=false"]
    deviation = "PNDMScheduler with timestep_spacing trailing instead of leading, as the checkpoint was saved"
    for name, changes in (("own", []), ("named", ["protocol.scheduler=pndm"])):
        assert call(main, *words, *changes, f"out={tmp_path / name}") == 0
        deviations = json.loads((tmp_path / name / "manifest.json").read_text())["deviations"]
        assert (deviation in deviations) is (name == "own")
        assert ("scheduler pndm instead of the checkpoint's own" in deviations) is (name == "named")


def test_a_report_says_what_is_cut_and_which_method_never_acts(tmp_path, call, capfd):
    """The demo's model reads 56 tokens; a run by shards counts the prompts of all, and a report needs no model."""
    lines = [{"prompt": text, "sd_seed": n} for n, text in enumerate(["a " * 60, "a house", "a " * 54])]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ["prompts=i2p", f"prompts.path={tmp_path}/own.jsonl", "protocol.steps=2", "protocol.images_per_prompt=1"]
    words += ["methods=[baseline,{name: late, preset: weak, concept: blood}]", "judges=[q16]", f"out={tmp_path}/run"]
    for index in (1, 0):
        assert call(main, *words, "images=none", "sheet=false", "shard.count=2", f"shard.index={index}") == 0
    said = [
        "Prompts cut off because the text encoder reads 56 tokens: 1 of 3.",
        "late: safety guidance never acts: its warm-up outlasts the 2 denoiser calls.",
    ]
    printed, report = capfd.readouterr().out, tmp_path / "run" / "report"
    for sentence in said:
        assert sentence in printed
        assert sentence in (report / "results.md").read_text()
        assert sentence in (report / "report.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["methods=[{name: mine}]"], "no preset, no negative prompt and no prefix"),
        (["methods=[baseline,{name: sld_max, preset: weak}]"], "another definition of it"),
        (["methods=[baseline,sld_max]", "protocol.guidance_scale=1"], "found none in"),
        (["protocol=esd", "judges=[q16]"], "so that no picture could count"),
    ],
)
def test_run_and_doctor_refuse_in_the_same_words_before_anything_is_drawn(tmp_path, call, capfd, words, said):
    assert call(main, *words, f"out={tmp_path}/run") == 2
    refused = capfd.readouterr().err.strip()
    assert said in refused
    assert "\n" not in refused
    assert not (tmp_path / "run").exists()
    assert call(doctor, *words, f"out={tmp_path}/run", "measure=false") == 2
    assert said in capfd.readouterr().out
