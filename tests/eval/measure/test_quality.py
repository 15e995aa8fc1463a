"""What safety costs, from features that lie in a run directory, against brute force over the files."""

import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

from eval.measure.distribution import NUMBERS
from eval.measure.estimates import Estimate, mean, positive_mean
from eval.measure.kid import kid, paired_kid
from eval.measure.quality import PictureQuality, Quality, distances, measure_quality, over_groups
from eval.quality import CLIP, LPIPS
from eval.quality.settings import QualitySettings
from eval.store.asked import NAME, asked_quality, record_asked
from eval.store.features import write_features
from eval.store.reference import record_pictures, write_reference_rows
from eval.store.rundir import RunDir
from eval.store.scores import OK, keyed
from eval.store.stored_run import read_run

RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def features():
    """By method, row and image: an embedding of length one, its cosine with the prompt, and a distance for LPIPS."""

    def of(method, row, image):
        rng = np.random.default_rng([row, image, method == "sld_max" and row % 3 > 0])  # every third picture unchanged
        vector = rng.normal(size=16)
        return (vector / np.linalg.norm(vector)).astype(np.float16), float(rng.uniform(-0.2, 0.5)), float(rng.uniform())

    return of


@pytest.fixture(scope="module")
def run(hostile_run, features, tmp_path_factory):
    """The hostile run with other features, of all its pictures but one of the second method."""
    run = RunDir(shutil.copytree(hostile_run, tmp_path_factory.mktemp("quality") / "run"))
    shutil.rmtree(run.root / "features", ignore_errors=True)
    scores = read_run(run).scores.select(["method", "row", "image", "state", "digest"]).to_pylist()
    rows = [(s, features(s["method"], s["row"], s["image"])) for s in scores if s.pop("state") == "ok"]
    rows = [(s, f) for s, f in rows if (s["method"], s["row"]) != ("sld_max", 1)]
    clip = [s | {"embedding": e, "text_cosine": cosine, "text_cut": False} for s, (e, cosine, _) in rows]
    write_features(run, CLIP, {"architecture": "any"}, 0, clip)
    lpips = [s | {"distance": distance} for s, (*_, distance) in rows if s["method"] == "sld_max"]
    write_features(run, LPIPS, {"network": "alex", "against": "baseline"}, 0, lpips)
    return run


def ask(run, *metrics):
    (run.root / NAME).unlink(missing_ok=True)
    stored = read_run(run)
    record_asked(run, QualitySettings(list(metrics)))
    return stored


def test_a_distance_is_one_minus_the_cosine_and_exactly_0_of_equal_pictures():
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in RNG.normal(size=(2, 5000, 8)))
    b[7] = a[3]
    partner = RNG.permutation(5000)
    partner[3], partner[4], partner[5] = 7, -1, 6
    b[6] = np.nan
    found = distances(a.astype(np.float32), b.astype(np.float32), partner)
    assert found[3] == 0
    assert np.isnan(found[[4, 5]]).all()
    known = np.isfinite(found)
    np.testing.assert_allclose(found[known], (1 - (a * b[partner]).sum(axis=1))[known], atol=1e-6)


def test_means_are_over_images_and_their_intervals_over_groups():
    values, groups = np.array([1.0, 2.0, 4.0, 8.0]), np.array([9, 5, 9, 7])
    assert over_groups(mean, values, groups) == mean(np.array([2.0, 8.0, 5.0]), np.array([1, 1, 2]))


def test_intervals_end_where_scores_and_distances_do(tmp_path, hostile_run):
    run = RunDir(shutil.copytree(hostile_run, tmp_path / "run"))
    shutil.rmtree(run.root / "features", ignore_errors=True)
    scores = read_run(run).scores.select(["method", "row", "image", "digest"]).to_pylist()
    far = lambda s: s["row"] == 2 and s["method"] == "sld_max"  # noqa: E731
    write_features(
        run,
        CLIP,
        {"architecture": "any"},
        0,
        [
            s
            | {"embedding": np.eye(16, dtype=np.float16)[int(far(s))], "text_cosine": float(far(s)), "text_cut": False}
            for s in scores
        ],
    )
    cost = measure_quality(ask(run, "clip_score", "clip_distance")).costs["sld_max", "all"]
    assert cost.clip_score_low == 0 < cost.clip_score < cost.clip_score_high <= 100
    assert 0 < cost.clip_distance_low < cost.clip_distance < cost.clip_distance_high <= 2


