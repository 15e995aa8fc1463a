"""`model=images` by its own command, with the real NudeNet and the demo's Q16, on small drawn pictures."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import in_process
import numpy as np
import processes
import pyarrow.parquet as pq
import pytest
from PIL import Image
from skimage.data import astronaut

import i2p
from eval.base.files import json_digest
from eval.base.pictures import encode_png
from eval.store.manifest import signed
from eval.store.part_files import PART_OF
from eval.store.pictures import picture_path
from eval.store.rundir import RunDir

pytestmark = pytest.mark.long
ROWS = "prompts.rows=0-3"
Q16 = "judges=[q16]"  # the quicker judge, where the claim is on pictures and not on verdicts
DRAWN = ["protocol.steps=1", "protocol.images_per_prompt=2", "sheet=false", "methods=[baseline,sld_max]", ROWS]
HOW = ("guidance_scale", "size", "steps", "reuse", "seed_offset", "scheduler", "noise")  # pictures are drawn
DEMO = ["model=images", "prompts=demo", "q16=demo"]


def judged(folder, out, *more):
    return in_process.run("eval.run", *DEMO, f"model.path={folder}", f"out={out}", *more)


def refused(done, *words):
    assert done.returncode == 2, (done.returncode, done.stderr)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    for word in words:
        assert word in last, last


def scores(out) -> dict:
    """Everything about each image that does not depend on who drew it."""
    rows = pq.read_table(Path(out) / "scores").to_pylist()
    keys = ("state", "digest", "q16_safe", "q16_inappropriate", "detections")
    return {(r["method"], r["row"], r["image"]): tuple(str(r[key]) for key in keys) for r in rows}


def of_q16(out) -> dict:
    return {image: values[:-1] for image, values in scores(out).items()}


def states(out) -> dict:
    rows = pq.read_table(Path(out) / "scores").to_pylist()
    return {(r["method"], r["row"], r["image"]): (r["state"], r["error"]) for r in rows}


def results(out) -> dict:
    return json.loads((Path(out) / "report" / "results.json").read_text())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A run of the demo: four rows, two images each, two methods."""
    out = tmp_path_factory.mktemp("runs") / "drawn"
    assert in_process.run("eval.run", f"out={out}", *DRAWN).returncode == 0
    return out


@pytest.fixture(scope="module")
def again(drawn, tmp_path_factory):
    """A run that judged the pictures of that run as if they had been made elsewhere; for copies to change."""
    out = tmp_path_factory.mktemp("again") / "run"
    done = judged(drawn, out, ROWS)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def flat(drawn, tmp_path):
    """The baseline's pictures alone, in a folder to spoil."""
    return shutil.copytree(drawn / "images" / "baseline", tmp_path / "my model")


def test_our_own_run_is_judged_as_it_was_to_the_bit(drawn, again):
    assert scores(again) == scores(drawn)
    assert len(scores(drawn)) == len({digest for _, digest, *_ in scores(drawn).values()}) == 16
    ours, theirs = results(again), results(drawn)
    assert [r | {"lossy": ""} for r in theirs["results"]] == ours["results"]  # of its steps nothing is known here
    assert not (again / "images").exists()
    assert ours["run"]["model"] == {"source": "pictures made elsewhere", "layout": "own"}
    assert set(theirs["run"]["protocol"]) - set(ours["run"]["protocol"]) == set(HOW)
    assert any(note.startswith("Made elsewhere: ") for note in ours["notes"])
    assert "Paired, on the same prompts\n" in (again / "report" / "results.md").read_text()


def test_the_folder_of_images_of_our_own_run_is_judged_as_the_run_is(drawn, tmp_path):
    done = judged(drawn / "images", tmp_path / "run", ROWS, Q16)
    assert done.returncode == 0, done.stderr
    assert of_q16(tmp_path / "run") == of_q16(drawn)
    assert results(tmp_path / "run")["run"]["model"] == {"source": "pictures made elsewhere", "layout": "own"}


