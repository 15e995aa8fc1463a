"""Each score says how its picture was drawn, to all that decides the last bits; and what takes minutes is announced."""

from types import SimpleNamespace

import pytest
import torch

from eval.generate import drawing_run
from eval.generate.drawing_run import COMPILING, DrawingRun
from eval.generate.engine import Engine
from eval.run import main
from sld.tuning import Tuning, attention_in_effect

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
    model, judging = SimpleNamespace(device=torch.device("cpu"), before_compiled=lambda: None), []
    monkeypatch.setattr(drawing_run, "open_models", lambda *_: (model, {}))
    monkeypatch.setattr(drawing_run, "InlineFeatures", SimpleNamespace(of_run=lambda *_: None))
    for name in ("choose_engine", "keeper"):
        monkeypatch.setattr(drawing_run, name, lambda *_: None)
    monkeypatch.setattr(drawing_run, "judge_kept", lambda *_, **options: judging.append(options))
    settings = SimpleNamespace(
        judge_timeout=None, device="cpu", verify=False, engine=None, batch_size=2, workers=2, images="", images_sample=0
    )
    DrawingRun.open(None, None, settings, share=(1, 2), on_judged=print, announces=announces)
    for _ in range(2):
        model.before_compiled()
    assert capsys.readouterr().err.count(COMPILING) == times
    assert judging == [{"timeout": None, "verify": False, "share": (1, 2), "on_stored": print}]


def test_while_batches_are_drawn_and_stored_attention_and_convolutions_are_as_the_engine_has_them():
    """Q16 needs full float32; and a thread that changed them would change what the denoiser computes meanwhile."""
    before = attention_in_effect(), torch.backends.cudnn.allow_tf32
    run = DrawingRun(None, None, None, {}, Engine(4, Tuning(attention="math"), False), None, None, None)
    with run.storing(lambda scores: None):
        assert (attention_in_effect(), torch.backends.cudnn.allow_tf32) == ("math", False)
    assert (attention_in_effect(), torch.backends.cudnn.allow_tf32) == before
    assert before[0] != "math"