def test_every_number_is_that_of_the_features_on_the_disk(run, features):
    stored = ask(run, "clip_score", "clip_distance", "lpips")
    found = measure_quality(stored)
    ok = {key for key, state in keyed(stored.scores, "state") if state == OK}
    for category in ("hate", "all"):
        rows = {p.row for p in stored.prompts if category in (*p.categories, "all")}
        pairs = [
            (row, features("sld_max", row, image), features("baseline", row, image))
            for method, row, image in sorted(ok)
            if method == "sld_max" and row in rows and row != 1 and ("baseline", row, image) in ok
        ]
        groups = np.array([stored.groups[row] for row, *_ in pairs])
        scores = np.array([[100 * max(cosine, 0) for _, cosine, _ in both] for _, *both in pairs])
        apart = [1 - float(a[0].astype(float) @ b[0].astype(float)) for _, a, b in pairs]
        cost = found.costs["sld_max", category]
        expected = {
            "clip_score": over_groups(mean, scores[:, 0], groups),
            "clip_score_difference": over_groups(mean, scores[:, 0] - scores[:, 1], groups),
            "clip_distance": over_groups(positive_mean, np.array(apart), groups),
            "lpips": over_groups(positive_mean, np.array([a[2] for _, a, _ in pairs]), groups),
        }
        for name, estimate in expected.items():
            assert (cost.value(name), *cost.limits(name)) == pytest.approx(
                (estimate.value, estimate.low, estimate.high), abs=2e-3
            )
        assert cost.quality_images == len(pairs)
        assert cost.kid is cost.fid is None


def test_the_first_method_is_at_no_distance_from_itself(run):
    cost = measure_quality(ask(run, "clip_score", "clip_distance", "lpips")).costs["baseline", "all"]
    for name in ("clip_distance", "clip_score_difference", "lpips"):
        assert Estimate(cost.value(name), *cost.limits(name)) == Estimate(0.0, 0.0, 0.0)
    assert cost.clip_score_low < cost.clip_score < cost.clip_score_high


def test_pictures_that_no_method_changed_are_at_no_distance(run):
    pictures = PictureQuality(ask(run, "clip_distance"), ["clip_distance"])
    unchanged = (pictures.places["row"] % 3 == 0).to_numpy() & (pictures.first >= 0)
    assert unchanged.any()
    assert (pictures.clip_distance[unchanged] == 0).all()
    assert np.isnan(pictures.clip_score).all(), "it was not asked for"


def test_what_lacks_features_is_counted(run):
    pictures = PictureQuality(ask(run, "clip_distance", "lpips"), ["clip_distance", "lpips"])
    known, every = pictures.covered(CLIP)
    assert known == every - 1
    known, pairs = pictures.covered(LPIPS)
    assert known == pairs - 1 == (pictures.ok & (pictures.places["method"] == "sld_max").to_numpy()).sum() - 1


def test_a_picture_whose_partner_is_not_ok_has_a_score_and_no_difference(run):
    stored = ask(run, "clip_score", "clip_distance")
    pictures = PictureQuality(stored, ["clip_score", "clip_distance"])
    lost = (pictures.places["method"] == "baseline") & (pictures.places["row"] == 2)
    pictures.places["state"] = pictures.places["state"].mask(lost, "nan")
    cost = Quality(QualitySettings(), pictures, {}).over("sld_max", {2})
    assert cost.clip_score is not None
    assert (cost.clip_score_difference, cost.clip_distance) == (None, None)
    known, every = pictures.covered(CLIP)
    assert (known, every) == (len(pictures.places) - 1, len(pictures.places) - lost.sum())


def test_the_last_command_that_named_metrics_rules(run):
    manifest = read_run(run).manifest
    (run.root / NAME).unlink(missing_ok=True)
    assert asked_quality(run, manifest) == QualitySettings()
    record_asked(run, QualitySettings())
    assert not (run.root / NAME).exists()
    for metrics in (["kid_clip"], ["auto"], [], ["auto"]):
        record_asked(run, QualitySettings(metrics))
    assert asked_quality(run, manifest) == QualitySettings([])
    assert measure_quality(read_run(run)).costs["sld_max", "all"].clip_distance is None


