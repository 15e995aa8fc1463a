"""What would all the prompts give? The sentences, the tables and the files say it of the same numbers."""

import csv
import json
import shutil
from types import SimpleNamespace

import pytest
from manifests import manifest_of
from pages import page_text

import i2p
from eval.measure.population import PopulationEstimate
from eval.report.__main__ import main as report
from eval.report.description.population import population_question, population_sentences
from eval.report.population_table import population_tables
from eval.run import main
from eval.store.manifest import signed
from eval.store.records import SettingsRecord

pytestmark = pytest.mark.usefixtures("figures_of_a_kind_are_one")


def prompt(row, published=True):
    share = i2p.Published(row % 11 / 10) if published else None
    return i2p.Prompt(row, "text", ("hate",), row, 7.5, 64, 64, published=share)


EVERYONE = [prompt(row) for row in range(300)]
NAMES = ("method", "against", "category", "population", "prompts", "images", "sample")


def estimate(category="all", width=0.6, against=None, method="baseline", value=0.3):
    limits = (None, None, None) if width is None else (value, value - 0.1, value + 0.1)
    return PopulationEstimate(method, against, category, 300, 100, 200, 0.35, *limits, width)


def about(estimates=(), sampled=100, population=None, images=10, *, settings=None, model=None, published=True, **more):
    """A report of a run that draws so many of 300 prompts; `settings` are those of its prompts."""
    chosen = {"source": "AIML-TUDA/i2p", "sample": sampled} | (settings or {})
    fields = {"settings": SettingsRecord({"model": {"kind": "checkpoint"}, "prompts": chosen})}
    manifest = manifest_of(protocol={"images_per_prompt": images}, model=model, population=population, **fields, **more)
    prompts = [prompt(row, published) for row in range(sampled or 300)]
    stored = SimpleNamespace(manifest=manifest, prompts=prompts, identity=manifest.identity)
    return SimpleNamespace(stored=stored, manifest=manifest, population=tuple(estimates))


def sentences(*args, strata=None, **more):
    return population_sentences(about(*args, population=i2p.population_of(EVERYONE, strata), **more))


def test_the_sentences_say_what_was_drawn_from_what_and_what_is_gained():
    first, second = sentences([estimate(width=0.6), estimate(width=0.82, method="safer"), estimate("hate", 0.1)])
    assert first.startswith(
        "100 prompts were drawn from all 300 prompts of I2P, each with the same chance. What all of"
    )
    assert second.startswith("The 95 % intervals are about these prompts only: what varies is which of them are drawn")
    assert second.endswith("Over all prompts they are 18 to 40 % narrower than those of the sample alone.")
    first, second = sentences([estimate(width=0.604)], strata="published")
    assert "in proportion over the levels of the published percentage" in first
    assert "they are 40 % narrower" in second


def test_they_say_which_categories_have_no_estimate():
    assert sentences([estimate(), estimate("hate", None)])[1] == (
        "Categories of which fewer than 20 sampled prompts were judged have no estimate (–)."
    )


def test_they_name_the_filters_before_the_sample():
    chosen = {"categories": ["hate", "sexual"], "hard": False, "rows": None}
    [first, _] = sentences([estimate()], settings=chosen)
    assert "from all 300 prompts of I2P with categories=hate,sexual, hard=False, each" in first


def test_where_nothing_is_gained_they_say_so():
    for width in (0.99, 1.2):
        [_, last] = sentences([estimate(width=width)])
        assert last.endswith("Nothing is gained: over all prompts they are as wide as those of the sample alone.")
    [_, last] = sentences([estimate(width=0.85)], images=1)
    assert last.endswith("More images per prompt would gain more: one says little about its prompt.")
    assert "they are 15 % narrower" in last
    assert sentences([estimate(width=None)])[1].startswith("Fewer than 20 of them were judged")


def test_a_run_of_all_prompts_has_nothing_to_estimate():
    for sampled in (None, 300):
        [sentence] = sentences(sampled=sampled)
        assert sentence.startswith("This run has all 300 prompts of I2P, so nothing is left to be estimated")


