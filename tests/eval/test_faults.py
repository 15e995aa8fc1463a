"""What goes wrong on real machines, with real processes: nothing is lost, and nothing wrong is taken for a result."""

import errno
import functools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import cv2
import datasets
import huggingface_hub
import in_process
import numpy as np
import processes
import pyarrow.parquet as pq
import pytest
from huggingface_hub.utils import _http

import sld
from eval.judges import Detection
from eval.judges.nudenet import NudeNet
from eval.judges.q16 import Q16

pytestmark = [pytest.mark.process, pytest.mark.long]

SMALL = ["protocol.steps=1", "prompts.rows=0-11", "batch_size=4", "sheet=false", "methods=[baseline,sld_max]"]
SMALL += ["judges=[q16]"]  # the quicker one; what befalls a judge is told of either alike


def command(out, *more):
    return [sys.executable, "-m", "eval.run", f"out={out}", *SMALL, *more]


def run(out, *more):
    return in_process.run("eval.run", f"out={out}", *SMALL, *more)


def run_with(patch, folder, out, *more):
    """Run under a script that first does `patch`, as a fault of the world would, in a process of its own."""
    script = folder / "run_with_fault.py"
    script.write_text(f"{patch}\nif __name__ == '__main__':\n    from eval.run import main\n    main()\n")
    words = [sys.executable, script, f"out={out}", *SMALL, *more]
    return processes.run(words, capture_output=True, text=True, check=False)


def scores(out) -> dict:
    rows = [row for part in (Path(out) / "scores").glob("*.parquet") for row in pq.read_table(part).to_pylist()]
    return {(r["method"], r["row"], r["image"]): (r["state"], r["digest"], r["q16_safe"]) for r in rows}


def pictures(out) -> dict:
    return {p.relative_to(out): cv2.imread(str(p)).tobytes() for p in sorted(Path(out).glob("images/*/*.png"))}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    done = run(out)
    assert done.returncode == 0, done.stderr
    assert len(scores(out)) == 24
    return out


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of it to spoil."""
    return shutil.copytree(whole, tmp_path / "copy")


def same(out, whole) -> bool:
    return (
        scores(out) == scores(whole)
        and pictures(out) == pictures(whole)
        and (out / "report" / "results.csv").read_text() == (whole / "report" / "results.csv").read_text()
    )


def test_eight_kills_at_random_points_cost_nothing_but_time(whole, tmp_path):
    out, chance, landed = tmp_path / "killed", random.Random(5), 0
    for number in range(8):
        before = len(list((out / "scores").glob("*.parquet")))
        with processes.start(command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            if number % 3:  # while it draws, judges and writes; else anywhere, also in its start
                while len(list((out / "scores").glob("*.parquet"))) == before and process.poll() is None:
                    time.sleep(0.005)
                time.sleep(chance.uniform(0, 0.06))
            else:
                time.sleep(chance.uniform(0.05, 0.4))
            process.kill()
        landed += process.returncode == -signal.SIGKILL
    assert landed >= 5
    assert run(out).returncode == 0
    assert same(out, whole)


def test_a_kill_between_pictures_and_their_scores_has_them_drawn_again(whole, tmp_path):
    out = tmp_path / "between"
    patch = """
import os, signal
from eval.store.rundir import RunDir
write = RunDir.write_scores
def write_or_die(self, shard, scores):
    if len(list((self.root / "scores").glob("*.parquet"))) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, shard, scores)
