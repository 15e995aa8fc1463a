"""`prompts=none`: a folder of any pictures, without prompts, gives a number in one command."""

import html
import json
import os
import shlex
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from pages import page_text
from PIL import Image

from eval import run, status
from eval.compare import __main__ as compare
from eval.doctor import __main__ as doctor
from eval.folder.without_prompts import natural, pictures_without_prompts
from eval.measure.estimates import probability
from eval.report import __main__ as report
from eval.store.pictures import read_pictures
from eval.store.rundir import RunDir

RNG = np.random.default_rng(0)
PROMPTLESS = ("model=images", "prompts=none", "q16=demo", "judges=[q16]", "report.gallery=clear")


def noise(path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, **options)


@pytest.fixture
def judged(tmp_path, call, capsys):
    """Judges tmp_path/pics into tmp_path/run; returns the exit code and what went to stderr."""

    def judged(*more, main=run.main):
        code = call(main, *PROMPTLESS, f"model.path={tmp_path}/pics", f"out={tmp_path}/run", *more)
        return code, capsys.readouterr().err

    return judged


def texts(out) -> list[str]:
    return [json.loads(line)["text"] for line in (out / "prompts.jsonl").read_text().splitlines()]


def results(out) -> dict:
    return json.loads((out / "report" / "results.json").read_text())


def test_every_picture_of_a_folder_is_a_prompt_of_its_own_and_one_command_gives_a_number(tmp_path, judged):
    pics = tmp_path / "pics"
    for name in ("10.png", "2.png", "1.jpg", "a.webp", "sub/deep/3.png"):
        noise(pics / name)
    noise(pics / "no suffix", format="PNG")
    (pics / "prompts.txt").write_text("a fox\n")
    (pics / "Thumbs.db").write_bytes(b"\xd0\xcf")
    (pics / ".hidden.png").write_bytes(b"")
    os.symlink("2.png", pics / "latest.png")
    code, err = judged()
    assert code == 0, err
    assert texts(tmp_path / "run") == ["1.jpg", "2.png", "10.png", "a.webp", "no suffix", "sub/deep/3.png"]
    rows = sorted(pq.read_table(tmp_path / "run" / "scores").to_pylist(), key=lambda row: row["row"])
    assert [(r["method"], r["row"], r["image"], r["state"]) for r in rows] == [("pics", n, 0, "ok") for n in range(6)]
    (every,) = results(tmp_path / "run")["results"]
    positives = sum(r["q16_inappropriate"] > r["q16_safe"] for r in rows)
    assert (every["category"], every["prompts"], every["images"]) == ("all", 6, 6)
    assert every["probability"] == pytest.approx(positives / 6)
    expected = probability(np.array([r["q16_inappropriate"] > r["q16_safe"] for r in rows], int), np.ones(6, int))
    assert (every["new_prompts_low"], every["new_prompts_high"]) == pytest.approx((expected.low, expected.high))
    notes = results(tmp_path / "run")["notes"]
    assert "Files that are not pictures, ignored: 2 (Thumbs.db, prompts.txt)." in notes
    assert "Links to other files of the folder, ignored: 1 (latest.png)." in notes
    assert any(note.startswith("Each picture is a prompt of its own, of no category: ") for note in notes)


def test_nothing_of_a_test_bed_is_claimed_for_pictures_without_prompts(tmp_path, judged):
    for n in range(3):
        noise(tmp_path / "pics" / f"{n}.png")
    assert judged()[0] == 0
    markdown = (tmp_path / "run" / "report" / "results.md").read_text()
    assert "3 of the folder's pictures, each a prompt of its own, digest" in markdown
    assert "no prompts, each picture one of its own, instead of I2P as it was published" in markdown
    page = html.unescape(page_text(tmp_path / "run" / "report"))
    assert "3 pictures per method, each a prompt of its own, 1 method, judged by the demo world's Q16." in page
    assert "Paired" not in markdown
    assert "Published numbers" not in markdown
    assert results(tmp_path / "run")["published"] == []


ODD = [
    "a  b.png",
    "new\nline.png",
    "<script>document.title = 1<.png",
    "=1+1.png",
    "'\"$(reboot)`.png",
    "\u202egnp.png",
    f"{'x' * 200}.png",
    "%s {0} {{ 7 }}.png",
    "ü.png",
    "-rf.png",
]


def test_names_of_any_kind_are_texts_and_lead_back_to_their_pictures(tmp_path, judged, call):
    pics = tmp_path / "pics"
    for name in ODD:
        noise(pics / name)
    noise(pics / "plain.png")
    os.rename(pics / "plain.png", os.fsencode(pics) + b"/\xff\xfe.png")
    code, err = judged("report.images=true")
    assert code == 0, err
    assert set(texts(tmp_path / "run")) == {*ODD, "\\xff\\xfe.png"}
    root, pictures, _ = read_pictures(RunDir(tmp_path / "run"))
    assert {os.fsencode(path) for path, _ in pictures.values()} == {*map(os.fsencode, ODD), b"\xff\xfe.png"}
    assert all((root / path).is_file() for path, _ in pictures.values())
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "<script>document" not in page
    assert "%FF%FE.png" in page  # the link of the gallery
    assert judged("verify=true")[0] == 0
    assert call(report.main, tmp_path / "run") == 0


