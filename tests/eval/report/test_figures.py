"""The figures: what they show lies where the numbers say, names are text, and the same numbers give the same bytes."""

import io
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import measured
import numpy as np
import pytest
from measured import difference_row, metrics_row
from PIL import Image

from eval.report import figures
from eval.report.drawing import DARK, MARKERS, PALETTE
from eval.report.figures import forest_figure, probability_figure
from eval.report.labels import LONGEST, distinct_labels, short
from eval.report.page.svg import inline_svg

NAMES = ["_baseline", "a$x_1$", "b.c+d=e", "m" * 100]
SVG = "{http://www.w3.org/2000/svg}"


def row(method, category, probability, low, high):
    return metrics_row(method, category, probability, (low, high))


@pytest.fixture(scope="module")
def metrics():
    rng = np.random.default_rng(3)
    found = []
    for name in NAMES:
        for category in ("hate", "self-harm", "<script>&", "all"):
            low, value, high = np.sort(rng.uniform(0, 1, 3))
            found.append(row(name, category, value, low, high))
    return found


def pair(method, against, difference, low, high, category="all"):
    return difference_row(method, against, difference, (low, high), category)


DIFFERENCES = [pair(name, NAMES[0], -0.2 * n, -0.2 * n - 0.1, -0.2 * n + 0.15) for n, name in enumerate(NAMES)]
DIFFERENCES = DIFFERENCES[1:]


def texts(svg: bytes) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def ends(svg: bytes) -> np.ndarray:
    """The two x of every interval, in the order they were drawn."""
    root = ET.fromstring(svg)
    groups = [g for g in root.iter(f"{SVG}g") if g.get("id", "").startswith("LineCollection")]
    numbers = [re.findall(r"-?[\d.]+", path.get("d")) for g in groups for path in g.iter(f"{SVG}path")]
    return np.array([[float(n[0]), float(n[2])] for n in numbers])


def test_every_interval_ends_where_its_numbers_are(metrics):
    drawn = ends(probability_figure(metrics).svg)
    asked = np.array([m.new_prompts for m in metrics])
    assert drawn.shape == asked.shape
    slope, offset = np.polyfit(asked.ravel(), drawn.ravel(), 1)
    assert slope > 100
    assert np.abs(slope * asked + offset - drawn).max() < 0.01


def test_every_difference_ends_where_its_numbers_are():
    drawn = ends(forest_figure(DIFFERENCES, NAMES).svg)
    asked = np.array([d.new_prompts for d in DIFFERENCES])
    slope, offset = np.polyfit(asked.ravel(), drawn.ravel(), 1)
    assert slope > 100
    assert np.abs(slope * asked + offset - drawn).max() < 0.01


SAID = "INCOMPLETE: 1,234 images missing. Protocol dataset with 3 deviations, definition mu-attack-code: "
SAID += "NudeNet (labels mu-attack, score > 0.75, of each label only the last above 0.45)"


def test_what_is_said_stands_below_the_plot_and_never_runs_out_of_the_picture(metrics):
    for bare, captioned in (
        (probability_figure(metrics), probability_figure(metrics, SAID)),
        (forest_figure(DIFFERENCES, NAMES), forest_figure(DIFFERENCES, NAMES, SAID)),
    ):
        lines = texts(captioned.svg)[-3:]
        assert " ".join(lines).endswith(SAID)
        plain, found = (np.array(Image.open(io.BytesIO(plot.png)).convert("L")) for plot in (bare, captioned))
        added = len(found) - len(plain)
        assert added > 0
        assert np.allclose(ends(captioned.svg), ends(bare.svg))
        ink = np.argwhere(found[-added:] < 128)
        (_, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0)
        assert bottom < added - 5
        assert not (found[-added - 4 : -added] < 128).any(), "the plot has a margin below it"
        assert 10 < left < right < found.shape[1] - 50  # a reader's own font may be wider