def test_a_sample_of_which_nothing_is_known_says_why():
    assert population_sentences(about(sampled=None, published=False)) == []
    assert population_sentences(about())[0].startswith("What the sample was drawn from is not on record")
    assert population_sentences(about(published=False))[0].startswith("Nothing was published of the prompts")
    replayed = {"source": "the dataset's own", "results_sha256": "abc"}
    assert sentences(model=replayed)[0].startswith("The verdicts are the published ones themselves")
    assert sentences(model=replayed, sampled=None) == []


def test_the_question_names_i2p_only_where_it_is_all_of_it():
    shares = {"all": i2p.population.Share(4703, 0.4)}
    whole = i2p.Population(shares, (4703, *[0] * 10))
    assert population_question(about(population=whole)) == "What would all of I2P give?"
    assert population_question(about(population=i2p.population_of(EVERYONE))) == "What would all 300 prompts give?"
    assert population_question(about(population=whole, benchmark=None)) == "What would all 4,703 prompts give?"
    assert population_question(about()) == "What would all the prompts give?"


def test_the_tables_have_shares_in_percent_and_differences_in_points():
    rows = [estimate(), estimate("hate", None), estimate(against="baseline", method="safer", value=-0.2)]
    (_, shares), (caption, differences) = population_tables(rows)
    assert shares.headers == ("category", "prompts", "sampled", "baseline")
    assert shares.rows == (("hate", "300", "100", "–"), ("all", "300", "100", "30.0 [20.0, 40.0]"))
    assert caption == "Difference from baseline, in points with 95 % intervals"
    assert differences.rows == (("all", "300", "100", "−20.0 [−30.0, −10.0]"),)
    assert population_tables([]) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory, call):
    """A run of the demo's model on 20 of 60 prompts of which a percentage was published."""
    folder = tmp_path_factory.mktemp("sampled")
    lines = [f"a quiet fox number {n},{'hate' if n % 2 else 'sexual'},{10 * (n % 11)},{n}\n" for n in range(60)]
    (path := folder / "list.csv").write_text("prompt,categories,inappropriate_percentage,sd_seed\n" + "".join(lines))
    words = [f"prompts.path={path}", "prompts.sample=20", "prompts.strata=published", "judges=[q16]", "images=none"]
    words += ["methods=[baseline,sld_max]", "protocol.steps=2", "protocol.images_per_prompt=1", "model.size=64"]
    assert call(main, "prompts=i2p", *words, f"out={folder / 'run'}") == 0
    return folder / "run"


def test_a_run_s_files_say_the_same(run):
    folder = run / "report"
    with (folder / "population.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = json.loads((folder / "results.json").read_text())["population"]
    assert found["prompts"] == 60
    assert [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in found["estimates"]
    ] == [{name: value for name, value in row.items() if name != "definition"} for row in rows]
    assert {(row["method"], row["against"]) for row in rows} == {
        ("baseline", ""), ("sld_max", ""), ("sld_max", "baseline"),
    }  # fmt: skip
    assert {row["population"] for row in rows if row["category"] == "hate"} == {"30"}
    question = "What would all 60 prompts give?"
    page, text = page_text(folder), (folder / "results.md").read_text()
    assert f"## {question}" in text
    assert f'<h2 id="population-title">{question}</h2>' in page
    for sentence in found["sentences"]:
        assert sentence.split("`")[0] in text
        assert sentence in page
    assert 'href="#population"' in page


def test_a_report_by_another_definition_estimates_by_that_one(run, call):
    assert call(report, run, "flags=q16-0.9") == 0
    with (run / "report/flags-q16-0.9/population.csv").open(newline="") as file:
        assert {row["definition"] for row in csv.DictReader(file)} == {"q16-0.9"}


def test_a_run_of_an_older_version_still_reports_without_it(run, call, tmp_path):
    older = shutil.copytree(run, tmp_path / "older")
    document = json.loads((older / "manifest.json").read_text())
    del document["population"], document["settings"]["prompts"]["strata"]
    (older / "manifest.json").write_text(json.dumps(signed(document)))
    assert call(report, older) == 0
    found = json.loads((older / "report/results.json").read_text())["population"]
    assert found["estimates"] == []
    assert found["sentences"][0].startswith("What the sample was drawn from is not on record")
    assert not (older / "report/population.csv").exists()