RunDir.write_scores = write_or_die
"""
    assert run_with(patch, tmp_path, out).returncode == -signal.SIGKILL
    assert len(pictures(out)) > len(scores(out)) == 3 * 2 * 2
    assert run(out).returncode == 0
    assert same(out, whole)


@pytest.mark.parametrize(("workers", "keeps"), [(1, "none"), (2, "all")])
def test_damaged_pictures_are_found_when_asked_and_drawn_again_once(whole, copy, workers, keeps):
    damaged = sorted((copy / "images" / "sld_max").iterdir())[:4]
    cut, flipped, other, gone = damaged
    cut.write_bytes(cut.read_bytes()[:-20])
    bits = bytearray(flipped.read_bytes())
    bits[len(bits) // 2] ^= 1
    flipped.write_bytes(bits)
    shutil.copy(copy / "images" / "baseline" / other.name, other)  # a sound picture, of something else
    gone.unlink()
    spoiled = [path.read_bytes() for path in damaged[:3]]
    done = run(copy)
    assert done.returncode == 0
    assert [path.read_bytes() for path in damaged[:3]] == spoiled  # unless asked for, nothing looks
    words = ["verify=true", f"workers={workers}", f"images={keeps}"]
    forked = functools.partial(processes.run, capture_output=True, text=True)  # as its workers are then
    done = run(copy, *words) if workers == 1 else forked(command(copy, *words))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("is not the picture that was judged") == 3
    assert {p.name for p in copy.rglob("*.damaged")} == {f"{p.name}.damaged" for p in (cut, flipped, other)}
    assert not gone.exists()  # people move pictures
    shutil.copy(whole / gone.relative_to(copy), gone)
    assert same(copy, whole)
    assert "drawn again" not in run(copy, *words[:1], words[2]).stderr


def test_damaged_score_parts_are_set_aside_and_their_images_made_again(whole, copy):
    gone, truncated, flipped = sorted((copy / "scores").iterdir())[3:6]
    gone.unlink()
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    data = bytearray(flipped.read_bytes())
    data[data.index(b"baseline")] ^= 1
    flipped.write_bytes(data)
    report = in_process.run("eval.report", copy)
    assert report.returncode == 3
    assert "12 of 24 images are missing or unjudged" in report.stderr
    assert run(copy).returncode == 0
    assert {p.name for p in copy.rglob("*.damaged")} == {f"{part.name}.damaged" for part in (truncated, flipped)}
    assert same(copy, whole)


def test_another_number_of_shards_goes_on_from_where_the_first_was(whole, tmp_path):
    out = tmp_path / "shards"
    for shard in ("shard.count=3 shard.index=1", "shard.count=2 shard.index=0", "shard.count=2 shard.index=1"):
        assert run(out, *shard.split()).returncode == 0
    assert scores(out) == scores(whole)
    assert same(out, whole)


def test_other_weights_and_other_data_are_refused_with_the_difference(tmp_path):
    from safetensors.torch import load_file, save_file

    model = sld.write_tiny_checkpoint(tmp_path / "model")
    prompts = tmp_path / "prompts.csv"
    prompts.write_text("prompt,sd_seed\na red kite,1\na blue kite,2\n")
    words = ["model=checkpoint", f"model.path={model}", "model.size=64", "q16=demo", f"prompts.path={prompts}"]
    words += ["prompts=i2p", "protocol.steps=1", "methods=[baseline]", "judges=[q16]"]
    words = ["eval.run", f"out={tmp_path}/run", *words]
    assert in_process.run(*words).returncode == 0
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    prompts.write_text("prompt,sd_seed\na red kite,1\na blue kit,2\n")
    done = in_process.run(*words)
    assert done.returncode == 2
    assert "pictures they would change (other prompts here in row 1)" in done.stderr
    prompts.write_text("prompt,sd_seed\na red kite,1\na blue kite,2\n")
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_in.bias"][0] += 1e-6
    save_file(tensors, weights)
    done = in_process.run(*words)
    assert done.returncode == 2
    assert re.search(r"model.weights.\S+ is \w+… there and \w+… here", done.stderr)
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before


def lost_the_driver(self, images):
    raise RuntimeError("lost the driver")


def test_a_judge_that_raises_now_and_then_leaves_counted_images_that_a_rerun_judges(whole, tmp_path, monkeypatch):
    out, records = tmp_path / "run", Q16.records

    def broken(self, images):
        judged = lost_the_driver if any(int(image.sum()) % 5 == 0 for image in images) else records
        return judged(self, images)

    monkeypatch.setattr(Q16, "records", broken)
    done = run(out)
    monkeypatch.undo()
    failed = sum(state == "judge_failed" for state, *_ in scores(out).values())
    assert done.returncode == 3
    assert 0 < failed < 24
    assert f"{failed} of 24 images are missing or unjudged" in done.stderr
    assert run(out).returncode == 0
    assert (out / "report" / "results.csv").read_text() == (whole / "report" / "results.csv").read_text()


def test_a_judge_that_always_raises_stops_the_run_with_its_cause(tmp_path, monkeypatch):
    monkeypatch.setattr(Q16, "records", lost_the_driver)
    done = run(tmp_path / "run")
    assert done.returncode == 3
    assert "q16 failed on each of 4 pictures; the first: lost the driver" in done.stderr


def test_a_judge_that_talks_nonsense_is_not_believed(tmp_path, monkeypatch):
    nonsense = [Detection("SAFE", 0.9, (0, 0, 1, 1))]
    monkeypatch.setattr(NudeNet, "judge", lambda self, images: [nonsense for _ in images])
    done = run(tmp_path / "run", "judges=[nudenet]")
    assert done.returncode == 3
    assert "must be detections with NudeNet's labels" in done.stderr


HANGS = """
import time
from eval.judges.q16 import Q16
records, calls = Q16.records, []
def hangs(self, images):
    calls.append(1)
    if len(calls) > 1:
        time.sleep(600)
    return records(self, images)
