"""Several processes draw one run: each unit once, whoever dies, and one report."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import in_process
import processes
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file

from eval.store.rundir import RunDir
from i2p.demo import trained

pytestmark = [pytest.mark.process, pytest.mark.long]

SMALL = ["protocol.steps=2", "prompts.rows=0-11", "methods=[baseline]", "batch_size=2", "images=none"]
SMALL += ["sheet=false", "judges=[q16]"]


def command(out, *more):
    return [sys.executable, "-m", "eval.run", f"out={out}", *SMALL, *more]


def run(out, *more):
    done = processes.run(command(out, *more), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def start(out, *more):
    return processes.start(command(out, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def digests(out) -> dict:
    rows = pq.read_table(Path(out) / "scores").to_pylist()
    return {(r["method"], r["row"], r["image"]): (r["state"], r["digest"], r["q16_safe"]) for r in rows}


def embeddings(out) -> dict:
    rows = (row for folder in (Path(out) / "features").iterdir() for row in pq.read_table(folder).to_pylist())
    return {(r["method"], r["row"], r["image"]): (r["digest"], tuple(r["embedding"])) for r in rows}


def drawn(out) -> int:
    return sum(pq.read_metadata(path).num_rows for path in (Path(out) / "scores").glob("*.parquet"))


def workers_of(process) -> list[int]:
    """The workers' process ids: children that hold a model, not multiprocessing's own helper."""
    found = []
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            found.append(int(child))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_for_scores(process, out, least=1):
    while drawn(out) < least and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "alone"
    assert in_process.run("eval.run", f"out={out}", *SMALL).returncode == 0
    return out


def test_two_workers_make_the_pictures_of_one_process_each_once_and_report_once(alone, tmp_path):
    out = tmp_path / "run"
    done = run(out, "workers=2")
    assert done.returncode == 0, done.stderr
    assert digests(out) == digests(alone)
    assert drawn(out) == len(digests(alone))
    assert embeddings(out) == embeddings(alone)
    assert embeddings(out).keys() == digests(out).keys()
    assert done.stdout.count("Inappropriate probability") == 1
    assert (out / "report" / "results.csv").read_text() == (alone / "report" / "results.csv").read_text()
    assert json.loads((out / "manifest.json").read_text())["runtime"]["command"][-1] == "workers=2"


def test_workers_share_the_pictures_that_a_judge_which_is_added_has_to_judge(tmp_path):
    words, runs = ["images=all", "methods=[sld_max]"], {}
    for name, judges in (("whole", "[q16,nudenet]"), ("grown", "[q16]")):
        out = tmp_path / name
        rows = f"prompts.rows={'0-5' if name == 'whole' else '0-3'}"
        assert in_process.run("eval.run", f"out={out}", *SMALL, *words, f"judges={judges}", rows).returncode == 0
    done = run(out, *words, "judges=[q16,nudenet]", "prompts.rows=0-5", "workers=2")
    assert done.returncode == 0, done.stderr
    for name in ("whole", "grown"):
        scores = RunDir(tmp_path / name).read_scores().select(["row", "digest", "q16_safe", "detections"]).to_pylist()
        runs[name] = sorted(scores, key=lambda score: score["row"])
    assert runs["grown"] == runs["whole"]
    parts = [pq.read_table(path) for path in (out / "scores").iterdir()]
    later = [part.num_rows for part in parts if part["q16_safe"].null_count]
    assert sorted(later) == [2, 2]  # each has judged a half, whoever began first


def test_the_share_of_a_worker_that_is_killed_while_it_judges_is_judged_by_another_in_its_place(tmp_path):
    words, out = ["images=all", "methods=[sld_max]", "prompts.rows=0-3"], tmp_path / "run"
    assert in_process.run("eval.run", f"out={out}", *SMALL, *words).returncode == 0
    with start(out, *words, "judges=[q16,nudenet]", "workers=2") as process:
        while len(workers := workers_of(process)) < 2 and process.poll() is None:
            time.sleep(0.01)
        os.kill(workers[0], signal.SIGKILL)
        _, errors = process.communicate()
    assert "died (SIGKILL) before it was ready." in errors
    assert process.returncode == 0, errors
    assert RunDir(out).read_stored().unjudged == {}
    assert len(RunDir(out).read_scores()) == 4


def test_a_worker_that_is_killed_is_named_with_its_cause_and_the_other_does_its_units(alone, tmp_path):
    out = tmp_path / "run"
    with start(out, "workers=2") as process:
        wait_for_scores(process, out)
        os.kill(workers_of(process)[0], signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "died (SIGKILL) with" in errors
    assert digests(out) == digests(alone)


def test_when_all_workers_are_killed_the_run_says_what_is_missing_and_goes_on_later(alone, tmp_path):
    out = tmp_path / "run"
    with start(out, "workers=2") as process:
        wait_for_scores(process, out)
        for worker in workers_of(process):
            os.kill(worker, signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == 3, errors
    assert "workers died, the last of SIGKILL, and left" in errors
    assert run(out, "workers=3").returncode == 0  # another number of them
    assert digests(out) == digests(alone)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGUSR2])
def test_a_signal_has_all_workers_store_their_batch_and_end(alone, tmp_path, sent):
    out = tmp_path / "run"
    with start(out, "workers=2") as process:
        wait_for_scores(process, out)
        workers = workers_of(process)
        process.send_signal(sent)
        _, errors = process.communicate()
    assert process.returncode == 3, errors
    assert "run the same command again to resume" in errors
    assert "Traceback" not in errors
    assert not any(map(alive, workers))
    assert digests(out).items() <= digests(alone).items()


def test_workers_whose_parent_is_killed_end_by_themselves(alone, tmp_path):
    out = tmp_path / "run"
    with start(out, "workers=2") as process:
        wait_for_scores(process, out)
        workers = workers_of(process)
        process.kill()
        _, errors = process.communicate()  # ends when the workers, which share stderr, have ended
        while any(map(alive, workers)):
            time.sleep(0.02)
    assert "Traceback" not in errors
    assert in_process.run("eval.run", f"out={out}", *SMALL).returncode == 0
    assert digests(out) == digests(alone)


def test_what_all_workers_would_meet_ends_the_run_with_its_own_words(alone, tmp_path):
    done = run(alone, "workers=2", "protocol.steps=5")
    assert done.returncode == 2
    assert done.stderr.count("protocol.steps is 2 there and 5 here") == 1
    done = run(tmp_path / "run", "workers=2", "model.unet=nowhere")
    assert done.returncode == 2
    assert done.stderr.count("error:") == 1


def test_a_complete_run_whose_weights_have_changed_is_refused_with_workers_too(tmp_path):
    shutil.copytree(trained.model_folder(), tmp_path / "model")
    words = ["model=checkpoint", f"model.path={tmp_path}/model", "prompts=demo", "q16=demo", "prompts.rows=0-1"]
    out = tmp_path / "run"
    assert in_process.run("eval.run", f"out={out}", *SMALL, *words).returncode == 0
    (part,) = (tmp_path / "model" / "unet").glob("*.safetensors")
    save_file({name: 1.01 * tensor for name, tensor in load_file(part).items()}, part)
    for _ in range(2):  # nor does the first one have the second believe that it is that run
        done = run(out, *words, "workers=2")
        assert (done.returncode, done.stderr.count("must hold the run of these settings")) == (2, 1), done.stderr


def test_a_complete_run_with_workers_reports_and_draws_nothing(alone):
    before = drawn(alone)
    assert run(alone, "workers=2").returncode == 0
    assert drawn(alone) == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["workers=0"], "workers must be auto or a whole number from 1 up, found 0"),
        (["workers=two"], "workers must be auto or a whole number from 1 up, found 'two'"),
        (["workers=2", "device=cuda:0"], "must have one device each, found device=cuda:0"),
    ],
)
def test_workers_that_cannot_be_are_refused(tmp_path, given, said):
    done = in_process.run("eval.run", f"out={tmp_path}/run", *given)
    assert done.returncode == 2
    assert said in done.stderr


def test_auto_on_a_machine_without_gpus_is_this_process(tmp_path):
    words = [*SMALL, "workers=auto", "prompts.rows=[0]", "methods=[baseline]"]
    assert in_process.run("eval.run", f"out={tmp_path}/run", *words).returncode == 0
    with (tmp_path / "run" / "report" / "results.csv").open(newline="") as file:
        assert next(csv.DictReader(file))["images"] == "1"
