"""What an older version left behind still reports, compares and resumes: `old_run` holds two of its run directories."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import eval.compare.__main__
import eval.report.__main__
import eval.run
import eval.status
from eval.store.rundir import RunDir
from eval.store.stored_run import read_run

OLD = Path(__file__).parent / "old_run"
EXPECTED = OLD / "expected"
DEMO = [
    "prompts.rows=[0,1,2,5,11,22]",
    "methods=[baseline,sld_max]",
    "protocol.images_per_prompt=2",
    "protocol.steps=8",
    "device=cpu",
    "report.images=true",
]
JUDGED = ["model=images", "prompts=demo", "q16=demo", "prompts.rows=[0,2,11]", "device=cpu", "report.images=true"]
TABLES = ("results.csv", "differences.csv")
INFERENCE = ("p", "p_holm", "expected_max_sd")


@pytest.fixture
def old(tmp_path):
    """A copy of the old run directories."""
    for name in ("demo", "judged"):
        shutil.copytree(OLD / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="module")
def resumed(tmp_path_factory, call):
    """The unfinished run, resumed by today's version."""
    out = tmp_path_factory.mktemp("old") / "demo"
    shutil.copytree(OLD / "demo", out)
    manifest = (out / "manifest.json").read_bytes()
    assert call(eval.run.main, *DEMO, f"out={out}") == 0
    assert (out / "manifest.json").read_bytes() == manifest
    return out


def assert_same_table(table, expected):
    """Each count and share that the older version wrote has the same text; a column added since is no difference.

    Nor is the order of the rows: all prompts came first then.

    Intervals and tests took every prompt for independent then, and have other names and values now.
    """
    columns, rows = _table(expected)
    columns = [column for column in columns if not column.endswith(("low", "high")) and column not in INFERENCE]
    now, cells = _table(table)
    assert [column for column in now if column in columns] == columns, table
    then, today = ([{column: _cell(column, row) for column in columns} for row in lines] for lines in (rows, cells))
    assert today == then, table


def _cell(column, row):
    """The text of a cell; of a probability, 12 digits, since the exponential's last one depends on the kind of CPU."""
    return f"{float(row[column]):.12g}" if column == "q16_probability" else row[column]