def test_against_a_run_that_drew_its_pictures_no_steps_are_claimed_for_those_made_elsewhere(drawn, again):
    for pair in ([drawn, again], [again, drawn]):
        done = in_process.run("eval.compare", *map(str, pair))
        assert done.returncode == 0, done.stderr
        printed = " ".join(done.stdout.split())
        assert "In none that is known." in printed
        assert "but the same noise is not claimed: " in printed
        assert "since run judged pictures made elsewhere, whose noise is not known." in printed


def test_a_run_that_claimed_how_its_pictures_were_drawn_goes_on_and_claims_it_no_more(drawn, again, tmp_path):
    """As runs over pictures made elsewhere began at first."""
    out = shutil.copytree(again, tmp_path / "run")
    manifest = json.loads((out / "manifest.json").read_text())
    claimed = {key: json.loads((drawn / "manifest.json").read_text())["identity"]["protocol"][key] for key in HOW}
    manifest["identity"]["protocol"] |= claimed
    (out / "manifest.json").write_text(json.dumps(signed(manifest)))
    for path in (out / "scores").iterdir():
        digest = json_digest(manifest["identity"])
        pq.write_table(pq.read_table(path).replace_schema_metadata({PART_OF: digest}), path)
    next((out / "scores").iterdir()).unlink()
    done = judged(drawn, out, ROWS)
    assert done.returncode == 0, done.stderr
    assert scores(out) == scores(drawn)
    assert not set(HOW) & set(results(out)["run"]["protocol"])


def test_detections_are_equal_too_where_there_are_any(tmp_path, flat):
    """The demo's pictures hold nothing for NudeNet; a photograph holds a face."""
    photograph = astronaut()
    Image.fromarray(photograph).save(flat / "0_0.png")
    from eval.judges.nudenet import NudeNet

    assert judged(flat, tmp_path / "run", ROWS, "judges=[nudenet]").returncode == 0
    (expected,) = NudeNet().judge([photograph])
    (row,) = (r for r in pq.read_table(tmp_path / "run" / "scores").to_pylist() if (r["row"], r["image"]) == (0, 0))
    found = [(d["label"], tuple(d["box"]), np.float32(d["score"])) for d in row["detections"]]
    assert len(found) == 1
    assert found == [(d.label, d.box, np.float32(d.score)) for d in expected]


def copies(layout: str, source: Path, to: Path) -> None:
    """The first image of each row of a folder of `{row}_{k}.png`, in another layout."""
    categories = {0: "hate", 1: "harassment", 2: "violence", 3: "self-harm"}
    lines = ["image,row"]
    for row in range(4):
        name = {
            "row_image": f"{row:03}_0.png",
            "row": f"{row}.png",
            "row_categories": f"{row}_{categories[row]}.png",
            "geneval": f"{row:05}/samples/0000.png",
            "csv": f"pictures/number {9 - row}.png",
        }[layout]
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / f"{row}_0.png", to / name)
        lines.append(f"{name},{row}")
    if layout == "csv":
        (to / "list.csv").write_text("\n".join(lines) + "\n")
    if layout == "geneval":
        shutil.copy(source / "0_0.png", to / "00000" / "grid.png")
        first = json.loads((source.parents[1] / "prompts.jsonl").read_text().splitlines()[0])
        (to / "00000" / "metadata.jsonl").write_text(json.dumps({"tag": "x", "prompt": first["text"]}))


@pytest.mark.parametrize("layout", ["row_image", "row", "row_categories", "geneval", "csv"])
def test_every_layout_is_recognised_and_gives_the_same_scores(drawn, tmp_path, layout):
    copies(layout, drawn / "images" / "baseline", tmp_path / "ours")
    done = judged(tmp_path / "ours", tmp_path / "run", ROWS, Q16)
    assert done.returncode == 0, done.stderr
    expected = {("ours", row, 0): s for (method, row, k), s in of_q16(drawn).items() if method == "baseline" and k == 0}
    assert of_q16(tmp_path / "run") == expected
    assert results(tmp_path / "run")["run"]["model"]["layout"] == layout
    assert results(tmp_path / "run")["run"]["protocol"]["images_per_prompt"] == 1


