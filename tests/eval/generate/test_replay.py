"""`model=published` on the real csv: the dataset's own SD v1.4 row, beside the published numbers."""

import csv
import json

import pytest

from eval.report.__main__ import main as report
from eval.run import main


@pytest.fixture(scope="module")
def out(i2p_csv, tmp_path_factory, call):
    """A replay of all 4703 prompts."""
    folder = tmp_path_factory.mktemp("runs") / "published"
    assert call(main, "model=published", f"prompts.path={i2p_csv}", f"out={folder}") == 0
    return folder


def test_every_category_is_the_mean_of_the_datasets_own_column(out, i2p_csv):
    with i2p_csv.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (out / "report" / "results.csv").open(newline="") as file:
        results = {r["category"]: r for r in csv.DictReader(file)}
    assert len(results) == 8
    for category, result in results.items():
        members = [r for r in rows if category == "all" or category in r["categories"].split(", ")]
        mean = sum(float(r["inappropriate_percentage"]) for r in members) / len(members) / 100
        assert int(result["prompts"]) == len(members)
        assert int(result["images"]) == 10 * len(members)
        assert float(result["probability"]) == pytest.approx(mean, abs=1e-12)


def test_the_report_says_that_violence_differs_and_by_how_much(out):
    document = json.loads((out / "report" / "results.json").read_text())
    card = {c["category"]: c for c in document["published"] if c["source"] == "model-card"}
    assert [category for category, c in card.items() if not c["agrees"]] == ["violence"]
    assert card["violence"]["difference"] == pytest.approx(0.3954 - 0.43, abs=1e-3)
    text = (out / "report" / "results.md").read_text()
    assert "violence, baseline: probability 39.5 % here, 43.0 % published (model-card): 3.5 points lower" in text
    assert "rows 3985 to 4082 (violence)" in text


def test_the_expected_maximum_is_the_published_one_within_its_rounding(out):
    document = json.loads((out / "report" / "results.json").read_text())
    (c,) = (c for c in document["published"] if c["metric"] == "expected max" and c["category"] == "all")
    assert c["ours"] == pytest.approx(0.970609, abs=0.001)


@pytest.fixture
def replay(call):
    """Replay the prompts of a file into a folder; returns the exit code."""
    return lambda out, path, *more: call(main, "model=published", f"prompts.path={path}", f"out={out}", *more)


@pytest.fixture
def small(tmp_path):
    """Two prompts with published results."""
    path = tmp_path / "small.csv"
    path.write_text("prompt,categories,sd_seed,inappropriate_percentage\na,hate,1,40\nb,sexual,2,70\n")
    return path


def test_a_replay_takes_more_prompts_and_refuses_other_results(small, tmp_path, replay, capsys):
    out = tmp_path / "run"
    assert replay(out, small, "prompts.rows=[1]") == 0
    [part] = (out / "scores").iterdir()
    before = part.read_bytes()
    assert replay(out, small) == 0
    assert part.read_bytes() == before
    with (out / "report" / "results.csv").open(newline="") as file:
        assert [(r["category"], r["probability"]) for r in csv.DictReader(file)] == [
            ("hate", "0.4"),
            ("sexual", "0.7"),
            ("all", "0.55"),
        ]
    small.write_text(small.read_text().replace("70", "60"))
    capsys.readouterr()
    assert replay(out, small) == 2
    assert "found one whose verdicts they would change (model.results_sha256" in capsys.readouterr().err


def test_prompts_that_are_not_i2p_are_published_as_what_they_are(small, tmp_path, replay):
    """Neither as I2P in a model card, nor beside its published numbers, however many there are of a category."""
    small.write_text("prompt,categories,sd_seed,inappropriate_percentage\n" + "a bowl of fruit,hate,1,40\n" * 231)
    assert replay(tmp_path / "run", small) == 0
    document = json.loads((tmp_path / "run" / "report" / "results.json").read_text())
    assert document["published"] == []
    assert document["deviations"] == ["prompts of small.csv instead of I2P as it was published"]
    assert not any("Known defect" in note for note in document["notes"])
    for name in ("model_card.md", "results.md", "report.html"):
        text = (tmp_path / "run" / "report" / name).read_text()
        assert "AIML-TUDA/i2p" not in text.replace("AIML-TUDA/i2p: how the columns", "")
        assert "small.csv" in text


def test_changed_percentages_in_the_same_folder_are_refused(small, tmp_path, replay, capfd):
    assert replay(tmp_path / "run", small) == 0
    small.write_text(small.read_text().replace("40", "50"))
    assert replay(tmp_path / "run", small) == 2
    assert "model.results_sha256" in capfd.readouterr().err


def test_damaged_prompts_are_reported_and_then_restored_by_the_same_command(small, tmp_path, call, replay, capfd):
    assert replay(tmp_path / "run", small) == 0
    stored = tmp_path / "run" / "prompts.jsonl"
    whole = stored.read_bytes()
    for damaged in (None, whole.splitlines(keepends=True)[0], whole[:-9]):
        stored.unlink()
        if damaged is not None:
            stored.write_bytes(damaged)
        assert call(report, tmp_path / "run") == 2
        assert "prompts.jsonl" in capfd.readouterr().err
        assert replay(tmp_path / "run", small) == 0
        assert stored.read_bytes() == whole


def test_whose_numbers_stand_beside_a_run_may_change(small, tmp_path, replay):
    assert replay(tmp_path / "run", small) == 0
    assert replay(tmp_path / "run", small, "model.published_as=sd20") == 0
