"""FID's formula, against torch-fidelity's on the same features and the closed form of two normal distributions."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from eval.measure import frechet
from eval.measure.frechet import Statistics, distance, fid, statistics, why_none


def features(count, length, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(length, length)) / np.sqrt(length)
    return np.abs(rng.normal(shift, 1, (count, length)) @ mixed).astype(np.float32)


@pytest.mark.parametrize("count", [400, 40])  # 40 pictures of 64 numbers: the covariances are singular
def test_it_is_that_of_torch_fidelity(count):
    x, y = features(count, 64, 0), features(count, 64, 1, 0.3)
    upstream = [fid_features_to_statistics(torch.from_numpy(side.astype(float))) for side in (x, y)]
    expected = fid_statistics_to_metric(*upstream, verbose=False)["frechet_inception_distance"]
    assert distance(statistics(x), statistics(y)) == pytest.approx(expected, rel=1e-6)


def test_of_normal_distributions_that_commute_it_has_a_closed_form():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    first, second, mean = rng.random(8), rng.random(8), rng.normal(size=8)
    sides = [Statistics(m, (axes * values) @ axes.T) for m, values in ((mean, first), (np.zeros(8), second))]
    assert distance(*sides) == pytest.approx(mean @ mean + np.square(np.sqrt(first) - np.sqrt(second)).sum())


def test_statistics_are_numpys_however_many_rows_are_read_at_once(monkeypatch):
    x = features(50, 6, 0)
    monkeypatch.setattr(frechet, "ROWS", 7)
    found = statistics(x)
    assert found.count == 50
    assert found.mean == pytest.approx(x.astype(float).mean(axis=0))
    assert found.covariance == pytest.approx(np.cov(x.astype(float), rowvar=False))


def test_with_few_pictures_there_is_a_reason_and_no_number(monkeypatch):
    x = features(2047, 2, 0)
    assert fid(x, features(3000, 2, 1)) is None
    assert fid(features(3000, 2, 1), x) is None
    assert "found 2,047 pictures:" in why_none(2047, 3000)
    assert "found 2,047 pictures in the reference:" in why_none(2048, 2047)
    assert why_none(2048, 2048) is None
    assert why_none(2048, None) is None
    stored = Statistics(np.zeros(2), np.eye(2))
    enough = features(2048, 2, 0)
    assert fid(enough, stored) == distance(statistics(enough), stored)


def test_equal_pictures_are_at_distance_zero_exactly():
    x = features(2048, 3, 0)
    assert fid(x, x.copy()) == 0


def test_features_of_another_length_are_refused():
    with pytest.raises(ValueError, match="expected features of one length, found 2 and 3"):
        distance(statistics(features(9, 2, 0)), statistics(features(9, 3, 0)))
