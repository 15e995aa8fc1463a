"""What columns cost, from features in run directories, against brute force over the features."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from several import DRAWN

from eval.base.image_key import ImageKey
from eval.compare.compared import Options, compare_runs
from eval.compare.notes import comparison_notes
from eval.compare.summary import cost_meaning
from eval.measure.cost import shown_measure
from eval.quality import CLIP
from eval.quality.settings import QualitySettings
from eval.store.asked import record_asked
from eval.store.features import write_features
from eval.store.records import ModelRecord
from eval.store.rundir import RunDir
from eval.store.stored_run import read_run
from i2p.categories import ALL

OLD = Path(__file__).resolve().parents[1] / "old_run" / "judged"


def feature(seed, method, row, image):
    """An embedding of length one, and its cosine with the prompt."""
    rng = np.random.default_rng([seed, row, image, method == "sld_max"])
    vector = rng.normal(size=8)
    return (vector / np.linalg.norm(vector)).astype(np.float16), float(rng.uniform(-0.2, 0.5))


def with_features(folder, seed, architecture="any"):
    run = RunDir(Path(shutil.copytree(OLD, folder)))
    scores = read_run(run).scores.select(["method", "row", "image", "digest"]).to_pylist()
    rows = [(score, feature(seed, score["method"], score["row"], score["image"])) for score in scores]
    clip = [s | {"embedding": vector, "text_cosine": cosine, "text_cut": False} for s, (vector, cosine) in rows]
    if seed:
        write_features(run, CLIP, {"architecture": "any", "dtype": architecture}, 0, clip)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("costs")
    return [with_features(root / name, seed) for seed, name in enumerate("ab", 1)]


def keys(run):
    scores = run.scores.to_pylist()
    return sorted({(score["row"], score["image"]) for score in scores})


def overall(rows):
    return {row.method: row.cost for row in rows if row.category == ALL}


def test_pictures_are_compared_with_the_references_of_the_same_prompt_and_number(runs):
    stored = [read_run(run) for run in runs]
    compared = compare_runs(stored, Options(against="a"))
    costs, differences = overall(compared.metrics), overall(compared.differences)
    for method in stored[0].methods:
        pairs = [[feature(seed, method, *key) for seed in (1, 2)] for key in keys(stored[0])]
        apart = [1 - float(a[0].astype(float) @ b[0].astype(float)) for a, b in pairs]
        gains = [100 * (max(b[1], 0) - max(a[1], 0)) for a, b in pairs]
        cost = costs[f"b: {method}"]
        assert cost.clip_distance == pytest.approx(np.mean(apart), abs=2e-3)  # of half precision
        assert cost.clip_score_difference == pytest.approx(np.mean(gains), abs=1e-3)
        assert cost.clip_score == pytest.approx(np.mean([100 * max(b[1], 0) for _, b in pairs]), abs=1e-3)
        assert (cost.quality_images, differences[f"b: {method}"]) == (len(pairs), cost)
        assert costs[f"a: {method}"].clip_distance == 0
    notes = " ".join(comparison_notes(compared))
    assert "is another, CLIP distances there are those of two draws." in notes


def drawn(run, noise):
    """A run as if it had drawn its pictures, of seeds that begin here."""
    stored = read_run(run)
    identity = replace(stored.identity, model=ModelRecord(DRAWN))
    prompts = tuple(replace(prompt, seed=noise + prompt.row) for prompt in stored.prompts)
    return replace(stored, manifest=replace(stored.manifest, identity=identity), prompts=prompts)


def test_where_no_column_has_a_distance_the_cost_is_the_score_and_said_to_be(runs):
    first, same, other = drawn(runs[0], 0), drawn(runs[1], 0), drawn(runs[1], 1000)
    compared = compare_runs([first, other], Options(methods=["baseline"]))
    costs = overall(compared.metrics)
    assert (costs["a"].clip_distance, costs["a"].clip_score_difference) == (None, 0)
    assert shown_measure(compared.metrics) == shown_measure(compared.differences) == "clip_score_difference"
    assert cost_meaning(compared).startswith("Cost: CLIP score, 100 × the cosine of picture and prompt, below that of")
    compared = compare_runs([first, same], Options(methods=["baseline"]))
    assert overall(compared.metrics)["a"].clip_distance == 0 < overall(compared.differences)["b"].clip_distance
    assert cost_meaning(compared).startswith("Cost: CLIP distance")


def test_independent_samples_have_scores_and_their_differences_and_no_distance(runs):
    stored = [read_run(run) for run in runs]
    compared = compare_runs(stored, Options(paired=False, methods=["baseline"]))
    costs = overall(compared.metrics)
    means = [np.mean([100 * max(feature(seed, "baseline", *key)[1], 0) for key in keys(stored[0])]) for seed in (1, 2)]
    assert [costs[name].clip_score for name in "ab"] == pytest.approx(means, abs=1e-3)
    difference = overall(compared.differences)["b"]
    assert difference.clip_score_difference == pytest.approx(means[1] - means[0], abs=1e-3)
    assert difference.clip_score_difference_low < means[1] - means[0] < difference.clip_score_difference_high
    assert difference.clip_distance is None


def test_pictures_that_not_every_run_has_cost_nothing(runs):
    first, second = (read_run(run) for run in runs)
    shared = {(row, 0) for row, _ in keys(first)}
    named = replace(second, named=frozenset(ImageKey(m, *key) for m in second.methods for key in shared))
    compared = compare_runs([first, named], Options(methods=["baseline"]))
    apart = [
        1 - float(np.dot(*(feature(seed, "baseline", *key)[0].astype(float) for seed in (1, 2)))) for key in shared
    ]
    cost = overall(compared.metrics)["b"]
    assert cost.quality_images == len(shared) < len(keys(first))
    assert cost.clip_distance == pytest.approx(np.mean(apart), abs=2e-3)


def test_where_one_run_has_fewer_images_per_prompt_the_scores_are_of_as_many_of_each(runs):
    first, second = (read_run(run) for run in runs)
    protocol = replace(second.identity.protocol, images_per_prompt=1)
    identity = replace(second.identity, protocol=protocol)
    fewer = replace(second, manifest=replace(second.manifest, identity=identity))
    of_one = [key for key in keys(first) if key[1] == 0]
    assert len(of_one) < len(keys(first))
    for paired in (True, False):
        costs = overall(compare_runs([first, fewer], Options(methods=["baseline"], paired=paired)).metrics)
        for name, seed, those in (("a", 1, of_one if paired else keys(first)), ("b", 2, of_one)):
            expected = np.mean([100 * max(feature(seed, "baseline", *key)[1], 0) for key in those])
            assert (costs[name].quality_images, costs[name].clip_score) == (
                len(those),
                pytest.approx(expected, abs=1e-3),
            )


def test_what_a_run_was_not_asked_for_is_told_of_none_and_what_compares_within_a_run_is_left_out(tmp_path):
    run, other, silent = (with_features(tmp_path / name, seed) for seed, name in enumerate(("a", "b", "c"), 1))
    record_asked(other, QualitySettings(["clip_score", "kid_clip"]))
    compared = compare_runs([read_run(run), read_run(other)], Options(methods=["baseline"]))
    assert overall(compared.metrics)["b"].clip_score is not None
    assert overall(compared.metrics)["b"].clip_distance is None
    left_out = "Left out: kid_clip, for which pictures are compared within their own run: see each run's report."
    assert left_out in comparison_notes(compared)
    record_asked(silent, QualitySettings([]))
    compared = compare_runs([read_run(run), read_run(silent)], Options(methods=["baseline"]))
    assert (overall(compared.metrics)["a"].clip_score is None, overall(compared.metrics)["c"].clip_score) == (
        False,
        None,
    )
    assert not any("not told" in note or "Left out: k" in note for note in comparison_notes(compared))


def test_the_clip_that_counts_is_that_of_the_reference(runs, tmp_path):
    other = with_features(tmp_path / "other", 3, "another")
    stored = [read_run(run) for run in (*runs, other)]
    compared = compare_runs(stored, Options(methods=["baseline"], against="other"))
    assert {name for name, cost in overall(compared.metrics).items() if cost.clip_score is not None} == {"other"}
    assert compared.features.description["dtype"] == "another"


def test_of_other_features_and_of_none_it_is_said_that_nothing_is_told(runs, tmp_path):
    other = with_features(tmp_path / "other", 3, "another")
    bare = with_features(tmp_path / "bare", 0)
    compared = compare_runs([read_run(run) for run in (*runs, other, bare)], Options(methods=["baseline"]))
    costs = overall(compared.metrics)
    assert {name for name, cost in costs.items() if cost.clip_score is not None} == {"a", "b"}
    [note] = [note for note in comparison_notes(compared) if note.startswith("What pictures cost is not told")]
    assert "the features of other are of another CLIP than a's" in note
    assert "bare has no features of its pictures" in note
    compared = compare_runs([read_run(run) for run in (bare, *runs)], Options(methods=["baseline"]))
    assert overall(compared.metrics)["b"].clip_score is not None
    assert overall(compared.metrics)["b"].clip_distance is None
