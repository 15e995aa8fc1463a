"""What is said of a command line that Hydra can't read: typed as told, it is accepted."""

import re

import pytest

from eval.doctor.__main__ import main as doctor
from eval.run import main as run
from eval.submit.__main__ import main as submit


@pytest.fixture
def refused(call, capsys, monkeypatch, tmp_path):
    """Returns the sentence that a command refuses words with."""
    monkeypatch.chdir(tmp_path)

    def refused(command, *words: str) -> str:
        assert call(command, *words) == 2
        return capsys.readouterr().err.splitlines()[-1]

    return refused


@pytest.fixture
def is_accepted(call):
    return lambda command, *words: call(command, *words, "--cfg", "job") == 0


@pytest.mark.parametrize(
    ("command", "key", "value", "advised"),
    [
        (run, "promts", "demo", ["prompts"]),
        (run, "steps", "3", ["protocol.steps"]),
        (run, "prompts.catgories", "[hate]", ["prompts.categories"]),
        (run, "+protocol", "esd", ["protocol"]),
        (run, "++protocol", "esd", ["protocol"]),
        (run, "+experiment", "quick", ["experiment"]),
        (run, "+methods", "baseline", ["methods"]),
        (submit, "slurm.tme", "1:0:0", ["slurm.time"]),
        (doctor, "modle", "sd14", ["model"]),
        (run, "path", "FILE", ["prompts.path", "model.path"]),
    ],
)
def test_another_key_is_given_as_it_is_advised(command, key, value, advised, refused, is_accepted):
    sentence = refused(command, f"{key}={value}")
    assert sorted(re.findall(r"([\w.]+)=…", sentence)) == sorted(advised)
    group = ["model=sd14", "prompts=i2p"] if len(advised) > 1 else []
    assert all(is_accepted(command, *group, f"{each}={value}") for each in advised)


def test_nothing_is_advised_that_is_refused_here(refused):
    for words in (["foo=1"], ["measure=false"]):
        sentence = refused(run, *words)
        assert words[0].partition("=")[0] in sentence
        assert "+" not in sentence
        assert sentence.endswith("run --help`")


@pytest.mark.parametrize(
    ("key", "value"), [("model.path", "x"), ("model.layout", "row"), ("model.prediction_type", "epsilon")]
)
def test_a_key_of_another_choice_is_accepted_beside_that_one_or_left_out(key, value, refused, is_accepted):
    sentence = refused(run, f"{key}={value}")
    choice = re.search(rf"{key} goes with (model=\w+)", sentence)[1]
    assert sentence.endswith(f"leave {key}= out")
    assert is_accepted(run, choice, *(["model.path=x"] if key != "model.path" else []), f"{key}={value}")


def test_one_of_several_values_is_accepted_alone_or_each_in_a_run_of_its_own(refused, is_accepted):
    sentence = refused(run, "protocol=esd,heim")
    assert sentence.endswith("found several, esd,heim: choose one, or add -m, for one run per value")
    assert is_accepted(run, "protocol=heim")
    assert refused(doctor, "protocol=esd,heim").endswith("found several, esd,heim: choose one")


def test_the_choices_of_a_group_are_named_and_accepted(refused, is_accepted):
    sentence = refused(run, "protocol=edd")
    names = re.search(r"protocol must be one of (.*), found 'edd': choose one of these", sentence)[1].split(", ")
    assert {"esd", "heim", "official"} <= set(names)
    assert all(is_accepted(run, f"protocol={name}") for name in names)


def test_a_wrong_key_within_braces_is_the_one_that_is_named(refused):
    assert "found 'slurm.partitoin': give slurm.partition=…" in refused(submit, "slurm={partitoin:gpu}")