def test_names_are_text_as_they_are(metrics):
    shown = texts(probability_figure(metrics).svg)
    assert {short(name) for name in NAMES} <= set(shown)
    assert {"hate", "self-harm", "<script>&", "all"} <= set(shown)
    assert len(short(NAMES[-1])) == LONGEST
    forest = texts(forest_figure(DIFFERENCES, NAMES).svg)
    assert {short(name) for name in NAMES[1:]} <= set(forest)
    assert "−20.0 [−30.0, −5.0]" in forest


@pytest.mark.parametrize("name", ["W" * 26, "暴力" * 13, "DANGEROUS, HATEFUL CONTENT", "all"])
def test_the_widest_letters_have_room_beside_the_plot_and_above_it(name):
    """Chinese letters are as wide as the 9.5 points of the font; the boxes that a PNG has in their place are wider."""
    rows = [row(method, category, 0.5, 0.4, 0.6) for method in (name, "b", "c") for category in (name, "all")]
    pairs = [pair(method, name, 0.1, 0.0, 0.2, category) for method in "bc" for category in (name, "all")]
    for plot in (probability_figure(rows), forest_figure(pairs, [name, "b", "c"])):
        found = np.array(Image.open(io.BytesIO(plot.png)).convert("L"))
        assert (found[:, :10] > 128).all()
        [axes] = plot._figure.axes
        assert axes.get_position().width * 8.4 > 2, "of 8.4 inches"


ALIKE = ["Safe Latent Diffusion, as published (weak)", "Safe Latent Diffusion, as published (strong)"]
ALIKE += [f"{'k' * 30}{middle}{'n' * 30}" for middle in "ab"]


def test_long_names_that_begin_alike_are_told_apart():
    labels = distinct_labels([*NAMES, *ALIKE])
    assert labels[: len(NAMES)] == [short(name) for name in NAMES]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= LONGEST
    assert [label[-7:] for label in labels[len(NAMES) :][:2]] == [" (weak)", "strong)"]
    rows = [row(name, category, 0.5, 0.4, 0.6) for name in ALIKE for category in [*ALIKE, "all"]]
    pairs = [pair(name, ALIKE[0], 0.1, 0.0, 0.2, category) for name in ALIKE[1:] for category in ALIKE]
    for figure, of_method in (
        (probability_figure(rows), 1 + 1),  # as a category, and in the legend
        (forest_figure(pairs, ALIKE), 1 + len(ALIKE)),  # as a category, and below each of them
    ):
        shown = texts(figure.svg)
        assert [shown.count(label) for label in distinct_labels(ALIKE)][1:] == [of_method] * (len(ALIKE) - 1)


def test_a_number_without_an_interval_is_a_hollow_marker_and_one_that_is_none_is_left_out():
    found = probability_figure([row("a", "hate", 0.5, None, None), row("a", "all", None, None, None)]).svg.decode()
    assert len(ends(found.encode())) == 0
    markers = re.findall(r"<use [^>]*style=\"fill-opacity: 0; stroke: " + PALETTE[0], found)
    assert len(markers) == 1
    assert "+25.0" in texts(forest_figure([pair("a", "b", 0.25, None, None)], ["b", "a"]).svg)


def test_differences_of_categories_stand_under_them():
    some = [pair("b", "a", -0.1, -0.2, 0.05, category) for category in ("hate", "all")]
    shown = texts(forest_figure(some, ["a", "b"]).svg)
    assert shown.count("b") == 2
    assert {"hate", "all"} <= set(shown)


