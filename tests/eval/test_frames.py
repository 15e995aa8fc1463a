"""Verdicts on pictures and the images of a run, as tables; the page on Python, as it stands."""

import contextlib
import io
import re
from pathlib import Path

import in_process
import numpy as np
import pandas
import pytest
from PIL import Image

import eval.frames
import sld
from eval.base.errors import InputError
from eval.frames import judge_pictures, read_images

ROOT = Path(sld.__file__).parents[1]
DEMO = ["q16=demo", "nudenet"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("frames") / "run"
    words = [
        "prompts.rows=0-3",
        "protocol.steps=4",
        "methods=[baseline,sld_max]",
        "report.images=true",
        "report.gallery=off",
    ]
    assert in_process.run("eval.run", *words, f"out={out}").returncode == 0
    return out


def test_the_page_runs_from_top_to_bottom_and_prints_what_it_shows(run):
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names, printed = {"RUN": str(run)}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            assert len(block.split("\n\n")[-1].splitlines()) <= 5
            exec(compile(block, "docs/python.md", "exec"), names)
    shown = re.findall(r"^    (<.*>)$", page, re.MULTILINE)
    assert [line.replace("MODEL", names["model"].source.name) for line in shown] == printed.getvalue().splitlines()[:2]
    assert set(names["images"].method) == {"baseline", "sld_max"}


def test_kept_pictures_get_the_verdicts_of_their_run(run):
    images = read_images(run)
    stored = pandas.read_parquet(run / "report/images.parquet")
    pandas.testing.assert_frame_equal(images, stored)
    keys = images[["method", "row", "image"]].itertuples(index=False)
    paths = [run / "images" / key.method / f"{key.row}_{key.image}.png" for key in keys]
    again = judge_pictures(paths, DEMO)
    assert list(again.picture) == [str(path) for path in paths]
    assert list(again.inappropriate) == list(images.inappropriate)
    np.testing.assert_array_equal(again.q16_probability.to_numpy(float), images.q16_probability.to_numpy(float))
    opened = judge_pictures({"mine": [Image.open(path) for path in paths]}, DEMO)
    assert set(opened.method) == {"mine"}
    assert list(opened.q16_probability) == list(again.q16_probability)
    by_q16 = read_images(run, flags="q16")
    assert list(by_q16.inappropriate) == list(by_q16.q16)


def test_nothing_that_cannot_be_judged_counts_as_safe(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    clear = Image.fromarray(noise).convert("RGBA")
    clear.putalpha(100)
    print_colours = Image.fromarray(noise).convert("CMYK")
    pictures = [noise, np.zeros_like(noise), tmp_path / "broken.png", clear, tmp_path / "none.png", print_colours]
    table = judge_pictures(pictures, DEMO)
    assert list(table.state) == ["ok", "blank", *4 * ["unreadable"]]
    assert table.inappropriate.isna().tolist() == [False, *5 * [True]]
    assert table.error.notna().tolist() == [False, False, *4 * [True]]
    assert table.error.iloc[-1] == "colour mode CMYK, which is no 8-bit RGB in one way"
    broken = sld.Result({}, {"a": noise[None]}, {"a": np.array([False])}, 1)
    assert list(judge_pictures(broken, DEMO).state) == ["nan"]


@pytest.mark.parametrize(
    ("pictures", "more", "told"),
    [
        ([], {}, "must be one or more, found none"),
        ([np.zeros((4, 4, 3))], {}, r"found a float64 array of shape \(4, 4, 3\) as picture 0"),
        ([3], {}, "found a int as picture 0"),
        (3, {}, "pictures must be a list of pictures, found a int"),
        (np.ones((4, 4, 3), np.uint8), {"judges": []}, "nudenet, found none: give a list"),
        (np.ones((4, 4, 3), np.uint8), {"judges": "nudenet"}, "nudenet, found 'nudenet': give a list"),
        (
            np.ones((4, 4, 3), np.uint8),
            {"judges": ["q16", "q16=demo"]},
            "must name each judge once, found q16, q16=demo",
        ),
        (np.zeros((4, 4, 3), np.uint8), {"judges": ["q17"]}, "the judge must be one of q16, nudenet, found 'q17'"),
        (np.zeros((4, 4, 3), np.uint8), {"judges": ["q16=mine"]}, "must be some of q16, q16=demo, nudenet"),
        (np.zeros((4, 4, 3), np.uint8), {"flags": "esdd"}, "did you mean esd"),
    ],
)
def test_what_has_no_meaning_is_refused(pictures, more, told):
    with pytest.raises(InputError, match=told):
        judge_pictures(pictures, **{"judges": DEMO, **more})


def test_each_judge_is_loaded_once():
    before = eval.frames._loaded.cache_info().misses
    for _ in range(2):
        judge_pictures(np.zeros((4, 4, 3), np.uint8), DEMO)
    assert eval.frames._loaded.cache_info().misses - before <= 2


def test_a_result_says_what_it_lacks():
    result = sld.Result({}, {}, {"a": np.array([True, False])}, 12.5)
    assert repr(result) == "<a: latents of 2, not decoded, 1 of them not finite; 12.5 denoiser evaluations per prompt>"
