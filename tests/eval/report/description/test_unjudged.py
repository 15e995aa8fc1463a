"""What was not judged is said with its reasons, and no run without a verdict ends as a success."""

import itertools
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from eval import run
from eval.report import __main__ as report
from eval.report.description.summary import under_figure
from eval.report.make import make_report
from eval.store.rundir import RunDir

pytestmark = pytest.mark.usefixtures("figures_of_a_kind_are_one")
RNG = np.random.default_rng(0)
DEMO = ("model=images", "q16=demo", "judges=[q16]", "report.gallery=off")


def noise(path):
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)


def strip(path):
    pixels = np.zeros((1, 20_000, 3), np.uint8)
    pixels[0, ::2] = 255
    Image.fromarray(pixels).save(path)


@pytest.fixture
def judged(tmp_path, call, capsys):
    """Judges tmp_path/pics for so many prompts; returns the exit code and what was printed."""
    (tmp_path / "pics").mkdir()

    def judged(prompts, *more):
        (tmp_path / "p.txt").write_text("".join(f"prompt {n}\n" for n in range(prompts)))
        words = (f"model.path={tmp_path}/pics", f"prompts.path={tmp_path}/p.txt", f"out={tmp_path}/run")
        code = call(run.main, *DEMO, *words, *more)
        return code, capsys.readouterr()

    return judged


def test_reasons_stand_grouped_with_names_in_terminal_markdown_and_page(tmp_path, judged):
    pics = tmp_path / "pics"
    for row in range(7):
        (pics / f"{row}_0.png").write_bytes(b"404: not found")
    Image.new("1", (5000, 5000)).save(pics / "7_0.png")
    Image.new("1", (6000, 7000)).save(pics / "8_0.png")
    strip(pics / "9_0.png")
    noise(pics / "10_0.png")
    code, said = judged(11)
    assert code == 3
    for line in (
        "unreadable, 7 images: no PNG, JPEG, WEBP picture (0_0.png, 1_0.png, 2_0.png, 3_0.png, 4_0.png and 2 more).",
        "unreadable, 2 images: 5,000 × 5,000 pixels, more than the 16,777,216 that are decoded, and the like "
        "(7_0.png, 8_0.png).",
        "judge_failed, 1 image: q16: can never be judged: 20,000 × 1 pixels, more than 640 times as long as wide "
        "(9_0.png).",
    ):
        assert line in said.out
        assert line in json.loads((tmp_path / "run" / "report" / "results.json").read_text())["notes"]
        assert line in (tmp_path / "run" / "report" / "report.html").read_text()
        assert line in (tmp_path / "run" / "report" / "results.md").read_text()
    last = said.err.strip().splitlines()[-1]
    assert last.startswith("10 of 11 images are missing or unjudged (pics 0_0, ")
    assert "replace in place the 9 files that can't be read, replace in place the file that no judge can take" in last
    assert "(the command alone changes nothing there); then this completes the run: " in last


def test_the_file_that_is_not_there_is_to_be_added_before_the_command_completes_the_run(tmp_path, judged):
    noise(tmp_path / "pics" / "0_0.png")
    code, said = judged(2)
    assert code == 3
    assert "add the file not there yet (the command alone changes nothing there); then this completes" in said.err
    noise(tmp_path / "pics" / "1_0.png")
    assert judged(2)[0] == 0


def test_what_can_never_be_judged_is_not_judged_again_until_its_file_is_another(tmp_path, judged):
    pics = tmp_path / "pics"
    strip(pics / "0_0.png")
    (pics / "1_0.png").write_bytes(b"")
    noise(pics / "2_0.png")
    assert judged(3)[0] == 3
    parts = sorted((tmp_path / "run" / "scores").iterdir())
    assert judged(3)[0] == 3
    assert sorted((tmp_path / "run" / "scores").iterdir()) == parts
    noise(pics / "0_0.png")
    noise(pics / "1_0.png")
    code, said = judged(3)
    assert code == 0, said.err
    (every,) = (r for r in json.loads((tmp_path / "run/report/results.json").read_text())["results"])
    assert (every["images"], every["unreadable"], every["judge_failed"]) == (3, 0, 0)


