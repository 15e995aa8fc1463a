"""From a user's list of prompts to the report: its rows, seeds and categories count, and what is not used is said."""

import csv
import json

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from markdown_it import MarkdownIt
from PIL import Image

from eval.compare.__main__ import main as compare
from eval.config.settings import read_settings
from eval.doctor.__main__ import main as doctor
from eval.plan.make import make_plan
from eval.run import main
from i2p.published import PROMPTS

UNUSED = "Columns that are not used: notes, lexica_url."


@pytest.fixture(scope="module")
def drawn(tmp_path_factory, call):
    """A run of the demo's model on a list as the field writes them, and the list."""
    folder = tmp_path_factory.mktemp("own")
    (path := folder / "list.csv").write_text(
        "case_number;Prompt;notes;evaluation_seed;evaluation_guidance;class;lexica_url\n"
        "9;a quiet castle in the forest at dusk;x;3111222333;19;Nudity;u\n"
        "5;a quiet fox by the sea at noon;y;;13;Sexual, zeta;v\n"
        "2;a quiet boat by the sea at noon;z;4;9;alpha;w\n"
    )
    words = [f"prompts.path={path}", f"out={folder / 'run'}", "methods=[baseline,sld_max]", "judges=[q16]"]
    assert call(main, "prompts=i2p", *words, "images=all", "protocol.steps=1", "sheet=false") == 0
    return folder / "run", path, words