def test_a_picture_that_is_added_to_the_folder_is_judged_and_the_others_keep_their_rows(tmp_path, judged):
    out, pics = tmp_path / "run", tmp_path / "pics"
    for n in range(3):
        noise(pics / f"{n}.png")
    assert judged()[0] == 0
    [first] = (out / "scores").iterdir()
    before = first.read_bytes()
    noise(pics / "1b.png")
    assert judged()[0] == 0
    assert texts(out) == ["0.png", "1.png", "1b.png", "2.png"]
    lines = [json.loads(line) for line in (out / "prompts.jsonl").read_text().splitlines()]
    assert [(line["row"], line["seed"]) for line in lines] == [(0, 0), (1, 1), (3, 3), (2, 2)]
    assert first.read_bytes() == before
    [added] = [part for part in (out / "scores").iterdir() if part != first]
    assert pq.read_table(added)["row"].to_pylist() == [3]
    assert [row["images"] for row in results(out)["results"]] == [4]
    assert "4 prompts instead of 3" in (out / "report" / "results.md").read_text()
    assert judged()[0] == 0
    assert len(list((out / "scores").iterdir())) == 2
    (pics / "1b.png").unlink()
    code, err = judged()
    assert code == 2
    assert "found less (3 of its 4 prompts): put back what its folder had, add to what made it" in err


def test_subfolders_with_the_same_names_are_methods_paired_by_name(tmp_path, judged):
    for method, suffix in (("mine", "jpg"), ("baseline", "png")):
        for n in range(4):
            noise(tmp_path / "pics" / method / f"{n}.{suffix}")
    code, err = judged()
    assert code == 0, err
    found = results(tmp_path / "run")
    assert [(r["method"], r["prompts"]) for r in found["results"]] == [("baseline", 4), ("mine", 4)]
    markdown = (tmp_path / "run" / "report" / "results.md").read_text()
    assert "## Paired, on the same file names" in markdown
    assert texts(tmp_path / "run") == ["0.png", "1.png", "2.png", "3.png"]
    shutil.rmtree(tmp_path / "run")
    assert judged("model.layout=pictures", "model.method=all")[0] == 0
    assert [(r["method"], r["prompts"]) for r in results(tmp_path / "run")["results"]] == [("all", 8)]


def test_subfolders_that_share_some_names_are_refused_with_what_to_say(tmp_path, judged):
    for path in ("a/1.png", "a/2.png", "b/1.png"):
        noise(tmp_path / "pics" / path)
    code, err = judged()
    assert code == 2
    assert "found 1 picture that only some of a, b have (a/2.png)" in err
    assert judged("model.layout=pictures")[0] == 0
    shutil.rmtree(tmp_path / "run")
    code, err = judged("model.layout=methods")
    assert code == 3
    assert "add the file not there yet" in err


@pytest.mark.parametrize(
    "paths",
    [
        ("a/1.png", "b/2.png"),  # nothing shared
        ("a/1.png", "b/1.png", "2.png"),  # one beside the subfolders
        ("00000/samples/0000.png", "00001/samples/0000.png"),  # GenEval's, one a prompt
        tuple(f"prompt {n}/0.png" for n in range(3)),  # no names of methods
        tuple(f"prompt_{n}/0.png" for n in range(21)),
    ],
)
def test_other_subfolders_hold_pictures_of_one_method(tmp_path, paths):
    for path in paths:
        noise(tmp_path / path)
    placed = pictures_without_prompts(str(tmp_path), "auto", None).matches.placed
    assert {(match.path, match.method) for match in placed} == {(path, None) for path in paths}
    assert len(placed) == len(paths)


def test_a_picture_that_cannot_be_read_is_counted_and_one_in_another_format_too(tmp_path, judged):
    noise(tmp_path / "pics" / "0.png")
    noise(tmp_path / "pics" / "1.gif")
    (tmp_path / "pics" / "2.png").write_bytes(b"")
    code, err = judged()
    assert code == 3
    assert "replace in place the 2 files that can't be read" in err
    noise(tmp_path / "pics" / "1.gif", format="PNG")
    noise(tmp_path / "pics" / "2.png")
    assert judged()[0] == 0


def test_the_figures_of_a_report_in_the_folder_are_none_of_its_pictures(tmp_path, judged):
    noise(tmp_path / "pics" / "0.png")
    inside = f"out={tmp_path}/pics/run"
    assert judged(inside)[0] == 0
    assert judged(inside)[0] == 0


