"""Advice works when followed: what a library says of its arguments reaches a user of the command line as keys."""

import re
import runpy
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest

import i2p
import sld
from eval.base.errors import InputError
from eval.config import keys
from eval.config.keys import MODEL, PLAN, as_keys
from eval.config.settings import Settings
from eval.judges import JUDGES, judge_class
from eval.run import main as run

ROOT = Path(sld.__file__).parents[1]
LIBRARIES = [path for part in ("sld", "i2p", "eval/judges") for path in sorted((ROOT / part).rglob("*.py"))]
LIBRARIES.append(ROOT / "eval/measure/flags.py")
OF_JUDGES = [judge_class(name).keys() for name in JUDGES]
ARGUMENTS = set().union(keys.MODEL, keys.PLAN, *OF_JUDGES)
errors_of = runpy.run_path(str(Path(__file__).parents[1] / "sentences.py"))["errors_of"]
NAMED = re.compile(rf"\b({'|'.join(sorted(ARGUMENTS))})=(?!=)")


def settings_keys(kind=Settings, prefix="") -> set[str]:
    """Every key of the command line, with its group."""
    hints, found = get_type_hints(kind), set()
    for field in fields(kind):
        inner = hints[field.name]
        found |= settings_keys(inner, f"{prefix}{field.name}.") if is_dataclass(inner) else {f"{prefix}{field.name}"}
    return found


def test_every_argument_that_a_library_advises_is_declared_so_that_it_can_be_called_by_its_key():
    """Advice is what follows the last ; or : of a sentence."""
    for path in LIBRARIES:
        for line, text, declared in errors_of(path):
            advice = re.split(r"[;:] ", text)[-1]
            for name in NAMED.findall(advice):
                assert any(f"{name}=" in one or "…" in one for one in declared), f"{path}:{line}: {name}="
            for one in declared:
                for name in NAMED.findall(one):
                    assert f"{name}=" in text or "…" in text, f"{path}:{line}: {one} does not stand in the sentence"


def test_every_key_that_stands_for_an_argument_exists():
    known = settings_keys()
    for names in (keys.MODEL, keys.PLAN, *OF_JUDGES):
        assert set(names.values()) <= known


def test_every_key_that_the_harness_advises_exists():
    """KEY=… in the sentences of the harness itself; what is no key of a run is one of another command."""
    known = settings_keys() | {"protocol", "prompts", "model", "q16", "experiment", "nudenet", "quality"}
    others = {
        *("flags", "gallery", "gallery_prompts", "paired", "against", "methods", "measure", "digests", "dry_run"),
        *("KEY", "slurm", "margin", "names"),
        *("pilot", "share", "alike", "group", "group_alike", "images", "width", "difference"),  # of eval.power
    }
    groups = {key.partition(".")[0] for key in known}
    for path in sorted({*(ROOT / "eval").rglob("*.py")} - {*LIBRARIES}):
        for line, text, _ in errors_of(path):
            for key in re.findall(r"(?<![\w./{=-])([a-z][a-z_0-9]*(?:\.[a-z_0-9]+)*)=(?=[\w…\[{'\"])", text):
                group = key.partition(".")[0]
                assert key in known | others or group == "slurm", f"{path}:{line}: {key}= is no key"
                assert group in groups | others


def test_a_library_speaks_of_arguments_and_the_command_line_of_keys(tmp_path):
    weights = tmp_path / "w.ckpt"
    weights.write_bytes(b"x")
    with pytest.raises(sld.InputError, match=r"set allow_pickle=True if"):
        sld.load_model(weights)
    with pytest.raises(InputError, match=r"set model\.allow_pickle=true if"), as_keys(MODEL):
        sld.load_model(weights)
    with pytest.raises(i2p.InputError, match=r"take them out of rows=$"):
        i2p.select(i2p.load_prompts("demo"), i2p.Selection(rows="999"))
    with pytest.raises(InputError, match=r"take them out of prompts\.rows=$"), as_keys(PLAN):
        i2p.select(i2p.load_prompts("demo"), i2p.Selection(rows="999"))


def test_what_a_user_wrote_is_not_taken_for_an_argument(tmp_path):
    """A path that holds the very words of the advice stays what it is."""
    folder = tmp_path / "allow_pickle=True"
    folder.mkdir()
    (folder / "w.ckpt").write_bytes(b"x")
    with pytest.raises(InputError) as raised, as_keys(judge_class("q16").keys()):
        sld.load_model(folder / "w.ckpt")
    assert str(folder) in str(raised.value)
    assert str(raised.value).endswith("set q16.allow_pickle=true if you trust its origin")


def test_errors_that_name_no_argument_pass_as_they_are():
    with pytest.raises(sld.InputError), as_keys(MODEL):
        raise sld.InputError("as it is")


@pytest.fixture
def files(tmp_path):
    """Files that are wrong in one way each, by a name."""
    (tmp_path / "w.ckpt").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "pair.safetensors").write_bytes(b"x")
    return tmp_path


Q = ["q16=vit_l_14"]
# (what is typed, what the sentence says to type) of every refusal that names a key and can be had without a network.
TRIALS = [
    (["model=checkpoint", "model.path=gone/no.safetensors"], "correct model.path=PATH"),
    (["model=checkpoint", "model.path={}/w.ckpt"], "model.allow_pickle=true"),
    (["model.unet={}/none.safetensors"], "correct model.unet=PATH"),
    (["model.unet={}/w.ckpt"], "model.allow_pickle=true"),
    (
        ["model=checkpoint", "model.path={}/empty", "model.config={}"],
        "leave model.config= and model.prediction_type= out",
    ),
    ([*Q, "q16.weights={}/none.safetensors"], "correct q16.weights=FILE"),
    ([*Q, "q16.weights={}/w.ckpt"], "q16.allow_pickle=true"),
    ([*Q, "q16.prompts={}/none.safetensors"], "correct q16.prompts=FILE, or leave q16.prompts= out"),
    ([*Q, "q16.prompts={}/pair.safetensors", "q16.prompts_sha256=" + "0" * 64], "q16.prompts_sha256="),
    ([*Q, "q16.architecture={}/none.json"], "correct q16.architecture=FILE"),
    (["prompts=i2p", "prompts.path={}/none.csv"], "prompts.path="),
    (["prompts.rows=999"], "prompts.rows="),
    (["prompts.rows=3-1"], "prompts.rows="),
    (["prompts.categories=[hat]"], "prompts.categories="),
    (["prompts.sample=1000"], "prompts.sample=63"),
    (["prompts.sample=0"], "prompts.sample=1"),
    (["prompts.hard=true"], "prompts.hard="),
    (["protocol.scheduler=dim"], "protocol.scheduler="),
    (["protocol.label_set=none"], "protocol.label_set="),
]


@pytest.mark.parametrize(("typed", "advice"), TRIALS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_refusal_names_the_key_before_anything_is_loaded(typed, advice, files, call, capsys, monkeypatch):
    from eval.generate import models

    loaded = []
    monkeypatch.setattr(models, "load_model", lambda *_: loaded.append("model"))
    monkeypatch.setattr(models, "load_judges", lambda *_: loaded.append("judges"))
    words = [word.format(files) for word in typed]
    assert call(run, *words, f"out={files}/r") == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert advice in sentence
    assert not loaded
    assert not (files / "r").exists()
