"""Each score says how its picture was drawn, to all that decides the last bits; and what takes minutes is announced."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from eval.generate import drawing_run
from eval.generate.draw import Batch, Image
from eval.generate.drawing_run import COMPILING, DrawingRun
from eval.generate.engine import Engine
from eval.plan.batches import Rows
from eval.run import main
from eval.store.rundir import RunDir
from eval.store.scores import OK, Score
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


@pytest.mark.parametrize("background", [True, False])
def test_a_batch_is_judged_then_its_kept_pictures_and_features_are_written_and_its_scores_last(
    tmp_path, monkeypatch, background
):
    """Whenever it ends, all that scores name is there; and the scores are of this shard."""
    done = []

    def judge(batch, judges, **options):
        done.append(("judge", judges, options))
        return [Score(*image.key, OK) for image in batch.images]

    monkeypatch.setattr(drawing_run, "judge", judge)
    monkeypatch.setattr(drawing_run, "encode_png", lambda pixels: f"png {pixels[0, 0, 0]}")
    run = SimpleNamespace(
        image_path=RunDir(tmp_path).image_path,
        write_images=lambda images: done.append(("images", [(key.image, png) for key, png in images])),
        write_scores=lambda shard, scores: done.append(("scores", shard, len(scores))),
    )
    features = SimpleNamespace(
        rows=lambda scores: ["row"] * len(scores), store=lambda rows: done.append(("features", rows))
    )
    model = SimpleNamespace(device=torch.device("cpu"), dtype=torch.float32)
    plan = SimpleNamespace(usual_size=(8, 8), shard_index=3)
    engine = Engine(4, Tuning(), background)
    opened = DrawingRun(run, plan, model, {"q16": None}, engine, features, lambda score: score.image != 1, 7.5)
    pictures = tuple(Image("baseline", 0, n, np.full((8, 8, 3), n, np.uint8), True) for n in range(3))
    with opened.storing(lambda scores: done.append(("stored", len(scores)))) as store:
        store(Batch(pictures, None, 4))
    [judged, *written] = done
    assert judged[:2] == ("judge", {"q16": None})
    assert judged[2]["timeout"] == 7.5
    assert judged[2]["engine"].endswith("float32, plain")
    assert written == [
        ("images", [(0, "png 0"), (2, "png 2")]),
        ("features", ["row"] * 3),
        ("scores", 3, 3),
        ("stored", 3),
    ]


def test_a_run_draws_with_the_rows_of_its_engine_and_tells_which_fit(monkeypatch):
    halved, calls = [], []

    def draw(model, batches, plan, rows, on_halved, at_call):
        rows.halve((64, 64))
        on_halved()
        at_call(0.5)
        return [model, batches, plan]

    monkeypatch.setattr(drawing_run, "draw", draw)
    engine, plan = Engine(8, Tuning(), False, smaller={(64, 96): 2}), SimpleNamespace(usual_size=(64, 64))
    opened = DrawingRun("run", plan, "model", {}, engine, None, None, None, halved.append)
    rows = opened.rows()
    assert (rows.at((64, 64)), rows.at((64, 96)), rows.at((8, 8))) == (8, 2, 8)
    assert opened.draw("batches", rows, calls.append) == ["model", "batches", plan]
    assert halved == [rows]
    assert (rows.usual, calls) == (4, [0.5])
    assert isinstance(rows, Rows)


@pytest.mark.parametrize("threads", [3, 4])
def test_on_a_cpu_the_threads_that_decide_the_last_bits_are_on_record(monkeypatch, threads):
    """Drawing and judging use the largest power of two of torch's threads."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    batch = SimpleNamespace(images=[SimpleNamespace(pixels=torch.zeros(64, 64, 3))])
    for device, where in (("cpu", f"cpu with {2 if threads == 3 else 4} threads"), ("mps", "mps")):
        model = SimpleNamespace(device=torch.device(device), dtype=torch.float16)
        plan = SimpleNamespace(usual_size=(64, 64))
        opened = DrawingRun(None, plan, model, {}, Engine(4, Tuning(), False), None, None, None)
        assert opened._provenance(batch) == f"{where}, float16, plain"