Q16.records = hangs
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_judge_that_hangs_ends_the_run_and_nothing_stored_is_lost(whole, tmp_path, workers):
    out = tmp_path / "run"
    done = run_with(HANGS, tmp_path, out, "judge_timeout=1", f"workers={workers}")
    assert done.returncode == 3, done.stderr
    assert "q16 did not answer within 1 s on a batch of 4 pictures" in done.stderr
    assert "Traceback" not in done.stderr
    assert 4 <= len(scores(out)) <= 4 * workers  # one batch of each worker that had begun when the first gave up
    assert scores(out).items() <= scores(whole).items()
    assert run(out).returncode == 0
    assert same(out, whole)


def test_a_clock_that_was_set_back_changes_nothing(whole, tmp_path):
    out = tmp_path / "run"
    assert run(out, "shard.count=2").returncode == 0
    for path in out.rglob("*"):
        os.utime(path, (time.time() + 86400 * 400,) * 2)
    status = in_process.run("eval.status", out)
    assert status.returncode == 3
    assert "12 of 24 images" in status.stdout
    assert run(out).returncode == 0
    status = in_process.run("eval.status", out)
    assert status.returncode == 0
    assert "the last batch was stored less than a second ago" in status.stdout
    assert same(out, whole)


def test_a_read_only_place_is_said_and_what_is_there_can_be_read(disk, whole, tmp_path):
    subprocess.run(["mount", "-o", "remount,size=100M", disk], check=True)
    shutil.copytree(whole, disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    done = run(disk / "run")
    assert done.returncode == 2
    assert "out must be a folder that can be written" in done.stderr
    assert run(disk / "new").returncode == 2
    assert in_process.run("eval.status", disk / "run").returncode == 0
    refused = in_process.run("eval.report", disk / "run")
    assert refused.returncode == 2
    assert "(Read-only file system): give out=FOLDER" in refused.stderr
    report = in_process.run("eval.report", disk / "run", f"out={tmp_path}/elsewhere")
    assert report.returncode == 0
    assert "Inappropriate probability, %" in report.stdout
    assert (tmp_path / "elsewhere" / "results.csv").read_bytes() == (whole / "report" / "results.csv").read_bytes()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A home of the hub's cache that holds a small checkpoint, as a download would have left it."""
    home = tmp_path_factory.mktemp("hub")
    repository = home / "hub" / "models--somebody--small"
    sld.write_tiny_checkpoint(repository / "snapshots" / ("0" * 39 + "1"))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 39 + "1")
    return home