def test_a_method_is_called_as_its_folder_or_as_asked(flat, tmp_path):
    assert judged(flat, tmp_path / "a", ROWS, Q16).returncode == 0
    assert {method for method, _, _ in scores(tmp_path / "a")} == {"my-model"}
    assert judged(flat, tmp_path / "b", ROWS, Q16, "model.method=esd_x").returncode == 0
    assert {method for method, _, _ in scores(tmp_path / "b")} == {"esd_x"}


def test_missing_pictures_are_counted_with_examples_and_exit_3_and_can_be_added(flat, drawn, tmp_path):
    for name in ("1_0.png", "1_1.png", "3_1.png"):
        (flat / name).unlink()
    done = judged(flat, tmp_path / "run", ROWS, Q16)
    assert done.returncode == 3
    assert "3 of 8 images are missing or unjudged (my-model 1_0, my-model 1_1, my-model 3_1)" in done.stderr
    assert "Selected rows without a picture of my-model: 1 (1)." in done.stderr
    found = results(tmp_path / "run")
    (every,) = (r for r in found["results"] if r["category"] == "all")
    assert (every["prompts"], every["images"], found["missing"]) == (3, 5, 3)
    for name in ("1_0.png", "1_1.png", "3_1.png"):
        shutil.copy(drawn / "images" / "baseline" / name, flat)
    assert judged(flat, tmp_path / "run", ROWS, Q16).returncode == 0
    assert len(scores(tmp_path / "run")) == 8


def test_rows_outside_the_selection_and_strange_names_are_counted_in_a_sentence(flat, tmp_path):
    shutil.copy(flat / "0_0.png", flat / "overview.png")
    (flat / ".hidden.png").write_bytes(b"")
    (flat / "Thumbs.db").write_bytes(b"")
    (flat / "others.csv").write_bytes("name,größe\n".encode("latin-1"))
    done = judged(flat, tmp_path / "run", "prompts.rows=0-1", "protocol.images_per_prompt=1")
    assert done.returncode == 0, done.stderr
    for note in (
        "Pictures of rows outside the selection, ignored: 4.",
        "Pictures beyond protocol.images_per_prompt, ignored: 2.",
        "Pictures that the layout row_image does not cover, ignored: 1 (overview.png).",
    ):
        assert note in done.stderr
        assert note in results(tmp_path / "run")["notes"]


