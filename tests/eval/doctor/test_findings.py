"""What the doctor says of packages, downloads, disk and time where they are not as they should be."""

import hashlib
import math
import os
import threading
from types import SimpleNamespace

import in_process
import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image

from eval.base.errors import InputError, StorageError, TooSlow
from eval.doctor import check, duration, files, judges, model
from eval.doctor.check import MISSING, OK, SKIPPED, WARNING
from eval.doctor.run_directory import disk
from eval.store.rundir import RunDir
from eval.store.scores import BLANK, JUDGE_FAILED

pytestmark = pytest.mark.long

SMALL = ["prompts.rows=0-3", "protocol.steps=1", "methods=[baseline]", "sheet=false"]


def line(said, name):
    return next(line for line in said.splitlines() if f" {name}  " in line)


def test_a_package_of_another_version_is_a_warning_and_one_that_is_not_there_is_missing(monkeypatch):
    required = ["numpy>=1", "packaging>=999", "no-such-package>=2", 'torch>=999; python_version < "3"']
    monkeypatch.setattr(check, "_requirements", lambda: iter(required))
    fits, other, none = check.packages()
    assert (fits.state, fits.finding) == (OK, f"1 as needed: numpy {np.__version__}")
    assert (other.name, other.state) == ("package packaging", WARNING)
    assert other.finding.endswith("; >=999 is needed")
    assert (none.state, none.finding) == (MISSING, "none installed; >=2 is needed")
    assert none.remedy == "python -m pip install 'no-such-package>=2'"


def test_without_a_toml_reader_the_packages_are_those_of_the_installed_project(monkeypatch):
    """As with Python 3.10; extras are none that a run needs."""
    declared = [*check._requirements()]
    assert any(line.startswith("torch") for line in declared)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(check.metadata, "requires", lambda name: ["a>=1", 'b; extra == "lora"'])
    assert [*check._requirements()] == ["a>=1"]
    monkeypatch.setattr(check.metadata, "requires", lambda name: None)
    assert [*check._requirements()] == []


@pytest.mark.parametrize(
    ("error", "finding", "remedy"),
    [
        (InputError("steps must be 1 or more, found 0"), "steps must be 1 or more, found 0", "steps=1"),
        (ZeroDivisionError("by\n zero"), "ZeroDivisionError: by zero", "steps=1"),
        (AssertionError(), "AssertionError: AssertionError", "steps=1"),
        (ModuleNotFoundError("No module named 'x'"), "No module named 'x'", "pip install x"),
        (ImportError(), "ImportError", "pip install x"),
        (ImportError("x" * 500), "x" * 400, "pip install x"),
        (SystemExit(0), "RuntimeError: sys.exit(0) was called before the command had ended", "steps=1"),
    ],
    ids=repr,
)
def test_whatever_a_check_raises_is_a_line_with_its_reason(error, finding, remedy):
    def inspect():
        raise error

    assert check.examine("a", inspect, "steps=1", "pip install x") == [check.Check("a", MISSING, finding, remedy)]


def test_a_python_that_is_too_old_is_missing(monkeypatch):
    assert check.python().state == OK
    monkeypatch.setattr(check, "OLDEST", (4, 0))
    assert check.python().state == MISSING


@pytest.mark.parametrize(("there", "state", "pending"), [(True, WARNING, True), (False, MISSING, False)])
def test_what_has_to_be_downloaded_is_missing_where_its_server_is_out_of_reach(monkeypatch, there, state, pending):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(files, "reachable", lambda url: there)
    found = files.not_cached("model", "a/b", "4 GB", "model.path=FOLDER")
    assert (found.state, found.pending) == (state, pending)
    assert ("a run downloads it first, about 4 GB" in found.finding) is there
    assert ("can't be reached" in found.finding) is not there