def with_the_hub_out(folder):
    """Commands for a checkpoint that is in the hub's cache, for one that is not, and for prompts that are not."""
    words = ["model=checkpoint", "model.size=64", "protocol.steps=1", "prompts.rows=[0]"]
    words += ["methods=[baseline]", "judges=[nudenet]"]
    cached, other = "model.path=somebody/small", "model.path=somebody/other"
    return [
        [*words, "prompts=harmless", cached, f"out={folder}/cached"],
        [*words, "prompts=harmless", other, f"out={folder}/none"],
        [*words, "prompts=i2p", cached, f"out={folder}/none"],
    ]


def check_with_the_hub_out(folder, run, no_checkpoint, no_prompts):
    assert run[0] == 0, run[1]
    manifest = json.loads((folder / "cached" / "manifest.json").read_text())
    assert manifest["identity"]["model"]["revision"] == "0" * 39 + "1"
    assert no_checkpoint[0] == 2
    assert re.search(r"^error: 'somebody/other' .* found neither", no_checkpoint[1], re.MULTILINE)
    assert len(no_checkpoint[1].strip().splitlines()) == 1
    assert no_prompts[0] == 2
    assert "AIML-TUDA/i2p" in no_prompts[1]
    assert not (folder / "none").exists()


@pytest.fixture
def cache(hub, monkeypatch):
    """The hub's cache and that of `datasets`, where the libraries would have them if HF_HOME were this home."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(hub / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", hub / "datasets")


def test_with_the_hub_out_a_cached_checkpoint_runs_and_another_is_one_sentence(cache, tmp_path, monkeypatch):
    for module, endpoint in ((huggingface_hub.constants, "ENDPOINT"), (datasets.config, "HF_ENDPOINT")):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(module, endpoint, "http://127.0.0.1:9")
    # From version 2 on the hub's client asks again, pausing for 23 s in all; what it does then depends on no pause.
    pauses = []
    monkeypatch.setattr(_http, "time", types.SimpleNamespace(**vars(time) | {"sleep": pauses.append}))
    done = [in_process.run("eval.run", *words) for words in with_the_hub_out(tmp_path)]
    assert pauses or huggingface_hub.__version__ < "2"  # it does not take itself for offline
    check_with_the_hub_out(tmp_path, *((each.returncode, each.stderr) for each in done))


def test_offline_a_cached_checkpoint_runs_and_another_is_one_sentence(cache, tmp_path):
    done = [in_process.run("eval.run", *words) for words in with_the_hub_out(tmp_path)]
    check_with_the_hub_out(tmp_path, *((each.returncode, each.stderr) for each in done))


def test_a_slow_disk_without_hard_links_makes_a_run_slow_and_no_different(whole, tmp_path, monkeypatch):
    sync = os.fsync

    def slow(descriptor):
        time.sleep(0.03)
        sync(descriptor)

    def without(*names):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "fsync", slow)
    monkeypatch.setattr(os, "link", without)
    done = run(tmp_path / "run", "engine.background=true")
    assert done.returncode == 0, done.stderr
    assert same(tmp_path / "run", whole)


def test_no_lock_and_no_database_is_used_that_a_network_disk_may_lack():
    root = Path(__file__).resolve().parents[2]
    folders = [root / package for package in ("eval", "i2p", "sld")]
    assert all(folder.is_dir() for folder in folders)
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        # `mmap=` of torch.load reads as open() does.
        wanted = r"\b(fcntl|flock|lockf|filelock|sqlite3|shelve|dbm|mmap(?!=))\b"
        found = re.search(wanted, path.read_text(encoding="utf-8"))
        assert not found, (path, found)


def test_the_last_bits_of_a_picture_are_not_those_of_another(whole):
    """The comparisons above can fail: other pictures are other bytes."""
    found = [np.frombuffer(data, np.uint8) for data in pictures(whole).values()]
    assert len({data.tobytes() for data in found}) > len(found) / 2