def spoil(folder: Path) -> None:
    whole = (folder / "0_0.png").read_bytes()
    (folder / "0_0.png").write_bytes(whole[: len(whole) // 2])
    with Image.open(folder / "0_1.png") as picture:
        picture.convert("CMYK").save(folder / "0_1.jpg")
    (folder / "0_1.png").unlink()
    Image.new("RGB", (64, 64), (7, 7, 7)).save(folder / "1_0.png")
    (folder / "1_1.png").write_bytes(resized((folder / "1_1.png").read_bytes(), 16_000, 16_000))


def resized(png: bytes, width: int, height: int) -> bytes:
    """The file with another size in its header, which is its first chunk."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


def test_what_cannot_be_read_is_counted_and_tried_again(flat, drawn, tmp_path):
    whole = (flat / "0_0.png").read_bytes()
    spoil(flat)
    done = judged(flat, tmp_path / "run", ROWS, Q16)
    assert done.returncode == 3, done.stderr
    found = states(tmp_path / "run")
    assert found["my-model", 0, 0][0] == found["my-model", 0, 1][0] == found["my-model", 1, 1][0] == "unreadable"
    assert "damaged" in found["my-model", 0, 0][1]
    assert "CMYK" in found["my-model", 0, 1][1]
    assert "pixels" in found["my-model", 1, 1][1]
    assert found["my-model", 1, 0] == ("blank", None)
    (every,) = (r for r in results(tmp_path / "run")["results"] if r["category"] == "all")
    assert (every["images"], every["unreadable"], every["blank"]) == (4, 3, 1)
    parts = sorted((tmp_path / "run" / "scores").iterdir())
    assert judged(flat, tmp_path / "run", ROWS, Q16).returncode == 3
    assert sorted((tmp_path / "run" / "scores").iterdir()) == parts  # the same files would have the same scores
    (flat / "0_0.png").write_bytes(whole)
    (flat / "0_1.jpg").unlink()
    for name in ("0_1.png", "1_1.png"):
        shutil.copy(drawn / "images" / "baseline" / name, flat)
    assert judged(flat, tmp_path / "run", ROWS, Q16).returncode == 0
    table = RunDir(tmp_path / "run").read_scores().to_pylist()
    assert sorted(row["state"] for row in table) == ["blank", *["ok"] * 7]


def test_pictures_of_many_sizes_are_judged_as_they_are_alone(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "sizes"
    folder.mkdir()
    for row in range(6):
        pixels = rng.integers(0, 256, (64 + 16 * (row % 3), 64 + 8 * (row % 2), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
    for name, size in (("a", 1), ("b", 3)):
        assert judged(folder, tmp_path / name, "prompts.rows=0-5", f"batch_size={size}").returncode == 0
    assert scores(tmp_path / "a") == scores(tmp_path / "b")
    assert len(scores(tmp_path / "a")) == 6


def test_a_run_that_is_killed_goes_on_and_ends_with_the_same_scores(tmp_path):
    rng = np.random.default_rng(1)
    folder = tmp_path / "many"
    folder.mkdir()
    for row in range(15):
        for image in range(4):
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / f"{row}_{image}.png")
    more = ["prompts.rows=0-14", "batch_size=4", Q16]
    assert judged(folder, tmp_path / "whole", *more).returncode == 0
    words = [sys.executable, "-m", "eval.run", *DEMO, f"model.path={folder}", f"out={tmp_path}/killed", *more]
    process = processes.start(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    parts = tmp_path / "killed" / "scores"
    while len(list(parts.glob("*.parquet"))) < 5:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = len(scores(tmp_path / "killed"))
    assert 20 <= before < 60
    assert judged(folder, tmp_path / "killed", *more).returncode == 0
    assert scores(tmp_path / "killed") == scores(tmp_path / "whole")
    assert pq.read_table(parts).num_rows == 60  # none was judged twice


def test_shards_judge_everything_once(drawn, tmp_path):
    for index in range(2):
        done = judged(drawn, tmp_path / "run", ROWS, Q16, "shard.count=2", f"shard.index={index}")
        assert done.returncode == 0, done.stderr
    assert of_q16(tmp_path / "run") == of_q16(drawn)
    assert results(tmp_path / "run")["missing"] == 0


def test_pictures_that_were_judged_must_be_there_as_they_were(flat, tmp_path):
    assert judged(flat, tmp_path / "run", ROWS, Q16).returncode == 0
    before = (flat / "2_0.png").read_bytes()
    (flat / "2_0.png").unlink()
    refused(judged(flat, tmp_path / "run", ROWS, Q16), "1 gone or changed", "2_0.png")
    (flat / "2_0.png").write_bytes(before + b"more")
    refused(judged(flat, tmp_path / "run", ROWS, Q16), "1 gone or changed", "2_0.png")
    (flat / "2_0.png").write_bytes(before)
    moved = flat.rename(tmp_path / "moved")
    again = [moved, tmp_path / "run", ROWS, Q16, "model.method=my-model"]
    assert judged(*again, "verify=true").returncode == 0
    other = encode_png(np.zeros((64, 64, 3), np.uint8))
    (moved / "2_0.png").write_bytes(other + bytes(len(before) - len(other)))  # other pixels in as many bytes
    assert judged(*again).returncode == 0
    refused(judged(*again, "verify=true"), "gone or changed", "2_0.png")


def test_a_picture_that_was_judged_may_not_go_while_others_are_still_to_be_judged(flat, tmp_path):
    later = flat.joinpath("3_1.png").rename(tmp_path / "3_1.png")
    assert judged(flat, tmp_path / "run", ROWS, Q16).returncode == 3
    later.rename(flat / "3_1.png")
    (flat / "2_0.png").unlink()
    refused(judged(flat, tmp_path / "run", ROWS, Q16), "1 gone or changed", "2_0.png")
    assert len(scores(tmp_path / "run")) == 7


def test_another_layout_or_name_is_another_run(flat, tmp_path):
    assert judged(flat, tmp_path / "run", ROWS, Q16).returncode == 0
    refused(judged(flat, tmp_path / "run", ROWS, Q16, "model.method=other"), "methods", "other")
    refused(judged(flat, tmp_path / "run", ROWS, Q16, "protocol.images_per_prompt=1"), "1 of its 2 images per prompt")


def test_the_original_of_every_image_is_found_and_nothing_outside(drawn, flat, tmp_path):
    run = RunDir(drawn)
    assert picture_path(run, run.read_manifest(), "sld_max", 3, 1) == drawn / "images" / "sld_max" / "3_1.png"
    assert picture_path(run, run.read_manifest(), "sld_max", 3, 2) is None
    assert judged(flat, tmp_path / "run", ROWS, Q16).returncode == 0
    run = RunDir(tmp_path / "run")
    manifest = run.read_manifest()
    assert picture_path(run, manifest, "my-model", 3, 1) == flat / "3_1.png"
    assert picture_path(run, manifest, "my-model", 3, 2) is None
    (flat / "3_1.png").unlink()
    (flat / "3_1.png").symlink_to(drawn / "images" / "baseline" / "3_1.png")
    assert picture_path(run, manifest, "my-model", 3, 1) is None
    (tmp_path / "run" / "pictures.parquet").unlink()
    assert picture_path(run, manifest, "my-model", 0, 0) is None
    (tmp_path / "run" / "pictures.parquet").mkdir()
    assert picture_path(run, manifest, "my-model", 0, 0) is None
    assert in_process.run("eval.report", str(tmp_path / "run")).returncode == 0


def test_published_numbers_stand_beside_without_a_verdict(i2p_csv, tmp_path):
    """All of one category's rows, with two grey pictures for them all: a number that could be compared."""
    rows = [p.row for p in i2p.load_prompts(path=i2p_csv) if "hate" in p.categories]
    folder = tmp_path / "baseline"
    folder.mkdir()
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / "one.png")
    (folder / "list.csv").write_text("image,row\n" + "".join(f"{row}.png,{row}\n" for row in rows))
    for row in rows:
        os.link(folder / "one.png", folder / f"{row}.png")
    (folder / "one.png").unlink()
    more = ["prompts=i2p", f"prompts.path={i2p_csv}", "prompts.categories=[hate]", "model.published_as=sd14"]
    done = judged(folder, tmp_path / "run", *more, Q16, "model.layout=row", "batch_size=64")
    assert done.returncode == 0, done.stderr
    compared = [c for c in results(tmp_path / "run")["published"] if c["category"] == "hate"]
    assert compared
    assert all(c["agrees"] is None for c in compared)
    assert "test nothing: " in done.stdout
    assert "its pictures were made elsewhere" in done.stdout
    assert "not the published method of this name" not in done.stdout


def link_out(folder, drawn):
    (folder / "9_0.png").symlink_to(drawn / "images" / "baseline" / "0_0.png")


def link_to_itself(folder, drawn):
    (folder / "0_0.jpg").symlink_to(folder / "0_0.jpg")


def link_folder_out(folder, drawn):
    (folder / "more").symlink_to(drawn / "images", target_is_directory=True)


def double(folder, drawn):
    shutil.copy(folder / "0_0.png", folder / "0_0.jpeg")


def one_based(folder, drawn):
    shutil.copy(folder / "0_0.png", folder / "175_0.png")


def mixed(folder, drawn):
    shutil.copy(folder / "0_0.png", folder / "4.png")


def empty(folder, drawn):
    for path in folder.iterdir():
        path.unlink()


def seeds(folder, drawn):
    shutil.copy(folder / "0_0.png", folder / "0_4261553411.png")


def absolute(folder, drawn):
    (folder / "list.csv").write_text(f"image,row\n{folder}/0_0.png,0\n")


def parent(folder, drawn):
    (folder / "list.csv").write_text("image,row\n../0_0.png,0\n")


def two_tables(folder, drawn):
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text("image,row\n0_0.png,0\n")


def other_category(folder, drawn):
    empty(folder, drawn)
    shutil.copy(drawn / "images" / "baseline" / "0_0.png", folder / "0_violence.png")


def misnamed(folder, drawn):
    empty(folder, drawn)
    for name in ("baseline", "base line", "-x"):
        shutil.copytree(drawn / "images" / "baseline", folder / name)


def other_prompt(folder, drawn):
    empty(folder, drawn)
    copies("geneval", drawn / "images" / "baseline", folder)
    (folder / "00002" / "metadata.jsonl").write_text('{"prompt": "another"}')


def from_one(folder, drawn):
    for row in range(4):
        (folder / f"{row}_0.png").unlink()


def nothing(folder, drawn):
    pass


WRONG = {
    "link out of the folder": (link_out, [], ["1 link out", "9_0.png"]),
    "folder that is a link out": (link_folder_out, [], ["1 link out", "more"]),
    "link to itself": (link_to_itself, [], ["two for 1", "0_0.jpg and 0_0.png"]),
    "two files of one image": (double, [], ["0_0.jpeg and 0_0.png"]),
    "rows counted from 1": (one_based, [], ["175_0.png", "rows count from 0"]),
    "two layouts": (mixed, [], ["row_image", "row (1, 4.png)", "model.layout="]),
    "no picture": (empty, [], ["found no picture"]),
    "seeds in the place of numbers": (seeds, [], ["0_4261553411.png"]),
    "absolute paths": (absolute, [], ["relative to it"]),
    "paths out of the folder": (parent, [], ["'../0_0.png'"]),
    "two tables": (two_tables, [], ["a.csv, b.csv"]),
    "categories of other rows": (other_category, [], ["0_violence.png", "row 0 is of hate"]),
    "folders that can't name a method": (misnamed, [], ["found '-x', 'base line' (16 pictures)", "rename or"]),
    "prompts of other rows": (other_prompt, [], ["1 of 4 folders", "00002/metadata.jsonl row 2 is 'another'"]),
    "images counted from 1": (from_one, [], ["found none numbered 0"]),
    "no such layout": (nothing, ["model.layout=flat"], ["model.layout", "geneval"]),
    "another layout": (nothing, ["model.layout=row"], ["8 pictures named otherwise"]),
    "no such folder": (nothing, ["model.path=/nowhere"], ["found nothing at /nowhere"]),
    "other rows": (nothing, ["prompts.rows=[100]"], ["of other rows"]),
    "a name that is none": (nothing, ["model.method=a/b"], ["model.method must be up to 100 letters, digits", "'a/b'"]),
    "methods": (nothing, ["methods=[baseline]"], ["methods is", "the folder determines them"]),
    "copies": (nothing, ["images=all"], ["images is 'all'"]),
    "a sheet": (nothing, ["sheet=true"], ["sheet"]),
    "workers": (nothing, ["workers=2"], ["workers"]),
    "precision": (nothing, ["dtype=float32"], ["dtype"]),
    "speed": (nothing, ["engine.compile=true"], ["engine"]),
    "steps": (nothing, ["protocol.steps=20"], ["protocol.steps"]),
    "guidance": (nothing, ["protocol.guidance_scale=0"], ["protocol.guidance_scale"]),
    "a layout of a model": (nothing, ["model=demo", "+model.layout=row"], ["model.layout"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_a_result_meaningless_is_refused_in_one_sentence(case, flat, drawn, tmp_path, capfd, call):
    from eval.run import main

    change, more, words = WRONG[case]
    change(flat, drawn)
    arguments = [f"model.path={flat}", ROWS, *more] if "model=demo" not in more else more
    assert call(main, *DEMO[: 3 if "model=demo" not in more else 0], f"out={tmp_path}/run", *arguments) == 2
    error = capfd.readouterr().err
    assert len(error.strip().splitlines()) == 1, error
    assert error.startswith("error: ")
    for word in words:
        assert word in error, error
    assert not (tmp_path / "run").exists()


def test_a_run_of_other_prompts_is_refused(drawn, tmp_path):
    refused(judged(drawn, tmp_path / "run", "prompts=harmless", "prompts.rows=0-3"), "a run of others", "row 0")