def test_shards_give_what_one_run_gives_and_status_and_compare_work(tmp_path, judged, call, capsys):
    for n in range(5):
        noise(tmp_path / "pics" / f"{n}.png")
    assert judged()[0] == 0
    for index in (0, 1):
        assert judged(f"out={tmp_path}/sharded", "shard.count=2", f"shard.index={index}")[0] == 0
    assert results(tmp_path / "run")["results"] == results(tmp_path / "sharded")["results"]
    assert call(status.main, tmp_path / "sharded") == 0
    assert call(compare.main, tmp_path / "run", tmp_path / "sharded", "paired=false") == 0


def test_a_part_of_the_pictures_can_be_chosen(tmp_path, judged):
    for n in range(9):
        noise(tmp_path / "pics" / f"{n}.png")
    code, err = judged("prompts.sample=4")
    assert code == 0, err
    assert results(tmp_path / "run")["results"][-1]["images"] == 4


def wrong(tmp_path, kind):
    pics = tmp_path / "pics"
    pics.mkdir()
    if kind == "no picture":
        (pics / "a.txt").write_text("a")
    if kind == "none that begins as one":
        (pics / "a.png").write_text("404")
        (pics / "b.jpg").write_bytes(b"")
    if kind == "a link out":
        noise(tmp_path / "b.png")
        noise(pics / "a.png")
        os.symlink("../b.png", pics / "c.png")
    if kind in ("categories", "other prompts", "a model", "layout", "published"):
        noise(pics / "a.png")


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("empty", (), "must hold pictures that are PNG, JPEG or WebP, found none: "),
        ("no picture", (), "found none among 1 file (a.txt): "),
        (
            "none that begins as one",
            (),
            "found 2 files named like pictures that are none (a.png, b.jpg)",
        ),
        ("a link out", (), "found 1 link out of it (c.png)"),
        (
            "categories",
            ("prompts.categories=[sexual]",),
            "prompts.categories is ['sexual'], which would have no effect",
        ),
        ("other prompts", ("prompts.path=p.csv",), "prompts.path is 'p.csv', which would have no effect"),
        ("a model", ("model=demo",), "give model=images model.path=FOLDER, or choose prompts"),
        ("layout", ("model.layout=row",), "model.layout must be one of auto, pictures, methods"),
        ("layout", ("model.layout=methods",), "subfolders with names that methods may have for model.layout=methods"),
        ("published", ("model.published_as=sd14",), "no numbers are published for pictures without prompts"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(tmp_path, judged, call, capsys, kind, more, said):
    wrong(tmp_path, kind)
    if kind == "a model":
        code, err = call(run.main, "prompts=none", f"out={tmp_path}/run"), capsys.readouterr().err
    else:
        code, err = judged(*more)
    assert code == 2
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert not (tmp_path / "run").exists()


def test_the_doctor_says_what_a_run_would_say(tmp_path, judged, call, capsys):
    wrong(tmp_path, "no picture")
    words = (*PROMPTLESS, f"model.path={tmp_path}/pics", f"out={tmp_path}/run", "measure=false")
    assert call(doctor.main, *words) == 2
    assert "found none among 1 file (a.txt)" in capsys.readouterr().out
    noise(tmp_path / "pics" / "a.png")
    assert call(doctor.main, *words) == 0
    assert "the folder's own: 1, digest" in capsys.readouterr().out


def test_a_folder_of_an_unknown_layout_is_refused_with_the_command_that_takes_it(tmp_path, call, capsys):
    for name in ("sunset.png", "sea.png"):
        noise(tmp_path / "my pics" / name)
    words = ("model=images", "prompts=demo", "q16=demo", "judges=[q16]", f"out={tmp_path}/run")
    assert call(run.main, *words, f"model.path='{tmp_path}/my pics'") == 2
    advice = capsys.readouterr().err.strip().rpartition("prompt of its own, ")[2]
    assert advice.endswith("prompts=none")
    assert call(run.main, "q16=demo", "judges=[q16]", f"out={tmp_path}/run", *shlex.split(advice)) == 0


def test_the_layout_is_refused_before_prompts_are_looked_for_on_the_hub_by_the_doctor_too(
    tmp_path, call, capsys, monkeypatch
):
    def unreachable(*_, **__):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("eval.plan.make.read_prompts", unreachable)
    monkeypatch.setattr("eval.doctor.prompts.read_prompts", unreachable)
    noise(tmp_path / "pics" / "sunset.png")
    words = ("model=images", "q16=demo", "judges=[q16]", f"out={tmp_path}/run", f"model.path={tmp_path}/pics")
    assert call(run.main, *words) == 2
    sentence = f"model=images model.path={tmp_path}/pics prompts=none"
    assert sentence in capsys.readouterr().err
    assert call(doctor.main, *words, "measure=false") == 2
    assert sentence in capsys.readouterr().out


def test_numbers_in_names_sort_as_numbers():
    names = ["10.png", "9.png", "a10b2.png", "a10b10.png", "a9.png", "01.png", "1.png"]
    assert sorted(names, key=natural) == ["01.png", "1.png", "9.png", "10.png", "a9.png", "a10b2.png", "a10b10.png"]
