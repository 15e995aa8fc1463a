"""What safety costs, in tables, in the figure and in words."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from measured import difference_row, metrics_row

from eval.base.flat import flat
from eval.measure.cost import NO_COST, Cost
from eval.measure.quality import PictureQuality
from eval.quality.reference import Numbers
from eval.quality.settings import QualitySettings
from eval.report.__main__ import main as report_main
from eval.report.cost_figure import cost_figure, has_cost_figure
from eval.report.cost_table import cost_column, cost_table
from eval.report.description.cost import _blank, _compared_with, clip_words, cost_reading
from eval.report.format import cost_share, cost_value
from eval.report.latex import results_tex
from eval.report.margin import margin_notes, margin_table
from eval.report.page.svg import inline_svg
from eval.report.tables import expected_max_table, probability_table
from eval.report.trackers import scalars_of
from eval.run import main as run_main
from eval.store.asked import record_asked
from eval.store.features import write_features
from eval.store.reference import record_numbers
from eval.store.rundir import RunDir
from eval.store.stored_run import read_run

SVG = "{http://www.w3.org/2000/svg}"


def clip(value, low=None, high=None):
    return Cost(clip_distance=value, clip_distance_low=low, clip_distance_high=high, quality_images=9)


PRICES = {
    "baseline": (0.8, (0.7, 0.9), clip(0.0, 0.0, 0.0)),
    "good": (0.2, (0.1, 0.3), clip(0.1, 0.05, 0.2)),
    "dear": (0.3, (0.25, 0.4), clip(0.4, 0.3, 0.5)),
}
METRICS = [
    metrics_row(name, category, share, interval, cost=cost, expected_max=0.5)
    for name, (share, interval, cost) in PRICES.items()
    for category in ("hate", "all")
]


def test_the_last_row_of_a_table_of_safety_is_what_it_costs():
    for table in (probability_table(METRICS), expected_max_table(METRICS)):
        assert table.rows[-1] == ("cost", "9", "0", "0.10", "0.40")
    free = [metrics_row(name) for name in PRICES]
    assert [row[0] for row in probability_table(free).rows] == ["all"]


def test_a_category_named_cost_is_not_mistaken_for_the_row_of_costs():
    rows = [replace(m, category="Cost") if m.category == "hate" else m for m in METRICS]
    assert [row[0] for row in probability_table(rows).rows] == ["Cost", "all", "cost, all prompts"]
    assert "    cost, all prompts & 0 & 0.10 & 0.40 " in results_tex(rows, "x")


def test_a_table_names_by_whom_a_method_is_surpassed():
    table = cost_table(METRICS)
    assert table.headers == ("method", "images", "probability %", "CLIP distance", "surpassed by")
    assert table.rows == (
        ("baseline", "9", "80.0 [70.0, 90.0]", "0", "–"),
        ("good", "9", "20.0 [10.0, 30.0]", "0.10 [0.050, 0.20]", "–"),
        ("dear", "9", "30.0 [25.0, 40.0]", "0.40 [0.30, 0.50]", "good"),
    )


def test_the_quiet_column_is_a_loss_and_the_full_one_a_measure():
    row = difference_row("a", "b", 0.1, cost=Cost(clip_score_difference=-1.25, clip_score_difference_low=-2.0))
    assert cost_column([row])(row) == {"cost": "+1.2"}
    assert cost_column([row])(None) == {"cost": "–"}
    assert cost_column([row], "narrow")(row) == {"CLIP score": "−1.2"}
    assert cost_column([row], "full")(row) == {"CLIP score, difference": "−1.2"}
    assert cost_column([difference_row("a", "b", 0.1)])(row) == {}


def test_only_an_exact_zero_is_printed_without_decimals():
    assert (cost_value(0.0, "clip_distance"), cost_value(1e-9, "clip_distance")) == ("0", "0.000000")
    assert [cost_value(x, "lpips") for x in (0.000312, 0.0866, 0.413, 1.02)] == ["0.00031", "0.087", "0.41", "1.0"]
    rounded_up = [cost_value(x, "lpips") for x in (0.00996, 0.0996, 0.0994, -0.0996, 0.996, 0.0949)]
    assert rounded_up == ["0.010", "0.10", "0.099", "−0.10", "1.0", "0.095"]
    assert cost_value(None, "fid") == "–"
    assert cost_share(Cost(kid=0.01234, kid_low=-0.001, kid_high=0.03), "kid") == "0.012 [−0.0010, 0.030]"


def lines_of(svg):
    """The two ends of every interval, x and y, in the order they were drawn: across, then along, method by method."""
    root = ET.fromstring(svg)
    groups = [g for g in root.iter(f"{SVG}g") if g.get("id", "").startswith("LineCollection")]
    return np.array(
        [
            [float(n) for n in re.findall(r"-?[\d.]+", path.get("d"))[:4]]
            for g in groups
            for path in g.iter(f"{SVG}path")
        ]
    )


def test_every_method_is_a_point_with_both_intervals():
    drawn = lines_of(cost_figure(METRICS, list(PRICES)).svg)
    overall = [m for m in METRICS if m.category == "all"]
    assert len(drawn) == 2 * len(overall)
    across = np.array([[line[0], line[2]] for line in drawn[::2]])
    along = np.array([[line[1], line[3]] for line in drawn[1::2]])
    for ends, asked in (
        (across, np.array([m.cost.limits("clip_distance") for m in overall])),
        (along, np.array([m.new_prompts for m in overall])),
    ):
        slope, offset = np.polyfit(asked.ravel(), ends.ravel(), 1)
        assert abs(slope) > 100
        assert np.abs(slope * asked + offset - ends).max() < 0.01


def test_only_methods_that_none_surpasses_are_ringed():
    def rings(metrics):
        root = ET.fromstring(cost_figure(metrics, list(PRICES)).svg)
        return sum(
            1 for path in root.iter(f"{SVG}path") if "fill: none" in path.get("style", "") and "C" in path.get("d")
        )

    others = [m for m in METRICS if m.method != "dear"]
    assert rings(METRICS) == rings(others), "dear, which good surpasses, has none"


def test_there_is_a_figure_of_two_methods_or_more_only():
    assert has_cost_figure(METRICS)
    for few in (METRICS[:2], [metrics_row(name) for name in PRICES], []):
        assert not has_cost_figure(few)
        assert cost_figure(few, list(PRICES)) is None


def test_a_method_without_intervals_and_one_that_costs_nothing_are_drawn_too():
    bare = [metrics_row("a", cost=clip(0.0)), metrics_row("b", cost=clip(0.0))]
    assert len(lines_of(cost_figure(bare, ["a", "b"]).svg)) == 0
    lost = [metrics_row(n, cost=Cost(clip_score_difference=x)) for n, x in (("a", -1.0), ("b", 0.5))]
    assert "CLIP score lost" in cost_figure(lost, ["a", "b"]).svg.decode()


def test_the_figure_is_read_to_those_who_cannot_see_it():
    text = cost_reading(METRICS)
    assert text == (
        "What does safety cost? baseline: 80.0 [70.0, 90.0] % inappropriate, CLIP distance 0, surpassed by none; good: "
        "20.0 [10.0, 30.0] % inappropriate, CLIP distance 0.10 [0.050, 0.20], surpassed by none; dear: 30.0 [25.0, "
        "40.0] % inappropriate, CLIP distance 0.40 [0.30, 0.50]."
    )
    figure = ET.fromstring(inline_svg(cost_figure(METRICS, list(PRICES)), text, "cost"))
    assert (figure.get("role"), figure.get("aria-label")) == ("img", text)


def test_the_paper_table_has_a_row_for_it():
    lines = [line.strip() for line in results_tex(METRICS, "x").splitlines()]
    assert r"cost & 0 & 0.10 & 0.40 \\" in lines
    assert not any(line.startswith("cost") for line in results_tex([metrics_row("a")], "x").splitlines())


def test_who_is_no_worse_is_named_with_the_cost():
    limits = {"new_prompts_low_90": -0.3, "new_prompts_high_90": -0.1}
    rows = [difference_row("dear", "baseline", -0.2, cost=clip(0.4), **limits)]
    (note,) = margin_notes(rows, 2)
    assert note.endswith("shown to be no worse than baseline: dear (cost 0.40).")
    assert "cost" in margin_table(rows, 2).headers


def test_a_tracker_gets_what_it_has_numbers_for():
    scalars = scalars_of(SimpleNamespace(missing=0, metrics=METRICS[:2]))
    sent = {name.rpartition("/")[2] for name in scalars} & set(flat(NO_COST))
    assert sent == {"clip_distance", "clip_distance_low", "clip_distance_high", "quality_images"}


def test_a_clip_is_named_and_that_of_the_demo_world_is_said_to_be_its_own():
    assert clip_words({"architecture": "ViT-L-14", "weights": "openai"}) == "ViT-L-14, with the weights openai"
    assert "hold for no other pictures" in clip_words({"architecture": "x", "demo": True})


@pytest.fixture(scope="module")
def report(hostile_run):
    return hostile_run / "report"


def notes_of(stored, settings):
    pictures = PictureQuality(stored, settings.chosen, settings.reference)
    quality = SimpleNamespace(settings=settings, pictures=pictures)
    report = SimpleNamespace(stored=stored, manifest=stored.manifest, methods=stored.methods, quality=quality)
    return list(_blank(report))


def test_it_is_said_why_a_measure_of_distributions_is_blank(hostile_run, tmp_path):
    run = RunDir(shutil.copytree(hostile_run, tmp_path / "run"))
    scores = read_run(run).scores.select(["method", "row", "image", "digest"]).to_pylist()
    write_features(run, "inception", {"network": "any"}, 0, [s | {"features": [0.5] * 2048} for s in scores])
    stored, images = read_run(run), len(scores) // 2
    (note,) = notes_of(stored, QualitySettings(["fid"]))
    assert note == (
        f"fid is blank: FID needs 2,048 pictures a side, found {images} pictures: with fewer its bias exceeds "
        "most differences."
    )
    assert notes_of(stored, QualitySettings(["kid", "kid_clip", "clip_score"])) == []
    (note,) = notes_of(stored, QualitySettings(["kid_clip"], reference="coco"))
    assert note == "kid_clip is blank: coco has no features yet; the run's own command makes them."


def test_of_stored_statistics_it_is_said_what_they_leave_open(hostile_run, tmp_path, monkeypatch):
    run = RunDir(shutil.copytree(hostile_run, tmp_path / "run"))
    scores = read_run(run).scores.select(["method", "row", "image", "digest"]).to_pylist()
    write_features(run, "inception", {"network": "any"}, 0, [s | {"features": [0.5] * 2048} for s in scores])
    statistics = Numbers(tmp_path / "s.npz", {"mu": np.zeros(2048), "sigma": np.eye(2048)})
    record_numbers(run, "inception", "s.npz", statistics)
    stored = read_run(run)
    blank, few = notes_of(stored, QualitySettings(["kid", "fid"], reference="s.npz"))
    assert blank == "kid is blank: it needs features of pictures by Inception, and the statistics in s.npz have none."
    assert few.startswith("fid is blank: FID needs 2,048 pictures a side")
    record_numbers(run, "clip", "s.npz", statistics)
    (blank,) = notes_of(stored, QualitySettings(["kid_clip"], reference="s.npz"))
    assert blank.endswith("it needs features of pictures by CLIP, and Inception's numbers in s.npz have none.")
    monkeypatch.setattr("eval.measure.frechet.FEWEST", 1)
    (note,) = notes_of(stored, QualitySettings(["fid"], reference="s.npz"))
    assert note.startswith("fid compares with the statistics in s.npz: the program that wrote them may have resized")


def test_a_run_that_is_asked_for_nothing_shows_nothing(hostile_run, tmp_path, call, capfd):
    run = RunDir(shutil.copytree(hostile_run, tmp_path / "run"))
    record_asked(run, QualitySettings([]))
    assert call(report_main, run.root) == 0
    assert "cost" not in capfd.readouterr().out
    document = json.loads((run.report / "results.json").read_text())
    assert (document["quality"]["metrics"], document["quality"]["cost"]) == ([], None)
    assert all(row["clip_distance"] is None for row in document["results"])
    assert not list((run.report / "figures").glob("cost.*")), "of the earlier report"


def test_where_the_score_alone_is_asked_for_the_cost_is_how_much_of_it_is_lost(hostile_run, tmp_path, call):
    run = RunDir(shutil.copytree(hostile_run, tmp_path / "run"))
    record_asked(run, QualitySettings(["clip_score"]))
    assert call(report_main, run.root) == 0
    text = (run.report / "results.md").read_text()
    pair = "baseline's picture of the same prompt and noise"
    assert f"Cost: CLIP score, 100 × the cosine of picture and prompt, below that of {pair}." in text
    document = json.loads((run.report / "results.json").read_text())["quality"]
    assert document["cost"] == "clip_score_difference"
    meaning = f"the difference of CLIP scores, a picture's minus that of {pair}"
    assert document["meanings"]["clip_score_difference"] == meaning


def test_by_default_every_report_shows_what_safety_costs(report):
    document = json.loads((report / "results.json").read_text())
    assert document["quality"]["cost"] == "clip_distance"
    assert set(document["quality"]["features"]) == {"clip"}
    distance = {row["method"]: row["clip_distance"] for row in document["results"] if row["category"] == "all"}
    assert distance["baseline"] == 0 < distance["sld_max"]
    text = (report / "results.md").read_text()
    assert re.search(r"^\| cost +\|", text, re.MULTILINE)
    assert "Cost: CLIP distance, 1 − the cosine" in text
    assert "## What does safety cost?" in text
    page = (report / "report.html").read_text()
    assert f">cost {cost_value(distance['sld_max'], 'clip_distance')}</div>" in page
    assert 'aria-label="What does safety cost? baseline: ' in page
    assert {"cost.svg", "cost.png"} <= {path.name for path in (report / "figures").iterdir()}
    assert "\\multicolumn" in (report / "results.tex").read_text()
    assert "clip_distance" in (report / "model_card.md").read_text()


def test_it_is_said_where_distances_are_from_no_baseline_or_from_nothing(hostile_run, tmp_path):
    run = RunDir(shutil.copytree(hostile_run, tmp_path / "run"))
    scores = read_run(run).scores.select(["method", "row", "image", "digest"]).to_pylist()
    clip = {"embedding": [1.0] * 4, "text_cosine": 0.5, "text_cut": False}
    write_features(run, "clip", {"architecture": "any"}, 0, [s | clip for s in scores])
    stored = read_run(run)
    settings = QualitySettings()

    def of(methods, state="ok"):
        pictures = PictureQuality(stored, settings.chosen)
        first = pictures.places["method"] == methods[0]
        pictures.places["state"] = pictures.places["state"].where(~first, state)
        quality = SimpleNamespace(settings=settings, pictures=pictures)
        names = {"methods": methods, "printed_methods": [name.title() for name in methods]}
        return list(_compared_with(SimpleNamespace(stored=stored, quality=quality, **names)))

    assert of(["baseline", "sld_max"]) == []
    (note,) = of(["sld_max", "baseline"])
    assert note.startswith("Distances are from the pictures of Sld_Max")
    (note,) = of(["baseline", "sld_max"], "nan")
    assert note == "clip_distance can't be told: no picture of Baseline, the first method, could be judged."


def test_a_run_of_one_picture_has_no_distance_of_distributions_and_says_so(hostile_run, tmp_path):
    run = RunDir(shutil.copytree(hostile_run, tmp_path / "run"))
    shutil.rmtree(run.root / "features", ignore_errors=True)
    scores = read_run(run).scores.select(["method", "row", "image", "digest"]).to_pylist()
    clip = {"embedding": [1.0] * 4, "text_cosine": 0.5, "text_cut": False}
    write_features(run, "clip", {"architecture": "any"}, 0, [s | clip for s in scores[:1]])
    (note,) = notes_of(read_run(run), QualitySettings(["kid_clip"]))
    assert note == "kid_clip of baseline, sld_max is blank: it needs two pictures that can be compared."


def test_a_run_of_one_method_has_no_cost_but_the_score_and_says_what_another_method_would_give(tmp_path, call, capfd):
    run, words = tmp_path / "run", ["methods=[baseline]", "prompts.rows=0-1", "protocol.steps=1", "judges=[q16]"]
    assert call(run_main, *words, "images=none", "sheet=false", f"out={run}") == 0
    assert "cost" not in capfd.readouterr().out
    document = json.loads((run / "report" / "results.json").read_text())
    assert document["quality"]["cost"] is None
    assert [*document["quality"]["meanings"]] == ["clip_score"]
    assert {row["clip_distance"] for row in document["results"]} == {None}
    section = (run / "report" / "results.md").read_text().split("## What does safety cost?")[1]
    assert "CLIP score |" in section
    assert "surpassed" not in section
    record_asked(RunDir(run), QualitySettings(["clip_distance", "kid_clip"]))
    assert call(report_main, run) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert (
        "clip_distance and kid_clip can't be told: baseline is the run's only method, and there is none to compare it "
        "with; quality.reference= names other pictures for kid_clip." in printed
    )
    assert not list((run / "report" / "figures").glob("cost.*"))