@pytest.mark.parametrize("kind", ["blank", "unreadable", "judge_failed"])
def test_a_run_of_which_no_picture_could_be_judged_is_no_success(tmp_path, judged, call, capsys, kind):
    for row in range(3):
        path = tmp_path / "pics" / f"{row}_0.png"
        if kind == "blank":
            Image.new("RGB", (64, 64), (row, row, row)).save(path)
        elif kind == "unreadable":
            path.write_bytes(b"no picture")
        else:
            strip(path)
    code, said = judged(3)
    assert code == 3
    sentence = f"No picture of this run could be judged (3 {kind}), so it has no numbers: "
    assert said.err.strip().splitlines()[-1].startswith(sentence)
    assert {r["state"] for r in pq.read_table(tmp_path / "run" / "scores").to_pylist()} == {kind}
    assert call(report.main, tmp_path / "run") == 3
    assert sentence in capsys.readouterr().err


def test_a_shard_of_which_no_picture_could_be_judged_is_no_success(tmp_path, judged):
    pics = tmp_path / "pics"
    Image.new("RGB", (64, 64), (9, 9, 9)).save(pics / "0_0.png")
    noise(pics / "1_0.png")
    code, said = judged(2, "shard.count=3", "shard.index=0")
    assert code == 3
    assert "No picture of shard 0 of 3 could be judged (1 blank)" in said.err
    assert judged(2, "shard.count=3", "shard.index=2")[0] == 0  # it has no prompt
    code, said = judged(2, "shard.count=3", "shard.index=1")
    assert code == 0, said.err


def test_a_method_of_which_no_picture_could_be_judged_is_named_and_no_success(tmp_path, judged):
    for method in ("base", "mine"):
        (tmp_path / "pics" / method).mkdir()
        for row in range(2):
            path = tmp_path / "pics" / method / f"{row}_0.png"
            noise(path) if method == "base" else Image.new("RGB", (64, 64), (9, 9, 9)).save(path)
    code, said = judged(2)
    assert code == 3
    assert "No picture of mine could be judged (2 blank), so it has no numbers: look at the files" in said.err


def test_a_shard_does_not_promise_that_its_command_completes_what_it_never_can(tmp_path, judged):
    for row in range(4):
        noise(tmp_path / "pics" / f"{row}_0.png")
    (tmp_path / "pics" / "0_0.png").write_bytes(b"no picture")
    code, said = judged(4, "shard.count=2", "shard.index=0")
    assert code == 3
    expected = (
        "Shard 0 of 2: 1 image is missing or unjudged; replace in place the file that can't be read (the command "
        "alone changes nothing there); then run the same command again to retry them."
    )
    assert expected in said.out


def test_drawn_pictures_that_are_all_nan_are_no_success(tmp_path, call, capsys, monkeypatch):
    """In float16 a decoder may overflow: here each picture is said to be not finite."""
    monkeypatch.setattr("eval.generate.judge.state_of", lambda image: "nan")
    words = ("prompts.rows=0-1", "methods=[baseline]", "judges=[q16]", "protocol.steps=2", "images=none")
    assert call(run.main, *words, "protocol.images_per_prompt=1", f"out={tmp_path}/run") == 3
    err = capsys.readouterr().err
    assert "No picture of this run could be judged (2 nan), so it has no numbers: " in err
    assert "dtype=float32" in err
    lost = "2 of 2 images are blank or nan, and in no share."
    assert lost in (tmp_path / "run/report/results.tex").read_text()
    assert lost in under_figure(make_report(RunDir(tmp_path / "run")))


def test_a_library_s_reasons_are_one_whatever_their_addresses_and_are_shortened(tmp_path, judged, monkeypatch):
    """Each picture alone makes the judge fail, with an object's address and pages of words."""

    def fail(name, judge, pictures):
        if pictures[0].shape[0] == 512:  # the picture that tells a broken judge from one that some pictures break
            return [None]
        raise RuntimeError(
            f"no kernel for <Node object at {hex(id(object()) + next(count) * 0xABCDEF)}> " + "pages " * 999
        )

    count = itertools.count()
    monkeypatch.setattr("eval.generate.judge._verdicts", fail)
    for row in range(3):
        noise(tmp_path / "pics" / f"{row}_0.png")
    code, said = judged(3)
    assert code == 3
    (line,) = [line for line in said.out.splitlines() if line.startswith("judge_failed, 3 images: q16: no kernel")]
    assert line.endswith("pages …, and the like (0_0.png, 1_0.png, 2_0.png).")
    assert len(line) < 500
