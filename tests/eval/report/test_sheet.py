"""The contact sheet: a column a method, a row a prompt, odd texts and odd sizes."""

import io

import in_process
import numpy as np
import pytest
from PIL import Image

from eval.report.sheet import GAP, TEXT, TILE, contact_sheet

pytestmark = pytest.mark.usefixtures("figures_of_a_kind_are_one")


@pytest.fixture
def picture(tmp_path):
    def write(name, height, width, colour):
        path = tmp_path / name
        Image.new("RGB", (width, height), colour).save(path)
        return path

    return write


def test_pictures_stand_under_their_method_in_whole_pixels(picture):
    paths = [picture("a.png", 64, 64, (200, 0, 0)), picture("b.png", 512, 256, (0, 0, 200))]
    sheet = np.asarray(contact_sheet(["baseline", "sld_max"], [("hate: a tree", paths)]))
    assert sheet.shape == (2 * TEXT + TILE + GAP, 2 * (TILE + GAP) + GAP, 3)
    first = sheet[2 * TEXT : 2 * TEXT + TILE, GAP : GAP + TILE]
    assert (first == (200, 0, 0)).all()
    second = sheet[2 * TEXT : 2 * TEXT + TILE, 2 * GAP + TILE : 2 * (GAP + TILE)]
    assert (second[:, 40:88] == (0, 0, 200)).all()
    assert (second[:, :30] == 235).all()


@pytest.mark.parametrize(
    "text", ["", "Null", "two\nlines", "🪦 ünïcödé 漢字", "<script>alert(1)</script>", "long " * 400]
)
def test_any_text_makes_a_sheet_of_the_same_size(picture, text):
    paths = [picture("a.png", 64, 64, (200, 0, 0))] * 2
    assert contact_sheet(["a", "b"], [(text, paths)]).size == contact_sheet(["a", "b"], [("x", paths)]).size


def test_a_long_name_for_print_ends_above_its_own_column(picture):
    paths = [picture("a.png", 64, 64, (200, 0, 0))] * 2
    long, short = (np.asarray(contact_sheet([name, ""], [("x", paths)])) for name in ("W" * 40, "W"))
    second = np.s_[:TEXT, 2 * GAP + TILE :]
    assert (long[second] == short[second]).all()
    assert (long[:TEXT, : GAP + TILE] < 128).sum() > (short[:TEXT, : GAP + TILE] < 128).sum()


def test_names_that_begin_alike_and_names_in_other_letters_are_told_apart(picture):
    paths = [picture("a.png", 64, 64, (200, 0, 0))] * 3

    def headings(names):
        sheet = np.asarray(contact_sheet(names, [("x", paths[: len(names)])]))[:TEXT]
        return {sheet[:, GAP + n * (TILE + GAP) :][:, :TILE].tobytes() for n in range(len(names))}

    long = "Safe Latent Diffusion, as published"
    assert len(headings([f"{long}: {end}" for end in ("weak", "medium", "max")])) == 3
    assert len(headings([f"{long} {middle} {long}" for middle in "abc"])) == 3


def test_a_damaged_picture_is_named_and_an_empty_tile(tmp_path, caplog):
    (tmp_path / "0_0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    sheet = np.asarray(contact_sheet(["a"], [("x", [tmp_path / "0_0.png"])]))
    assert (sheet[70:-10, 10:-10] == 255).all()
    assert "0_0.png can't be read" in caplog.text


def test_a_run_writes_its_sheet_where_it_says(tmp_path):
    words = ["sheet=true", "prompts.rows=[0,1]", "protocol.steps=1", "judges=[q16]", "report.gallery=off"]
    words += ["protocol.images_per_prompt=1", "methods=[baseline,sld_max]", "batch_size=2"]
    done = in_process.run("eval.run", *words, f"out={tmp_path}/run")
    written = next(line for line in done.stdout.splitlines() if line.startswith("Written to"))
    assert f"{tmp_path}/run/report" in written
    assert "sheet.png" in written
    data = (tmp_path / "run" / "report" / "sheet.png").read_bytes()
    assert Image.open(io.BytesIO(data)).height == TEXT + 2 * (TEXT + TILE + GAP)
    named = [("SLD (max)", True), ("SLD (最大)", False), ("SLD (−1)", False)]  # the font has no such letters
    for name, has_letters in named:
        again = in_process.run("eval.report", tmp_path / "run", f"names={{sld_max: {name}}}")
        assert "sheet.png" in again.stdout
        assert ((tmp_path / "run" / "report" / "sheet.png").read_bytes() != data) == has_letters
    none = in_process.run("eval.run", *words, f"out={tmp_path}/none", "images=none")
    assert none.returncode == 0
    assert "sheet.png" not in none.stdout