def results(run):
    with (run / "report" / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_seeds_and_guidance_are_the_lists(drawn):
    lines = [json.loads(line) for line in (drawn[0] / "prompts.jsonl").read_text().splitlines()]
    found = [(p["row"], p["seed"], p["guidance_scale"], p["categories"]) for p in lines]
    assert found == [
        (9, 3111222333, 19.0, ["Nudity"]),
        (5, 5, 13.0, ["sexual", "zeta"]),
        (2, 4, 9.0, ["alpha"]),
    ]


def test_what_is_not_used_stands_in_the_manifest_and_the_report(drawn):
    manifest = json.loads((drawn[0] / "manifest.json").read_text())
    assert manifest["unused_columns"] == ["notes", "lexica_url"]
    remarks = [
        "1 of 3 rows has no evaluation_seed: the row's number is used.",
        "Categories in another spelling are counted as one: 'Sexual' as 'sexual'.",
    ]
    assert manifest["prompt_remarks"] == remarks
    notes = json.loads((drawn[0] / "report" / "results.json").read_text())["notes"]
    assert [note for note in notes if note in remarks] == remarks
    assert "Columns of list.csv that are not used: notes, lexica_url." in notes
    assert "notes, lexica_url" in (drawn[0] / "report" / "report.html").read_text()


def test_what_is_not_used_is_said_once_and_by_the_doctor(drawn, call, capfd, caplog):
    _, _, words = drawn
    assert call(main, "prompts=i2p", *words, "images=all", "protocol.steps=1", "sheet=false") == 0  # goes on
    assert [record.getMessage() for record in caplog.records].count(UNUSED) == 1
    capfd.readouterr()
    call(doctor, "prompts=i2p", *words, "protocol.steps=1", "measure=false")
    assert capfd.readouterr().out.count(UNUSED) == 1


def test_categories_are_the_lists_own_behind_i2ps_in_their_order_of_appearance(drawn):
    rows = [(r["method"], r["category"], r["prompts"]) for r in results(drawn[0])]
    order = [("sexual", "1"), ("Nudity", "1"), ("zeta", "1"), ("alpha", "1"), ("all", "3")]
    assert rows == [(method, *each) for method in ("baseline", "sld_max") for each in order]
    for name in ("results.md", "results.tex", "report.html", "differences.csv", "definitions.csv", "model_card.md"):
        text = (drawn[0] / "report" / name).read_text(encoding="utf-8")
        assert "Nudity" in text, name
        assert "harassment" not in text.replace("hate, harassment, violence, suffering", ""), name


def test_the_lists_categories_can_be_chosen_and_others_are_refused_with_them(drawn, call, capfd):
    _, path, _ = drawn
    words = ["prompts=i2p", f"prompts.path={path}", "measure=false", "out=runs/none"]
    call(doctor, *words, "prompts.categories=[nudity,zeta]")
    assert "2 prompts × 1 image ×" in capfd.readouterr().out
    assert call(main, *words[:2], "prompts.categories=[hate]", "out=runs/none") == 2
    assert "must be one of 'sexual', 'Nudity', 'zeta', 'alpha'" in capfd.readouterr().err


def test_runs_of_a_list_with_its_own_categories_are_compared(drawn, tmp_path, call):
    run, _, words = drawn
    other = [word for word in words if not word.startswith(("out=", "methods="))]
    assert (
        call(
            main,
            "prompts=i2p",
            *other,
            f"out={tmp_path}/other",
            "methods=[baseline]",
            "images=none",
            "protocol.steps=1",
        )
        == 0
    )
    assert call(compare, run, tmp_path / "other", f"out={tmp_path}/compared") == 0
    text = "".join(file.read_text(encoding="utf-8") for file in (tmp_path / "compared").rglob("*.csv"))
    assert "Nudity" in text
    assert "zeta" in text


def test_pictures_named_by_case_number_are_of_the_rows_with_it(tmp_path, call):
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for name in ("2_0", "9_0", "5_0"):
        pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{name}.png")
    (tmp_path / "list.tsv").write_text(
        "case_number\tcaption\tcategory\n9\ta lake\tzeta\n2\ta tree\thate\n5\ta hill\tNA\n"
    )
    words = ["model=images", f"model.path={tmp_path / 'pictures'}", f"prompts.path={tmp_path / 'list.tsv'}"]
    out = tmp_path / "run"
    assert call(main, *words, "q16=demo", "judges=[q16]", f"out={out}", "report.images=true") == 0
    with (out / "report" / "images.csv").open(newline="") as file:
        found = {int(r["row"]): (r["prompt"], r["categories"]) for r in csv.DictReader(file)}
    assert found == {2: ("a tree", "hate"), 5: ("a hill", "NA"), 9: ("a lake", "zeta")}
    assert [r["category"] for r in results(out)] == ["hate", "zeta", "NA", "all"]


@pytest.fixture(scope="module")
def replayed(i2p_csv, esd_csv, tmp_path_factory, call):
    """Reports on the dataset's own results, from the real file and from ESD's copy of it."""
    folder = tmp_path_factory.mktemp("replayed")
    for name, path in (("real", i2p_csv), ("esd", esd_csv)):
        assert call(main, "model=published", f"prompts.path={path}", f"out={folder / name}") == 0
    return [json.loads((folder / name / "report" / "results.json").read_text()) for name in ("real", "esd")]


def test_published_numbers_stand_beside_esds_copy_as_beside_i2p(replayed):
    real, esd = replayed
    assert esd["published"] == real["published"]
    assert {c["category"] for c in esd["published"]} == set(PROMPTS)
    assert esd["results"] == real["results"]
    assert esd["deviations"] == []
    assert any("its text in I2P, 'Null', is used" in note for note in esd["notes"])


def test_what_a_copy_of_i2p_lacks_is_a_deviation_where_the_protocol_asks_for_it(esd_csv, tmp_path):
    with esd_csv.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (path := tmp_path / "bare.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["case_number", "prompt", "evaluation_seed"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)

    def planned(*overrides):
        with initialize_config_module("conf", version_base="1.3"):
            return make_plan(
                read_settings(
                    compose("run", overrides=["out=runs/x", "model=sd14", f"prompts.path={path}", *overrides])
                )
            )

    plan = planned()
    assert plan.benchmark
    assert plan.deviations == (
        "guidance scale 7.5 for every row instead of I2P's guidance scales, which this copy of it lacks",
        "size 512×512 for every row instead of I2P's sizes, which this copy of it lacks",
    )
    assert planned("protocol=official").deviations == ()


def test_a_category_of_any_characters_is_shown_as_it_is(tmp_path, call):
    names = ["<b>x</b>", "[link](http://a.b)", "*star* `code`", r"100% $\frac{a}$ #1", "x/y", "under_score", "ünï"]
    with (path := tmp_path / "list.csv").open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["prompt", "category", "inappropriate_percentage"])
        lines.writerows(["a", name, 10 * n] for n, name in enumerate(names))
    assert call(main, "model=published", f"prompts.path={path}", f"out={tmp_path / 'run'}") == 0
    assert [r["category"] for r in results(tmp_path / "run")] == [*names, "all"]
    tokens = MarkdownIt().enable("table").parse((tmp_path / "run/report/results.md").read_text(encoding="utf-8"))
    cells = ["".join(child.content for child in token.children) for token in tokens if token.type == "inline"]
    assert set(names) <= set(cells)
    page = (tmp_path / "run/report/report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "<b>x</b>" not in page
