"""What Hydra's own signs and flags do on the command line: used, or refused in one sentence."""

import re

import pytest

from eval.config.overrides import flags_last
from eval.run import main as run
from eval.submit.__main__ import main as submit

TAKEN = "which takes a key away: leave it out for the default, or give"
NO_PROMPTS = ["model=images", "prompts=none", "q16=demo", "model.path=."]
WHOLE = "must be given as a whole list, found"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["~out"], f"found '~out', {TAKEN} out=…"),
        (["~methods=[baseline]"], f"found '~methods=[baseline]', {TAKEN} methods=…"),
        (["~nowhere"], f"{TAKEN} nowhere=…"),
        (["~slurm"], f"{TAKEN} slurm=…"),
        (["~experiment"], f"{TAKEN} experiment=…"),
        (["~"], f"{TAKEN} KEY=…"),
        (["+out=a"], "found out, which exists already: give out=…, without it"),
        (["methods.0=x"], f"methods {WHOLE} 'methods.0': give methods=[…]"),
        (["++methods.9=x"], f"methods {WHOLE} 'methods.9'"),
        (["methods[0]=x"], f"methods {WHOLE} 'methods[0]'"),
        (["slurm.options.0=x"], f"slurm.options {WHOLE} 'slurm.options.0'"),
        (["report=[]"], "report must be given by its own keys, report.NAME=…, found [] (those of report are title,"),
        (["slurm=[]"], "slurm must be given by its own keys, slurm.NAME=…, found [] (those of slurm are partition,"),
        (["report=${shard}"], "report must be given by its own keys, as in report.title=…"),
        (["report=${nope.nope}"], "must refer to a value, found an interpolation without one ("),
        (["slurm=null"], "slurm must be a mapping of its keys, found null"),
        (["dry_run=null"], "dry_run must be true or false, found null: correct it"),
        (["dry_run=[true]"], "dry_run must be true or false, found [true]: correct it"),
        (["out=${oc.env:NO_SUCH}"], "interpolation without one (Environment variable 'NO_SUCH' not found): correct it"),
        (["protocol.steps=???"], "protocol.steps must have a value, found ???, which leaves it open: give one"),
        (["model=checkpoint"], "model.path must be a hub id, a folder or a .safetensors file, found none"),
        (["out=???"], "out must have a value, found ???, which leaves it open"),
        (["slurm.account=???"], "slurm.account must have a value, found ???, which leaves it open"),
        (["report=${shard}", "shard.index=null"], "found {count: 1, index: null}: correct it"),
        (["out=${out}"], "out must refer to a value, found an interpolation without one (Recursive"),
        (["verify=${shard.nope}"], "verify must refer to a value, found an interpolation without one (Interpol"),
        (
            ["slurm.time=${oc.env:NO_SUCH}"],
            "slurm.time must refer to a value, found",
        ),
        (
            ["methods=[{name: {a: b}}]"],
            "an entry of methods must have a text as its name, found {'a': 'b'}",
        ),
        (["device="], "device must be auto or a device of torch, such as cuda:1, found '': correct it"),
        (["device=null"], "such as cuda:1, found 'null': give device=auto"),
        (["device=gpu"], "such as cuda:1, found 'gpu': give device=cuda"),
        (["device=[cpu]"], "such as cuda:1, found '[cpu]'"),
        (["device=cuda:99999999999999999999"], "found 'cuda:99999999999999999999'"),
        (["--steps", "--cfg", "job"], "found --steps: give protocol.steps=…"),
        (["promts.path=x"], "did you mean prompts.path=x?"),
        (["track=[wandbb]"], "track must be a list of wandb, mlflow, tensorboard, found 'wandbb': did you mean wandb?"),
        ([*NO_PROMPTS, "prompts.hard=false"], "prompts.hard is 'false', which would have no effect (prompts=none has"),
        (["--info", "out=x"], "--info must be one of all, config,"),
        (["--info", "foo"], "searchpath, found 'foo'"),
        (["-sc", "query=bash"], "must be called by a shell, found no COMP_LINE: leave it out"),
    ],
)
def test_what_hydra_would_answer_in_its_own_way_is_one_sentence(words, told, call, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMP_LINE", raising=False)
    assert call(submit, "dry_run=true", *words) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert re.fullmatch(r"error: .*\n", printed.err)
    assert "full_key" not in printed.err
    assert not printed.out
    assert not any(tmp_path.iterdir())


def test_overrides_may_stand_on_both_sides_of_a_flag(call, capsys):
    assert call(run, "images=none", "--cfg", "job", "protocol.steps=7") == 0
    printed = capsys.readouterr().out
    assert "images: none" in printed
    assert "steps: 7" in printed


def test_flags_and_their_values_come_last_in_their_order():
    words = ["a=1", "--cfg", "job", "job=2", "--info", "b=3", "-i", "all", "--config-dir=x"]
    last = ["--cfg", "job", "--info", "-i", "all", "--config-dir=x"]
    assert flags_last(words) == ["a=1", "job=2", "b=3", *last]