def _table(path):
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = sorted(reader, key=lambda row: [row.get(name, "") for name in ("method", "row", "image", "category")])
    return list(reader.fieldnames), rows


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return {(row["method"], row["row"], row["image"]): row for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", ["demo", "judged"])
def test_it_reports_what_the_version_that_made_it_reported(old, call, name):
    assert call(eval.report.__main__.main, old / name) == {"demo": 3, "judged": 0}[name]
    for table in TABLES:
        expected = EXPECTED / {"demo": "half", "judged": "judged"}[name] / table
        assert_same_table(old / name / "report" / table, expected)


def test_its_status_counts_what_is_left(old, call, capsys):
    assert call(eval.status.main, old / "demo") == 3
    assert "12 of 24" in capsys.readouterr().out
    assert call(eval.status.main, old / "judged") == 0


def test_it_resumes_to_the_tables_of_the_version_that_began_it(resumed):
    for table in TABLES:
        assert_same_table(resumed / "report" / table, EXPECTED / "complete" / table)


def test_what_was_drawn_before_is_kept_and_what_is_drawn_now_is_the_same_picture(resumed):
    before = (OLD / "demo/scores/00000-000000.parquet").read_bytes()
    assert (resumed / "scores/00000-000000.parquet").read_bytes() == before
    assert [pq.read_metadata(part).num_rows for part in sorted((resumed / "scores").iterdir())] == [12, 12]
    for picture in (OLD / "demo/images").rglob("*.png"):
        assert (resumed / picture.relative_to(OLD / "demo")).read_bytes() == picture.read_bytes()
    assert len(list((resumed / "images").rglob("*.png"))) == 24
    now, then = (rows_of(folder / "images.csv") for folder in (resumed / "report", EXPECTED / "complete"))
    assert now.keys() == then.keys()
    for key, row in then.items():
        # Another kind of CPU rounds otherwise, so scores of pictures drawn anew are near, not equal.
        for column in ("q16_safe", "q16_inappropriate"):
            assert float(now[key][column]) == pytest.approx(float(row[column]), abs=0.05), key
        for column in ("state", "q16", "nude_labels", "nude", "inappropriate", "definition", "prompt"):
            assert now[key][column] == row[column], key


def test_only_what_is_drawn_now_has_features_since_pictures_are_not_looked_at_again(resumed):
    stored = read_run(RunDir(resumed))
    cosines = stored.features["clip"].aligned(stored.scores, ["embedding"])["embedding"]
    assert stored.features["clip"].images == 12
    assert np.isfinite(cosines).all(axis=1).sum() == 12
    assert read_run(RunDir(OLD / "demo")).features == {}


def test_it_compares_with_a_run_of_today(resumed, old, call, capsys):
    rows = ["prompts.rows=[0,2,11]", *DEMO[1:], f"out={old}/today", "report.images=false"]
    assert call(eval.run.main, *rows) == 0
    capsys.readouterr()
    assert call(eval.compare.__main__.main, old / "today", resumed, "against=today", f"out={old}/compared") == 0
    assert "compared with namesakes in today on the 3 prompts that all have." in capsys.readouterr().out
    with (old / "compared/comparison_differences.csv").open(newline="") as file:
        overall = [row for row in csv.DictReader(file) if row["category"] == "all"]
    assert [(row["method"], row["images"], float(row["difference"])) for row in overall] == [
        ("baseline", "6", 0.0),
        ("sld_max", "6", 0.0),
    ]


def test_pictures_judged_before_are_not_judged_again(old, call):
    pictures = old / "demo/images"
    assert call(eval.run.main, *JUDGED, f"model.path={pictures}", f"out={old}/judged") == 0
    assert [path.name for path in (old / "judged/scores").iterdir()] == ["00000-000000.parquet"]
    for table in (*TABLES, "images.csv"):
        assert_same_table(old / "judged/report" / table, EXPECTED / "judged" / table)


def test_it_grows_and_its_own_scores_stay(old, call):
    pictures, out = old / "demo/images", old / "judged"
    shutil.copytree(pictures / "sld_max", pictures / "mine")
    before = (out / "scores/00000-000000.parquet").read_bytes()
    begun = rows_of(EXPECTED / "judged/images.csv")
    assert call(eval.run.main, *JUDGED, f"model.path={pictures}", f"out={out}") == 0
    assert (out / "scores/00000-000000.parquet").read_bytes() == before
    assert pq.read_metadata(out / "scores/00000-000001.parquet").num_rows == len(begun) / 2
    assert {row["method"] for row in rows_of(out / "report/images.csv").values()} == {"baseline", "sld_max", "mine"}
    manifest, kept = (json.loads((out / name).read_text()) for name in ("manifest.json", "manifests/0.json"))
    assert [growth["methods"] for growth in manifest["history"]] == [["mine"]]
    assert kept == json.loads((OLD / "judged/manifest.json").read_text())
    assert call(eval.run.main, *JUDGED, f"model.path={pictures}", f"out={out}") == 0
    assert len(list((out / "scores").iterdir())) == 2


def test_other_settings_are_refused_in_a_sentence(old, call, capsys):
    other = [word.replace("steps=8", "steps=9") for word in DEMO]
    assert call(eval.run.main, *other, f"out={old}/demo") == 2
    assert (
        "found one whose pictures they would change (protocol.steps is 8 there and 9 here)" in capsys.readouterr().err
    )


def test_a_manifest_changed_by_hand_is_refused(old, call, capsys):
    path = old / "demo/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["identity"]["protocol"]["steps"] = 50
    path.write_text(json.dumps(manifest))
    assert call(eval.report.__main__.main, old / "demo") == 2
    assert "must be as it was written" in capsys.readouterr().err