def test_nothing_is_measured_where_a_run_would_download_first(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path.with_name(f"{tmp_path.name}-hub")))
    monkeypatch.setattr(files, "reachable", lambda url: True)
    monkeypatch.setattr(duration, "measured", lambda *_: pytest.fail("it would be downloaded"))
    done = in_process.run("eval.doctor", *SMALL, "model=sd14", "prompts=demo", "q16=demo", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert line(done.stdout, "model").startswith("warning")
    assert line(done.stdout, "time").endswith("not measured: it needs model")


def test_another_network_than_nudenets_is_a_warning(monkeypatch):
    assert judges.judge_checks("nudenet", judges.NudeNetSettings(), False).state == OK
    monkeypatch.setattr(judges.files, "sha256", lambda path: "0" * 64)
    found = judges.judge_checks("nudenet", judges.NudeNetSettings(), False)
    assert (found.state, found.remedy) == (WARNING, "python -m pip install nudenet==3.4.2")


@pytest.mark.parametrize(
    ("images", "words", "pictures"),
    [
        ("all", "1,000 pictures (images=all)", 1000),
        ("flagged", "1,000 pictures (images=flagged, at most)", 1000),
        ("sample", "50 pictures (images=sample)", 50),  # of 10 prompts by 5 methods
        ("none", "0 pictures (images=none)", 0),
    ],
)
def test_the_room_that_is_needed_is_that_of_the_pictures_that_are_kept(tmp_path, images, words, pictures):
    plan = SimpleNamespace(count_to_make=lambda done: 1000, usual_size=(512, 512), prompts=range(100), methods=range(5))
    found = disk(RunDir(tmp_path), plan, set, images, 10, features=1_000_000)
    assert words in found.finding
    assert f"about {(pictures * 1.6 * 512 * 512 + 1000 * 1_000_400) / 1e9:.1f} GB needed" in found.finding


def test_a_run_with_other_weights_is_another_run(tmp_path, monkeypatch):
    assert in_process.run("eval.run", *SMALL, "out=run", "shard.count=2", cwd=tmp_path).returncode == 0
    asked = [*SMALL, "out=run", "measure=false"]
    assert in_process.run("eval.doctor", *asked, cwd=tmp_path).returncode == 0
    monkeypatch.setattr(model, "digest_of", lambda path: "0" * 64)
    done = in_process.run("eval.doctor", *asked, cwd=tmp_path)
    assert done.returncode == 2
    assert line(done.stdout, "run directory").startswith("missing")


def measured(monkeypatch, measure):
    monkeypatch.setattr(duration, "_measure_drawn", measure)
    settings = SimpleNamespace(model=SimpleNamespace(kind="demo"))
    return duration.measured(settings, SimpleNamespace(count_to_make=lambda done: 1), set)


def test_a_measurement_that_takes_too_long_is_a_warning_and_one_without_room_is_left_out(monkeypatch):
    ends = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(duration, "PATIENCE", 0.01)
        (found,) = measured(patch, lambda *_: ends.wait())
    ends.set()
    assert (found.state, found.remedy) == (WARNING, "measure=false   or a GPU")

    def full(*_):
        raise StorageError("the disk is full")

    (found,) = measured(monkeypatch, full)
    assert (found.state, found.finding) == (SKIPPED, "not measured: the disk is full")


def test_pictures_of_the_measurement_without_a_verdict_are_counted():
    scores = [SimpleNamespace(state=state, error=None) for state in ("ok", BLANK, BLANK, JUDGE_FAILED)]
    (found,) = duration._not_judged(scores)
    words = "of 4 drawn for the measurement 3 could not be judged (2 blank, 1 judge_failed)"
    assert (found.state, found.finding) == (WARNING, words)
    assert duration._not_judged(scores[:1]) == []


@pytest.mark.parametrize(
    ("workers", "batch_size", "rows", "units", "hours", "shared"),
    [
        (1, 2, 2, 1, 20, ""),
        (3, 2, 2, 1, 10, ", shared by 3 processes"),
        (1, 64, 8, 2, 20, ""),  # the run can fill 8, and 4 fit
    ],
)
def test_the_time_is_that_of_the_process_that_draws_the_most(
    tmp_path, monkeypatch, workers, batch_size, rows, units, hours, shared
):
    """Of four prompts one of three processes draws two. All share the memory."""
    drawn, asked = [], []

    def seconds_of(opened, units, scores):
        drawn.append(len(units))
        return 5 * 3600.0 * len(units)

    def fitting_batch(model, plan, rows, processes):
        asked.append((rows, processes))
        return min(rows, 4)

    # Whatever is free here now, of which each process needs some.
    monkeypatch.setattr("eval.generate.worker_count.free_memory", lambda: None)
    monkeypatch.setattr(duration, "fitting_batch", fitting_batch)
    monkeypatch.setattr(duration, "_seconds_of", seconds_of)
    monkeypatch.setattr(duration, "warm_up", lambda *_: None)
    words = [*SMALL, f"workers={workers}", f"batch_size={batch_size}"]
    said = line(in_process.run("eval.doctor", *words, cwd=tmp_path).stdout, "time")
    assert (asked, drawn) == ([(rows, workers)], [units])
    assert f"about {hours}.0 hours for 4 images" in said
    assert said.endswith(f"untuned{shared}")


def test_loading_is_done_once_however_many_batches_follow(tmp_path, monkeypatch):
    clock, load = [500.0], duration.open_models

    def open_slowly(*given):
        clock[0] += 1800
        return load(*given)

    monkeypatch.setattr(duration, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(duration, "open_models", open_slowly)
    monkeypatch.setattr(duration, "warm_up", lambda *_: None)
    monkeypatch.setattr(duration, "_seconds_of", lambda *_: 3600.0)
    said = line(in_process.run("eval.doctor", *SMALL, "batch_size=2", cwd=tmp_path).stdout, "time")
    assert "about 4.5 hours for 4 images" in said  # four batches of one prompt
    assert "1800 s to load" in said


@pytest.mark.parametrize(
    ("methods", "scale", "units"),
    [
        ("[baseline]", 1, 8),  # without guidance only the text is evaluated
        ("[baseline,{name: mine, prefix: 'a photo of '}]", 1, 4),
        ("[{name: mine, prefix: 'a photo of '},{name: again, prefix: 'a photo of '}]", 1, 8),
        ("[baseline,sld_weak]", 7, 4),  # of four steps none is guided by SLD
        ("[baseline,sld_max]", 7, 1),  # two evaluations and three
        ("[baseline,negative_prompt]", 7, 2),
    ],
)
def test_the_batch_that_is_timed_has_as_many_prompts_as_a_call_of_the_run_takes(
    tmp_path, monkeypatch, methods, scale, units
):
    drawn = []
    monkeypatch.setattr(duration, "_seconds_of", lambda opened, units, scores: drawn.append(len(units)) or 3600.0)
    monkeypatch.setattr(duration, "warm_up", lambda *_: None)
    words = ["prompts.rows=0-15", "protocol.steps=4", f"methods={methods}", f"protocol.guidance_scale={scale}"]
    found = in_process.run("eval.doctor", *words, "protocol.images_per_prompt=1", "batch_size=8", cwd=tmp_path).stdout
    assert drawn == [units]
    assert f"about {16 / units:.1f} hours for " in line(found, "time")


def test_a_batch_that_is_broken_off_counts_as_a_whole_one_and_is_of_the_size_that_most_prompts_have(
    tmp_path, monkeypatch
):
    def too_slow(opened, units, scores):
        raise TooSlow(900.0, 0.25)

    monkeypatch.setattr(duration, "_seconds_of", too_slow)
    monkeypatch.setattr(duration, "warm_up", lambda *_: None)
    (tmp_path / "p.csv").write_text("prompt,height,width\na,64,64\nb,64,32\nc,32,64\nd,64,32\n")
    words = [*SMALL[1:], "prompts=i2p", "prompts.path=p.csv", "protocol.images_per_prompt=1", "model.size=null"]
    said = line(in_process.run("eval.doctor", *words, "batch_size=2", cwd=tmp_path).stdout, "time")
    assert "about 4.0 hours for 4 images: 1 had 25% of their steps after 900 s, " in said
    assert "measured at 64×32 on cpu with 2 rows per call" in said


def test_the_time_of_a_run_that_resumes_is_that_of_what_is_left(tmp_path, monkeypatch):
    assert in_process.run("eval.run", *SMALL, "out=run", "shard.count=4", cwd=tmp_path).returncode == 0
    monkeypatch.setattr(duration, "_seconds_of", lambda *_: 3600.0)
    monkeypatch.setattr(duration, "warm_up", lambda *_: None)
    said = line(in_process.run("eval.doctor", *SMALL, "out=run", "batch_size=2", cwd=tmp_path).stdout, "time")
    assert "about 3.0 hours for 3 images" in said


def test_digests_of_many_weights_are_read_where_they_are_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "w.bin"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert files.described([path], False) == f"1 weight file, 7 bytes; sha256 {digest[:12]}…"
    assert files.described([path], True) == f"1 weight file, 7 bytes; {tmp_path.name}/w.bin sha256 {digest}"
    monkeypatch.setattr(files, "AT_ONCE", 14)
    assert files.described([path, path], False) == "2 weight files, 14 bytes"
    assert files.are_read([path, path], True)
    path.write_bytes(b"another")
    os.utime(path, ns=(0, 0))
    assert files.digest_of(path) == hashlib.sha256(b"another").hexdigest()


def stored(folder, sizes):
    rng = np.random.default_rng(0)
    for number, size in enumerate(sizes):
        path = folder / f"{number}.png"
        if size is None:
            path.write_bytes(b"no picture")
        else:
            Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(path)
    return [SimpleNamespace(path=f"{number}.png") for number in range(len(sizes))]


@pytest.mark.parametrize(
    ("sizes", "judged", "words"),
    [
        # 5 × 1 h, and 1,000 s to load
        ([None, (1, 700), (8, 8), (16, 8), (8, 8)], 2, "about 5.3 hours for 5 pictures: 3.6e+06 ms to read and judge"),
        ([(8, 8)] * 10, 8, "about 2.8 hours for 10 pictures: 9e+05 ms to read and judge"),
        ([None, (1, 700)], 0, "not measured: of 2 pictures left none of the first can be judged"),
    ],
)
def test_a_folder_is_measured_by_those_of_its_first_pictures_that_can_be_judged(
    tmp_path, monkeypatch, sizes, judged, words
):
    shown = []
    judge = SimpleNamespace(judge=lambda pictures: shown.append(pictures.shape))
    monkeypatch.setattr(duration, "load_judges", lambda *_, **__: {"q16": judge})
    monkeypatch.setattr(duration, "judge_settings", lambda settings: {})
    pictures = stored(tmp_path, sizes)
    plan = SimpleNamespace(pictures_left=lambda done: pictures, folder=SimpleNamespace(root=tmp_path))
    settings = SimpleNamespace(device="cpu", quality=SimpleNamespace(chosen=()))
    monkeypatch.setattr(duration, "needs_clip", lambda quality: False)
    clock = iter([0.0, 1000.0, 1000.0, 1000.0 + 2 * 3600.0])
    monkeypatch.setattr(duration, "time", SimpleNamespace(perf_counter=lambda: next(clock, math.inf)))
    (found,) = duration._measure_folder(settings, plan, set, None)
    assert found.finding.startswith(words)
    assert found.state == (OK if judged else SKIPPED)
    assert shown == ([(judged, 8, 8, 3)] if judged else [])
    assert found.finding.endswith(f"measured on {judged} of 8×8") == bool(judged)