def test_the_same_numbers_give_the_same_bytes_in_another_process_and_with_other_settings(metrics, tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\nsvg.fonttype: path\n")
    code = (
        "import sys; from pathlib import Path; from eval.report.figures import forest_figure as f; "
        "from measured import difference_row; d = [difference_row('b', 'a', -.1, (-.2, .1))]; "
        "[Path(form).write_bytes(getattr(f(d, ['a', 'b']), form)) for form in sys.argv[1:]]"
    )
    forms = ["svg", "png"]
    settings = {"MATPLOTLIBRC": str(tmp_path / "matplotlibrc"), "SOURCE_DATE_EPOCH": "1", "PYTHONHASHSEED": "7"}
    ours = {"PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parents[3], Path(measured.__file__).parent)))}
    command = [sys.executable, "-c", code, *forms]
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, env=os.environ | settings | ours)
    assert done.stderr == b""
    for form in forms:
        here = forest_figure([pair("b", "a", -0.1, -0.2, 0.1)], ["a", "b"])
        assert (tmp_path / form).read_bytes() == getattr(here, form)
        assert getattr(probability_figure(metrics), form) == getattr(probability_figure(metrics), form)


def test_of_a_thousand_categories_the_first_are_drawn_and_the_others_counted(monkeypatch):
    assert figures.TALLEST * 150 < 2**16  # pixels of a PNG, of which matplotlib had no more
    monkeypatch.setattr(figures, "TALLEST", 6)
    names = [*(f"class {number}" for number in range(1000)), "all"]
    metrics = [row("a", name, 0.5, 0.4, 0.6) for name in names]
    differences = [pair("b", "a", -0.2, -0.3, -0.1, name) for name in names]
    for figure in (
        probability_figure(metrics).svg,
        forest_figure(differences, ["a", "b"]).svg,
    ):
        shown = texts(figure)
        drawn = [text for text in shown if text.startswith("class")]
        assert "all" in shown
        assert 10 < len(drawn) < 20
        assert drawn == names[: len(drawn)]
        assert f"Not shown: {1000 - len(drawn)} more categories; the tables have them." in shown


def test_a_png_is_a_picture_without_a_word_about_its_maker(metrics):
    picture = Image.open(io.BytesIO(probability_figure(metrics).png))
    assert picture.width == 1260
    assert not {"Software", "Creation Time"} & set(picture.info)


def test_in_a_page_a_figure_has_no_style_and_ids_of_its_own(metrics):
    one, other = (
        inline_svg(probability_figure(metrics, SAID), "a < b", "one"),
        inline_svg(forest_figure(DIFFERENCES, NAMES, SAID), "c", "two"),
    )
    ids = [re.findall(r' id="([^"]*)"', svg) for svg in (one, other)]
    assert not set(ids[0]) & set(ids[1])
    for svg, prefix, own in ((one, "one", ids[0]), (other, "two", ids[1])):
        root = ET.fromstring(svg)
        assert not [e for e in root.iter() if "style" in e.attrib or e.tag.endswith(("style", "metadata"))]
        used = re.findall(r'(?:href="#|url\(#)([^")]*)', svg)
        assert set(used) <= set(own)
        assert all(name.startswith(f"{prefix}-") for name in own)
        assert "#1d2228" not in svg
    bare = probability_figure(metrics).svg
    assert {"".join(e.itertext()) for e in ET.fromstring(one).iter(f"{SVG}text")} == set(texts(bare))
    sizes = [[float(x) for x in ET.fromstring(svg).get("viewBox").split()] for svg in (one, bare)]
    assert np.allclose(*sizes)
    assert "background" in bare.decode()
    assert "background" not in one


def luminance(colour: str) -> float:
    """WCAG 2, relative luminance."""
    parts = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("palette", "page"), [(PALETTE, "#ffffff"), (DARK, "#15181c")])
def test_every_colour_is_seen_on_its_page_and_every_method_has_its_own_marker(palette, page):
    for colour in palette:
        dark, light = sorted((luminance(colour), luminance(page)))
        assert (light + 0.05) / (dark + 0.05) >= 3, colour
    assert len(set(palette)) == len(palette)
    looks = {(palette[n % len(palette)], MARKERS[n % len(MARKERS)]) for n in range(40)}
    assert len(looks) == 40
    neighbours = [abs(luminance(a) - luminance(b)) for a, b in pairwise(palette)]
    assert min(neighbours) > 0.02  # told apart in grey too
