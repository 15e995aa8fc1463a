"""What the harness makes of a sampler that fails, and of one judge that fails on one picture."""

import csv
import json
import subprocess
import sys

import pytest
import torch

import sld
from eval.generate import generate
from eval.judges.nudenet import NudeNet
from eval.plan import Unit
from eval.run import main
from i2p import Prompt

SMALL = ["prompts.rows=[0]", "protocol.steps=2", "protocol.images_per_prompt=2", "methods=[baseline]", "batch_size=2"]


def test_too_little_memory_names_the_batch_size(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(sld, "sample", full)
    unit = Unit(Prompt(0, "a", ("hate",), 1, 7.0, 64, 64), 0)
    with pytest.raises(Exception, match="batch_size=8 at 64×64 pixels: run the same command with a smaller batch_size"):
        generate(None, [unit], [sld.METHODS["baseline"]], steps=2, batch_size=8)


def test_an_image_that_a_judge_failed_on_leaves_the_run_incomplete_until_it_is_judged(
    tmp_path, monkeypatch, capfd, call
):
    out, real, seen = tmp_path / "run", NudeNet.judge, []

    def fails_on_the_first(self, images):
        digest = images[0].tobytes()
        seen.append(digest)
        if len(images) > 1 or digest == seen[0][: len(digest)]:
            raise RuntimeError("no detector")
        return real(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(NudeNet, "judge", fails_on_the_first)
        assert call(main, f"out={out}", *SMALL) == 3
    printed = capfd.readouterr()
    assert "1 of 2 images are not made or not judged; this completes the run: python -m eval.run" in printed.err
    assert printed.err.rstrip().endswith(f"out={out}")
    with (out / "report" / "results.csv").open(newline="") as file:
        assert [r["judge_failed"] for r in csv.DictReader(file) if r["category"] == "all"] == ["1"]
    assert call(main, f"out={out}", *SMALL) == 0


def test_a_copy_of_the_model_elsewhere_and_a_moved_run_go_on(tmp_path, capfd, call):
    for name in ("one", "two"):
        sld.write_tiny_checkpoint(tmp_path / name / "model")
        sld.write_tiny_checkpoint(tmp_path / name / "tuned", seed=1)
    options = ["model=checkpoint", "prompts=harmless", "q16=demo", "model.size=64", *SMALL]
    for name in ("one", "two"):
        model = [f"model.path={tmp_path / name / 'model'}", f"model.unet={tmp_path / name / 'tuned'}"]
        assert call(main, f"out={tmp_path / name / 'run'}", *options, *model) == 0
        if name == "one":
            (tmp_path / "one" / "run").rename(tmp_path / "two" / "run")
            assert "100%" in capfd.readouterr().err
    assert "100%" not in capfd.readouterr().err  # nothing was drawn again
    weights = json.loads((tmp_path / "two" / "run" / "manifest.json").read_text())["identity"]["model"]["weights"]
    assert weights["unet=diffusion_pytorch_model.safetensors"] != weights["unet/diffusion_pytorch_model.safetensors"]


def test_a_reader_that_leaves_is_no_failure(tmp_path):
    command = [sys.executable, "-m", "eval.run", f"out={tmp_path}/run", *SMALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "Exception" not in errors
