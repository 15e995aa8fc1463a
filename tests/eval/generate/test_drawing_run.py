"""Each score says how its picture was drawn, to all that decides the last bits; and what takes minutes is announced."""

from types import SimpleNamespace

import pytest
import torch

from eval.generate import drawing_run
from eval.generate.drawing_run import COMPILING, DrawingRun
from eval.generate.engine import Engine
from eval.run import main
from sld.tuning import Tuning

DRAWN = ["prompts=demo", "protocol.steps=1", "methods=[baseline]", "batch_size=2", "sheet=false", "device=cpu"]


@pytest.mark.parametrize(
    ("width", "engine"),
    [(64, "float32, channels-last, math attention, compiled"), (96, "float32, channels-last, math attention")],
)
def test_only_pictures_of_the_usual_size_are_said_to_be_compiled(width, engine):
    model, plan = SimpleNamespace(device=torch.device("cpu"), dtype=torch.float32), SimpleNamespace(usual_size=(64, 64))
    opened = DrawingRun(None, plan, model, {}, Engine(4, Tuning(True, "math", True), False), None, None, None)
    batch = SimpleNamespace(images=[SimpleNamespace(pixels=torch.zeros(64, width, 3))])
    assert opened._provenance(batch).partition(" threads, ")[2] == engine


def test_a_run_that_compiles_says_so_once_when_it_begins_and_when_it_resumes(tmp_path, call, capsys, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)  # in a moment
    words = [*DRAWN, "prompts.rows=0-1", "judges=[q16]", f"out={tmp_path / 'run'}"]

    def told(*more):
        assert call(main, *words, *more) == 0
        return capsys.readouterr().err.count(COMPILING)

    assert told("shard.count=2", "engine.compile=true") == 1
    assert told() == 1, "a run that resumes compiles as it did"
    assert told("judges=[q16,nudenet]") == 0, "nothing is drawn"


@pytest.mark.parametrize(("announces", "times"), [(True, 1), (False, 0)])
def test_of_several_processes_one_says_once_that_it_compiles(monkeypatch, capsys, announces, times):
    model = SimpleNamespace(device=torch.device("cpu"), before_compiled=lambda: None)
    monkeypatch.setattr(drawing_run, "open_models", lambda *_: (model, {}))
    monkeypatch.setattr(drawing_run, "InlineFeatures", SimpleNamespace(of_run=lambda *_: None))
    for name in ("judge_kept", "choose_engine", "keeper"):
        monkeypatch.setattr(drawing_run, name, lambda *_, **__: None)
    settings = SimpleNamespace(
        judge_timeout=None, device="cpu", verify=False, engine=None, batch_size=2, workers=2, images="", images_sample=0
    )
    DrawingRun.open(None, None, settings, share=(1, 2), announces=announces)
    for _ in range(2):
        model.before_compiled()
    assert capsys.readouterr().err.count(COMPILING) == times
