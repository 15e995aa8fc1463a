"""Runs on a GPU by the one command: labels, judging beside, two sizes, processes that share the GPU, and a kill."""

import json
import subprocess
import sys
import time

import cv2
import in_process
import processes
import pyarrow.parquet as pq
import pytest
import torch

from eval.generate import pool, sources
from eval.store.rundir import RunDir

pytestmark = [pytest.mark.gpu, pytest.mark.process, pytest.mark.long]
SMALL = ["prompts.rows=0-7", "methods=[baseline,sld_max]", "batch_size=4", "images=none", "sheet=false"]
SIZE_OF_ROWS = ["model.size=null"]  # in place of the demo model's own


@pytest.fixture(scope="module")
def words(device, half):
    """The words of a small run on the device, in half precision, by one judge, and with nothing measured."""
    nothing_measured = ["engine.attention=default", "engine.channels_last=false"]  # two runs could choose differently
    return [f"device={device}", f"dtype={half}", *SMALL, "protocol.steps=3", "judges=[q16]", *nothing_measured]


def run(out, *words):
    done = in_process.run("eval.run", f"out={out}", *words)
    assert done.returncode == 0, done.stderr
    return out


def digests(out) -> dict:
    """The state and the pixels' digest of each image; logits may differ in the last bits where judges share a GPU."""
    columns = ["method", "row", "image", "state", "digest"]
    rows = RunDir(out).read_scores().select(columns).to_pylist()
    return {(row["method"], row["row"], row["image"]): (row["state"], row["digest"]) for row in rows}


@pytest.fixture(scope="module")
def alone(tmp_path_factory, words):
    """The run of one process, judged in the loop."""
    return digests(run(tmp_path_factory.mktemp("runs") / "alone", *words, "engine.background=false"))


def test_every_picture_of_the_run_was_judged(alone):
    assert len(alone) == 16
    assert {state for state, _ in alone.values()} == {"ok"}


def test_judging_beside_changes_no_picture(alone, tmp_path, words):
    assert digests(run(tmp_path / "run", *words, "engine.background=true")) == alone


def test_a_worker_of_its_own_draws_the_same_pictures(alone, tmp_path, words, monkeypatch):
    monkeypatch.setitem(sources.MODULES, "demo", "pool")  # also for one worker
    monkeypatch.setattr(pool, "usable_cores", torch.get_num_threads)  # on a CPU, bits depend on the threads
    assert digests(run(tmp_path / "run", *words)) == alone


def start(out, device, words, **streams):
    # A fork of a server that has asked for its GPUs could not use one.
    popen = processes.start if device == "cpu" else subprocess.Popen
    return popen([sys.executable, "-m", "eval.run", f"out={out}", *words], **streams)


def test_two_processes_that_share_the_gpu_draw_the_pictures_of_one(alone, tmp_path, device, words):
    shards = []
    for index in range(2):
        with (tmp_path / f"log{index}").open("w") as log:
            shard = [*words, "shard.count=2", f"shard.index={index}"]
            shards.append(start(tmp_path / "run", device, shard, stdout=log, stderr=log))
    codes = [shard.wait() for shard in shards]
    assert set(codes) <= {0, 3}, (tmp_path / "log0").read_text() + (tmp_path / "log1").read_text()
    assert 0 in codes  # whoever ends last finds all images
    assert digests(tmp_path / "run") == alone


def test_a_run_that_is_killed_resumes_to_the_bit(alone, tmp_path, device, words):
    out, log = tmp_path / "run", tmp_path / "log"
    with log.open("w") as stream, start(out, device, words, stdout=stream, stderr=stream) as process:
        while not list((out / "scores").glob("*.parquet")):
            assert process.poll() is None, log.read_text()
            time.sleep(0.01)
        process.kill()
    run(out, *words)
    assert digests(out) == alone


def test_pictures_of_two_sizes_are_those_of_runs_of_one_size(tmp_path, words):
    sizes = [(64, 64), (64, 96)]
    lines = [
        {"prompt": "a red car", "categories": "hate", "sd_seed": n, "sd_image_height": h, "sd_image_width": w}
        for n, (h, w) in enumerate([*sizes, *sizes])
    ]

    def run_of(name, chosen):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in chosen))
        more = ["prompts=i2p", f"prompts.path={path}", "prompts.rows=null", *SIZE_OF_ROWS, "images=all"]
        return {
            (method, chosen[row]["sd_seed"]): seen
            for (method, row, _), seen in digests(run(tmp_path / name, *words, *more)).items()
        }

    both = run_of("both", lines)
    assert len(both) == 8
    pictures = sorted((tmp_path / "both" / "images" / "sld_max").glob("*.png"))
    assert [cv2.imread(str(path)).shape[:2] for path in pictures] == [*sizes, *sizes]
    assert both == run_of("square", lines[::2]) | run_of("wide", lines[1::2])


def test_memory_that_runs_out_lowers_the_rows_and_gives_the_pictures_of_that_number(
    tmp_path, device, words, memory_cap
):
    words = [word for word in words if not word.startswith(("batch_size", "protocol.steps", "methods", "prompts"))]
    side = 64 if device == "cpu" else 768  # at which 32 rows of the denoiser take more memory than the decoder
    prompts = tmp_path / "prompts.jsonl"
    line = {"prompt": "a red car", "categories": "hate", "sd_image_height": side, "sd_image_width": side}
    prompts.write_text("".join(json.dumps(line | {"sd_seed": seed}) + "\n" for seed in range(36)))
    words += ["protocol.steps=2", "methods=[baseline]", "prompts=i2p", f"prompts.path={prompts}", *SIZE_OF_ROWS]
    words += ["engine.background=false"]  # a judge at work meanwhile would take a share that varies

    def run_with(rows):
        out = run(tmp_path / f"rows{rows}", *words, f"batch_size={rows}")
        return RunDir(out).read_scores()["batch_size"].to_pylist(), digests(out)

    with memory_cap(run_with):
        done = in_process.run("eval.run", f"out={tmp_path}/capped", *words, "batch_size=32")
    assert done.returncode == 0, done.stderr
    assert f"{device} is out of memory: continuing with batch_size=" in done.stderr.replace("cuda:0", "cuda")
    (rows,) = set(RunDir(tmp_path / "capped").read_scores()["batch_size"].to_pylist())
    assert rows == (8 if device == "cpu" else 16)
    sizes, expected = run_with(rows)
    assert set(sizes) == {rows}
    assert digests(tmp_path / "capped") == expected


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_gives_the_labels_of_float32(tmp_path, device, dtype):
    if (device, dtype) == ("cpu", "float16"):
        pytest.skip("a CPU takes minutes for this in float16")
    prompts = 4 if device == "cpu" else 24

    def labels(name, dtype):
        words = [f"device={device}", f"dtype={dtype}", "methods=[baseline,sld_max]", "images=none", "sheet=false"]
        words += [f"prompts.rows=0-{prompts - 1}", "batch_size=16", "protocol.steps=20", "report.images=true"]
        report = run(tmp_path / name, *words) / "report"
        rows = pq.read_table(report / "images.parquet").to_pylist()
        return {(row["method"], row["row"], row["image"]): row["inappropriate"] for row in rows}

    single, half = labels("single", "float32"), labels("half", dtype)
    assert single.keys() == half.keys()
    assert device == "cpu" or set(single.values()) == {True, False}
    # Rounding may carry a picture over a judge's threshold; one in twenty would move a result.
    assert sum(single[key] != half[key] for key in single) <= len(single) // 20
