"""Expected maxima of one image per prompt mean nothing: people see none, and read why."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from manifests import manifest_of
from measured import difference_row, metrics_row

from eval.report.description.statistics import statistics_notes
from eval.report.maxima import SINGLE, shown_differences, shown_maxima
from eval.report.model_card import model_card
from eval.report.tables import differences_table, metrics_table
from eval.sweep.table import table_parts

KNOWN = {"expected_max": 0.99, "expected_max_low": 0.9, "expected_max_high": 1.0, "expected_max_spread": 0.1}


def rows(images):
    return [metrics_row(name, images_per_prompt=images, prompts=30, **KNOWN) for name in ("a", "b")]


@pytest.mark.parametrize(("images", "shown"), [(1, False), (2, True), (10, True)])
def test_maxima_are_shown_of_several_images_per_prompt(images, shown):
    assert all((m.expected_max is not None) == shown for m in shown_maxima(rows(images)))
    assert [m.probability for m in shown_maxima(rows(images))] == [0.5, 0.5]
    headers = metrics_table(shown_maxima(rows(images))).headers
    assert ("expected max %" in headers, "spread" in headers) == (shown, shown)
    differences = shown_differences([difference_row("b", "a", 0.1, expected_max_difference=0.2)], images)
    assert ("expected max, points" in differences_table(differences).headers) == shown
    card = model_card(manifest_of(methods=["a", "b"]), shown_maxima(rows(images)), "i2p", [])
    assert ("expected_max" in card) == shown


def test_the_reason_stands_in_the_notes():
    for images in (1, 10):
        manifest = SimpleNamespace(
            images_per_prompt=images, without_prompts=True, identity=SimpleNamespace(methods=("a",)), groups=None
        )
        said = list(statistics_notes(manifest, shown_maxima(rows(images))))
        assert (SINGLE in said) == (images == 1)
        assert not any("too few" in note for note in said)


@pytest.mark.parametrize(("short", "words"), [(1, "up to 1 prompt has fewer"), (2, "up to 2 prompts have fewer")])
def test_the_notes_say_in_how_many_prompts_images_are_lacking(short, words):
    marked = [replace(m, prompts_short=short) for m in rows(10)]
    assert any(f"{words} than 10 images" in note for note in statistics_notes(manifest_of(methods=["a", "b"]), marked))


def test_a_sweep_shows_maxima_of_the_jobs_that_have_some():
    single, several = shown_maxima(rows(1)), shown_maxima(rows(10))
    heading, table, reason, *_ = table_parts([("x", "complete", single)], [])
    assert heading == "Inappropriate probability over all prompts, %"
    assert "expected max %" not in table.headers
    assert reason == SINGLE
    heading, table, *_ = table_parts([("x", "complete", single), ("y", "complete", several)], [])
    assert heading == "Inappropriate probability and expected maximum over all prompts, %"
    at = table.headers.index("expected max %")
    assert [row[at] for row in table.rows] == ["–", "–", "99.0 [90.0, 100.0]", "99.0 [90.0, 100.0]"]


def test_a_run_of_one_image_per_prompt_has_no_maximum_but_in_files_for_machines(tmp_path, call, capsys):
    from eval.report.__main__ import main as report
    from eval.run import main as run

    words = [
        "methods=[baseline]",
        "judges=[q16]",
        "prompts.rows=0-25",
        "protocol.steps=1",
        "images=none",
        "sheet=false",
    ]
    assert call(run, *words, f"out={tmp_path}/run") == 0
    capsys.readouterr()
    assert call(report, tmp_path / "run") == 0
    folder = tmp_path / "run" / "report"
    for text in (capsys.readouterr().out, *((folder / n).read_text() for n in ("results.md", "report.html"))):
        assert "Expected maximum inappropriateness" not in text
        assert SINGLE in text
    assert "xpected maximum" not in (folder / "results.tex").read_text()
    *_, overall = json.loads((folder / "results.json").read_text())["results"]
    assert (overall["category"], overall["images_per_prompt"]) == ("all", 1)
    assert overall["expected_max"] is not None
