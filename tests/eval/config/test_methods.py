"""A method of one's own, as the command line and files describe it; what is no method is refused in one sentence."""

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

import sld
from eval.base.errors import InputError
from eval.config.compose import compose_and_call, compose_jobs
from eval.config.config_dir import CONF
from eval.config.methods import read_method
from eval.config.settings import Settings, read_settings
from eval.config.texts import text_keys
from eval.config.values import as_typed

WHOLE = {"warmup_steps": 5, "guidance_scale": 1000, "threshold": 0.01, "momentum_scale": 0.3, "momentum_beta": 0.4}
STRONG = {"warmup_steps": 7, "guidance_scale": 2000, "threshold": 0.025, "momentum_scale": 0.5, "momentum_beta": 0.7}


def typed(text):
    """The methods that a word of the command line describes, through Hydra."""
    word = as_typed(f"methods={text}", text_keys(Settings), sweep=False)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        settings = read_settings(compose("run", overrides=["out=x", word]))
    return [read_method(entry) for entry in settings.methods]


def test_every_key_is_read_as_typed():
    everything = (
        "[{name: mine, preset: strong, concept: weapons, warmup_steps: 5, guidance_scale: 1e3, threshold: -0.5, "
        "momentum_scale: 0, momentum_beta: 1, negative_prompt: it's bad, prefix: 'a kind picture of ', space: epsilon}]"
    )
    assert typed(everything) == [
        sld.Method(
            "mine", sld.SafetyPreset(5, 1000, -0.5, 0, 1), "weapons", "it's bad", "a kind picture of ", "epsilon"
        )
    ]


@pytest.mark.parametrize(("key", "value"), WHOLE.items())
def test_a_single_number_changes_that_of_the_preset_and_no_other(key, value):
    (method,) = typed(f"{{name: mine, preset: strong, {key}: {value}}}")
    assert method.preset == sld.SafetyPreset(**STRONG | {key: value})


def test_a_preset_of_numbers_of_ones_own_is_a_mapping():
    assert read_method({"name": "mine", "preset": WHOLE}).preset == sld.SafetyPreset(**WHOLE)


def test_null_counts_as_not_given():
    entry = {"name": "mine", "preset": "max", "warmup_steps": None, "concept": None, "prefix": None, "space": None}
    assert read_method(entry) == sld.Method("mine", "max")


def test_the_method_of_a_preset_stands_for_the_preset_and_its_name_alone_for_the_method():
    assert read_method({"name": "mine", "preset": "sld_max"}) == sld.Method("mine", "max")
    changed = read_method({"name": "mine", "preset": "sld_max", "warmup_steps": 5})
    assert changed == read_method({"name": "mine", "preset": "max", "warmup_steps": 5})
    assert read_method({"name": "sld_max"}) == sld.METHODS["sld_max"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"name": "mine", "preset": "max", "warmup": 5}, "found warmup: did you mean warmup_steps?"),
        (
            {"name": "mine", "preset": "max", "s_S": 5},
            r"no keys but name, preset, .* found s_S: correct it",
        ),
        (
            {"name": "mine", "warmup_steps": 5},
            "a preset whose warmup_steps it changes, found none: name one of",
        ),
        (
            {"name": "mine", "negative_prompt": "x", "threshold": 0, "momentum_beta": 0},
            "whose threshold and momentum_beta",
        ),
        (
            {"name": "mine", "preset": WHOLE, "threshold": 0},
            "found a whole preset, and threshold beside it",
        ),
        (
            {"name": "mine", "preset": {"warmup_steps": 5}},
            "found one with warmup_steps: name one of weak",
        ),
        ({"name": "mine", "preset": WHOLE | {"delta": 5}}, "momentum_beta, delta: name one of weak"),
        ({"preset": "max"}, "must have a name, found preset: give it one"),
        ({}, "must have a name, found nothing"),
    ],
)
def test_what_describes_no_method_is_refused_with_the_keys_there_are(entry, words):
    with pytest.raises(InputError, match=words):
        read_method(entry)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ({"warmup_steps": -1}, "whole number of denoiser calls from 0 up, found -1"),
        ({"warmup_steps": 2.5}, "found 2.5"),
        ({"warmup_steps": True}, "found True"),
        ({"guidance_scale": "1000"}, "must be a finite number, found '1000'"),
        ({"momentum_beta": 2}, r"must be in \[0, 1\], found 2"),
        ({"threshold": [1]}, r"must be a finite number, found \[1\]"),
    ],
)
def test_a_number_that_means_nothing_is_refused_with_the_methods_name(number, words):
    whole = {"preset": WHOLE | number}
    for entry in ({"preset": "strong", **number}, whole):
        with pytest.raises(InputError, match=f"methods: mine: .*{words}"):
            read_method({"name": "mine", **entry})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"preset": "sld_mux", "warmup_steps": 1},
            "one of weak, .* found 'sld_mux' in method 'mine': did you mean 'max'",
        ),
        ({"preset": ["max"], "warmup_steps": 1}, "found a list in method 'mine'"),
        ({"preset": "max", "space": "v"}, "must be epsilon or output"),
        ({"prefix": ["a"]}, "prefix must be a text"),
    ],
)
def test_what_sld_refuses_is_refused(fields, words):
    with pytest.raises(sld.InputError, match=words):
        read_method({"name": "mine", **fields})


def test_a_preset_with_its_own_numbers_is_that_preset():
    assert read_method({"name": "mine", "preset": "strong", **STRONG}).safety == sld.PRESETS["strong"]


PAGE = (Path(sld.__file__).parents[1] / "docs" / "methods.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", re.findall(r"^    python -m (eval.run .*)", PAGE, re.MULTILINE))
def test_the_commands_of_the_page_are_methods(line, monkeypatch):
    monkeypatch.setattr("sys.argv", shlex.split(line))
    jobs = []
    if "-m" in line.split():
        jobs += [settings for _, settings in compose_jobs("run", read_settings)]
    else:
        compose_and_call("run", lambda config: jobs.append(read_settings(config)) or 0)
    for settings in jobs:
        assert settings.methods[0] == "baseline"
        assert sld.resolve_methods([read_method(entry) for entry in settings.methods[1:]])


def test_a_configuration_file_describes_methods_as_the_command_line_does(tmp_path, monkeypatch):
    (folder := tmp_path / "experiment").mkdir()
    entry = "  - {name: mine, preset: strong, warmup_steps: 5, prefix: 'kind '}\n"
    (folder / "mine.yaml").write_text(f"# @package _global_\nmethods:\n  - baseline\n{entry}")
    monkeypatch.setattr("sys.argv", ["eval.run", "--config-dir", str(tmp_path), "experiment=mine"])
    methods = []
    compose_and_call("run", lambda config: methods.extend(read_settings(config).methods) or 0)
    assert methods == ["baseline", {"name": "mine", "preset": "strong", "warmup_steps": 5, "prefix": "kind "}]
    assert read_method(methods[1]).preset == sld.SafetyPreset(**STRONG | {"warmup_steps": 5})