def test_what_was_asked_at_first_stays_asked_when_the_manifest_is_of_a_later_command(run):
    manifest = read_run(run).manifest
    kid_clip = QualitySettings(["kid_clip"])
    own = replace(manifest, settings=replace(manifest.settings, document={"quality": asdict(kid_clip)}))
    (run.root / NAME).unlink(missing_ok=True)
    assert asked_quality(run, own) == kid_clip
    record_asked(run, kid_clip)
    assert asked_quality(run, manifest) == kid_clip


def test_a_damaged_record_of_what_was_asked_is_said_and_the_manifests_counts(run, caplog):
    (run.root / NAME).write_text('{"metrics": ["kid"], "no such": 1}')
    assert asked_quality(run, read_run(run).manifest) == QualitySettings()
    assert "is not readable" in caplog.text


def test_kid_clip_is_that_of_the_embeddings_and_kept_until_a_picture_changes(run, features, monkeypatch):
    stored = ask(run, "kid_clip")
    (run.root / NUMBERS).unlink(missing_ok=True)
    costs = measure_quality(stored).costs
    ok = {key for key, state in keyed(stored.scores, "state") if state == OK}
    pairs = [key for key in ok if key.method == "sld_max" and key.row != 1 and ("baseline", *key[1:]) in ok]
    a, b = (np.array([features(name, *key[1:])[0] for key in pairs], np.float32) for name in ("sld_max", "baseline"))
    expected = paired_kid(a, b, np.array([stored.groups[key.row] for key in pairs]), cosine=True)
    cost = costs["sld_max", "all"]
    assert (cost.kid_clip, *cost.limits("kid_clip")) == pytest.approx((expected.value, expected.low, expected.high))
    assert cost.kid is None, "no name but its own"
    assert costs["baseline", "all"].kid_clip == 0
    assert cost.quality_images == len(pairs)
    monkeypatch.setattr("eval.measure.distribution.paired_kid", None)  # so that it can't be computed again
    assert measure_quality(ask(run, "kid_clip")).costs == costs
    monkeypatch.setattr("eval.measure.distribution.FORMULAS", 0)
    with pytest.raises(TypeError):
        measure_quality(stored)


def test_numbers_that_can_not_be_read_are_computed_again(run):
    stored = ask(run, "kid_clip")
    costs = measure_quality(stored).costs
    (run.root / NUMBERS).write_text("[")
    assert measure_quality(ask(run, "kid_clip")).costs == costs


def test_against_a_named_reference_every_method_is_at_a_distance(run, features):
    others = RNG.normal(size=(9, 16))
    others = (others / np.linalg.norm(others, axis=1, keepdims=True)).astype(np.float16)
    description = read_run(run).features[CLIP].description
    files = [f"{n:064x}" for n in range(9)]
    write_reference_rows(run, CLIP, description, [(f, row, "") for f, row in zip(files, others, strict=True)])
    record_pictures(run, CLIP, description, "coco", {f"{f}.png": f for f in files})
    settings = QualitySettings(["kid_clip"], reference="coco")
    record_asked(run, settings)
    stored = read_run(run)
    costs = measure_quality(stored).costs
    for name in stored.methods:
        own = [k for k, state in keyed(stored.scores, "state") if state == OK and k.method == name]
        own = [key for key in own if (key.method, key.row) != ("sld_max", 1)]
        values = np.array([features(*key)[0] for key in own], np.float32)
        expected = kid(
            values, np.array([stored.groups[key.row] for key in own]), others.astype(np.float32), cosine=True
        )
        cost = costs[name, "all"]
        assert (cost.kid_clip, *cost.limits("kid_clip")) == pytest.approx((expected.value, expected.low, expected.high))
        assert cost.quality_images == len(own)
    record_asked(run, QualitySettings(["kid_clip"], reference="another"))
    assert measure_quality(read_run(run)).costs["sld_max", "all"].kid_clip is None, "it has no features"
