"""`report.html`: whole, self-contained, with every prompt as text, and with no picture that could be seen in it."""

import base64
import hashlib
import re
import shutil
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote

import cv2
import drawn_once
import numpy as np
import pytest

from eval.base.escape import terminal
from eval.config.settings import ReportSettings
from eval.report.__main__ import main as report
from eval.report.figures import draw_figures
from eval.report.make import make_report
from eval.report.page.gallery import BLOCK, BLOCKS, in_turn, pixelate
from eval.report.page.page import report_page
from eval.report.page.parts import unjudged
from eval.store.rundir import RunDir
from i2p import CATEGORIES, Prompt

VOID = {"meta", "img", "br", "input", "link", "hr"}


class Page(HTMLParser):
    """A page read by a reader that is not ours: its elements, the texts in each, and what was left open."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), "an attribute stands twice"
        self.elements.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(run, figures=None, **options) -> str:
    """The page of a run, with figures of its own where none are given."""
    directory = RunDir(run)
    report = make_report(directory, options=ReportSettings(**{"gallery_prompts": 100, **options}))
    return report_page(report, directory, figures or draw_figures(report))


@pytest.fixture(scope="module")
def figures(hostile_run):
    """Of the run, whatever its gallery shows."""
    return draw_figures(make_report(RunDir(hostile_run)))


@pytest.fixture(scope="module")
def text(hostile_run) -> str:
    return page_of(hostile_run)


@pytest.fixture
def nobody_looks_at_figures(monkeypatch, tmp_path_factory):
    """Those of a kind are drawn once."""
    drawn_once.share(monkeypatch, tmp_path_factory)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_every_element_is_closed_and_every_reference_has_its_target(page):
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    used = [a.get("href", "") for _, a in page.elements] + [
        f"#{a.get('aria-labelledby', '')}" for _, a in page.elements
    ]
    used += [f"#{found}" for _, a in page.elements for found in re.findall(r"url\(#(.*?)\)", a.get("clip-path", ""))]
    assert {one[1:] for one in used if one.startswith("#") and len(one) > 1} <= set(ids)


def test_it_can_be_read_without_seeing_it(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) > 3
    assert all(image["alt"].startswith("Pixelated picture of ") for image in page.all("img"))
    labels = [svg["aria-label"] for svg in page.all("svg")]
    assert len(labels) == 4
    assert all(re.search(r"baseline.* \d", label) for label in labels), "a figure is told by its numbers"
    assert all("scope" in heading for heading in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_nothing_is_fetched_and_nothing_runs_but_the_pages_own(page, text):
    for tag, attributes in page.elements:
        assert tag not in ("iframe", "object", "embed", "base", "link", "audio", "video", "image")
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcset", "xlink:href")]
        assert not {"action", "data", "poster"} & set(attributes)
        assert re.match(r"#|figures/[a-z]+\.(svg|png)$", attributes.get("href", "#"))
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
    assert not re.search(r"url\((?!#)|@import", "".join(page.texts["style"]))
    assert len(page.all("script")) == len(page.all("style")) == 1


def test_the_policy_admits_the_pages_one_style_and_one_script_by_their_digests(page):
    [policy] = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        [content] = page.texts[tag]
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data:"
    first = [tag for tag, _ in page.elements].index("style")
    assert [a.get("http-equiv") for tag, a in page.elements[:first] if tag == "meta"][1] == "Content-Security-Policy"


def test_hostile_prompts_stand_there_as_text(page, hostile_texts):
    assert len(hostile_texts) > 20
    assert Counter(page.texts["blockquote"]) == Counter(terminal(one) for one in hostile_texts)


def pictures(text):
    """Names in the order of the page, and the bytes of every thumbnail."""
    found = [base64.b64decode(one, validate=True) for one in re.findall(r'src="data:image/png;base64,([^"]*)"', text)]
    rows = re.findall(r"row (\d+), image (\d+)", text)
    names = [(method, int(row), int(image)) for row, image in rows for method in ("baseline", "sld_max")]
    return dict(zip(names, found, strict=True))


def test_thumbnails_are_the_means_of_64_blocks_and_hold_nothing_else(text, hostile_run, hostile_texts):
    shown = pictures(text)
    assert len(shown) == 2 * len(hostile_texts)
    page = text.encode()
    for (method, row, image), data in shown.items():
        chunks, at = [], 8
        while at < len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            chunks.append(data[at + 4 : at + 8])
            at += 12 + length
        assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
        assert pixels.shape == (BLOCKS * BLOCK, BLOCKS * BLOCK, 3)
        blocks = pixels.reshape(BLOCKS, BLOCK, BLOCKS, BLOCK, 3)
        assert (blocks == blocks[:, :1, :, :1]).all()
        path = RunDir(hostile_run).image_path(method, row, image)
        original = path.read_bytes()
        side = cv2.imdecode(np.frombuffer(original, np.uint8), cv2.IMREAD_COLOR)
        means = side.reshape(BLOCKS, 64 // BLOCKS, BLOCKS, 64 // BLOCKS, 3).mean(axis=(1, 3))
        assert np.abs(means - blocks[:, 0, :, 0]).max() <= 1
        for start in range(0, len(original) - 48, 48):  # whole base64 groups, whatever the offset
            assert base64.b64encode(original[start : start + 24]) not in page
    assert b"images/" not in page


@pytest.mark.parametrize(("height", "width", "blocks"), [(512, 512, (8, 8)), (512, 384, (8, 6)), (8, 4096, (1, 8))])
def test_no_picture_has_more_than_eight_blocks_a_side(height, width, blocks):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = pixelate(pixels)
    assert found.shape == (blocks[0] * BLOCK, blocks[1] * BLOCK, 3)
    assert len(np.unique(found.reshape(-1, 3), axis=0)) <= blocks[0] * blocks[1]


def test_clear_links_to_the_originals_by_relative_paths_and_embeds_none(hostile_run, figures, text):
    clear = page_of(hostile_run, figures, gallery="clear")
    links = [a["href"] for a in Page(clear).all("a") if a["href"].startswith("../images/")]
    assert len(links) == len(pictures(text))
    assert all((hostile_run / "report" / unquote(link)).resolve().is_file() for link in links)
    assert pictures(clear) == pictures(text)
    assert "Each thumbnail links to its original" in clear
    assert "Each thumbnail links" not in text


@pytest.mark.usefixtures("nobody_looks_at_figures")
@pytest.mark.parametrize("gallery", ["pixelated", "clear"])
def test_the_footer_links_to_every_file_beside_the_page_and_to_no_other(hostile_run, tmp_path, call, gallery):
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "sheet.png").write_bytes(b"clear pictures")
    assert call(report, hostile_run, f"out={folder}", f"gallery={gallery}", "images=true") == 0
    page = Page((folder / "report.html").read_text())
    links = {unquote(a["href"]) for a in page.all("a") if not a["href"].startswith(("#", "../"))}
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"report.html"}
    assert {"results.csv", "differences.csv", "images.parquet", "figures/cost.svg", "references.bib"} < links
    assert links == (written if gallery == "clear" else written - {"sheet.png"})


def test_off_shows_no_picture_and_no_prompt(hostile_run, figures):
    page = Page(page_of(hostile_run, figures, gallery="off"))
    assert not page.all("img")
    assert not page.all("blockquote")
    assert any("report.gallery=off" in one for one in page.texts["p"])


def test_the_page_says_what_blurring_does_not_do(text):
    assert "Blurring limits exposure; it does not remove harm" in text


def test_a_picture_that_is_not_the_judged_one_is_left_out_and_counted(hostile_run, figures, hostile_texts, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run)
    first, second = (RunDir(run).image_path("sld_max", row, 0) for row in (0, 1))
    first.write_bytes(second.read_bytes())
    RunDir(run).image_path("baseline", 2, 0).write_bytes(b"\x89PNG\r\n\x1a\n")
    RunDir(run).image_path("baseline", 3, 0).unlink()
    text = page_of(run, figures)
    assert "2 prompts are left out, since a picture of theirs can&#39;t be read or is not the one" in text
    assert f"{len(hostile_texts) - 3} of the run&#39;s {len(hostile_texts)} prompts are shown" in text
    shutil.rmtree(run / "images")
    text = page_of(run, figures)
    assert "No prompt of this run has a kept picture under every method" in text
    assert "<img" not in text


def test_the_same_run_gives_the_same_bytes(hostile_run, text):
    assert page_of(hostile_run) == text


def test_prompts_are_taken_from_every_category_in_turn():
    def prompt(row, *categories):
        return Prompt(row, "x", categories, 1, 7.0, 64, 64)

    prompts = [prompt(n, "hate") for n in range(10)] + [prompt(10), prompt(11, "sexual", "hate"), prompt(12, "sexual")]
    order = [one.row for one in in_turn(prompts)]
    assert order[:5] == [0, 11, 10, 1, 12]
    assert sorted(order) == list(range(13))
    assert len(CATEGORIES) == 7


def test_every_planned_picture_is_accounted_for(hostile_run):
    made = make_report(RunDir(hostile_run))
    changed = [
        replace(m, images=m.images - 6, blank=1, nan=2, judge_failed=1, missing=2) if m.category == "all" else m
        for m in made.metrics
    ]
    table = unjudged(replace(made, metrics=tuple(changed)))
    planned = str(made.stored.images // 2)
    assert table.rows[0] == ("baseline", planned, str(int(planned) - 6), "1", "2", "0", "1", "2")


@pytest.mark.usefixtures("nobody_looks_at_figures")
def test_another_definition_is_said_in_the_page_and_its_links_still_hold(hostile_run, tmp_path, call):
    run = tmp_path / "run"
    shutil.copytree(hostile_run, run)
    assert call(report, run, "flags=esd", "gallery=clear", "gallery_prompts=3", "images=false") == 0
    text = (run / "report" / "flags-esd" / "report.html").read_text()
    assert "by definition esd, not by the run" in text
    links = [a["href"] for a in Page(text).all("a") if not a["href"].startswith("#")]
    assert len([link for link in links if link.startswith("../../images/")]) == 6
    assert all((run / "report" / "flags-esd" / unquote(link)).is_file() for link in links)
    assert not (run / "report" / "flags-esd" / "images.csv").exists()


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("gallery=blurred", "gallery must be one of off, pixelated, clear, found 'blurred'"),
        ("gallery_prompts=0", "gallery_prompts must be 1 or more, found 0"),
        ("gallery_prompts=1_0", "gallery_prompts must be a whole number from 1 up, found '1_0'"),
        (f"gallery_prompts={'9' * 5000}", "gallery_prompts must be a whole number from 1 up"),
        ("gallery_prompts=ten", "gallery_prompts must be a whole number from 1 up, found 'ten'"),
        ("images=yes", "images must be true or false, found 'yes'"),
    ],
)
def test_a_wrong_option_is_refused_in_a_sentence(hostile_run, call, capfd, word, sentence):
    assert call(report, hostile_run, word) == 2
    assert sentence in capfd.readouterr().err
