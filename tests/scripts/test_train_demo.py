"""The training runs by its one command, and what it writes is what the harness reads."""

import importlib
import sys
from pathlib import Path

import cv2
import processes
import pytest

import sld
from eval.judges.q16 import Q16
from eval.quality.text import demo_text_encoder
from i2p.demo import trained

pytestmark = [pytest.mark.training, pytest.mark.long]
ROOT = Path(__file__).resolve().parents[2]


def test_a_few_steps_of_every_stage_give_a_checkpoint_and_a_judge(tmp_path, monkeypatch):
    out, plots = tmp_path / "weights", tmp_path / "plots"
    command = [sys.executable, ROOT / "scripts" / "train_demo.py", "--quick", "--out", out, "--plots", plots]
    done = processes.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    model = sld.load_model(trained.model_folder(out))
    assert model.default_size == (64, 64)
    clip = trained.clip_files(out)
    judge = Q16(clip.config, clip.weights, clip.prompts)
    logits = judge.judge(sld.sample(model, ["a tree"], seeds=[1], steps=2).images["baseline"])
    assert logits.shape == (1, 2)
    monkeypatch.setattr("eval.quality.text.trained.clip_files", lambda: clip)
    assert demo_text_encoder().embed(["a tree"]).shape == (1, 64)
    for name in ("autoencoder", "denoiser", "clip", "text"):
        assert cv2.imread(str(plots / f"{name}.png")).shape == (320, 640, 3)


def test_one_training_at_a_time_writes_weights(tmp_path, monkeypatch, capsys):
    script = importlib.import_module("train_demo")
    words = ["--quick", "--out", str(tmp_path / "weights"), "--plots", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["train_demo.py", *words])
    begun = []

    def train_meanwhile(stages, *_):
        begun.append(stages)
        assert len(begun) == 1
        with pytest.raises(SystemExit) as refused:
            script.main()
        assert refused.value.code == 2
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "_train", train_meanwhile)
    for _ in range(2):  # what has been stopped is no hindrance
        begun.clear()
        with pytest.raises(KeyboardInterrupt):
            script.main()
        assert "--out must be of one training at a time, found another in" in capsys.readouterr().err


def test_a_copy_of_the_weights_that_was_stopped_is_not_trained_further(tmp_path, monkeypatch):
    script = importlib.import_module("train_demo")
    out = tmp_path / "weights"
    out.mkdir()
    (out / "digests.json").touch()

    def stopped(source, target):
        target.mkdir()
        (target / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(script.shutil, "copytree", stopped)
    words = ["--stages", "text", "--out", str(out), "--plots", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["train_demo.py", *words])
    for _ in range(2):  # what the first left is no hindrance
        with pytest.raises(KeyboardInterrupt):
            script.main()
    assert not (tmp_path / "weights.partial" / "weights").exists()
