"""Inception's features, against torch-fidelity's own extractor of the same weights."""

import numpy as np
import pytest
import torch
from quality_weights import expect_inception, random_inception

from eval.base.errors import InputError
from eval.quality import inception
from eval.quality.inception import Inception
from eval.quality.settings import QualitySettings

SETTINGS = QualitySettings(metrics=["kid"])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return random_inception(tmp_path_factory.mktemp("inception") / "inception.pth")


@pytest.fixture(scope="module")
def extractor(weights):
    with pytest.MonkeyPatch.context() as patched:
        expect_inception(patched, weights)
        return Inception.load(QualitySettings(metrics=["kid"], inception=str(weights)), "cpu")


@pytest.fixture(scope="module")
def pictures(pictures):
    return pictures[:3]


@pytest.fixture(scope="module")
def features(extractor, pictures):
    return extractor.features(pictures)


def test_they_are_those_of_torch_fidelity(features, weights, pictures):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    upstream = FeatureExtractorInceptionV3("upstream", ["2048"], str(weights))
    (expected,) = upstream(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2))
    assert features == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)
    assert features.std(axis=0).max() > 0.01  # the pictures differ


def test_a_picture_has_the_same_bits_whatever_its_neighbours(extractor, features, pictures):
    order = [2, 0, 1]
    assert np.array_equal(extractor.features([pictures[n] for n in order]), features[order])
    assert np.array_equal(extractor.features(pictures[1:2])[0], features[1])


def test_a_row_is_its_columns_and_the_description_names_the_file(extractor, features, pictures, weights):
    (row,) = extractor.rows(pictures[:1], [""])
    assert row.keys() == Inception.columns().keys()
    assert np.array_equal(row["features"], features[0])
    described = extractor.describe()
    assert described["weights_sha256"] != inception.WEIGHTS.sha256
    assert described["libraries"]["torch_fidelity"]


def test_tensors_of_another_network_are_refused():
    with pytest.raises(InputError, match="Inception's weights must be those of torch-fidelity, found others"):
        Inception({"fc.weight": torch.zeros(1)}, "")


def test_without_the_package_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for refused in (Inception.check_files, lambda settings: Inception.load(settings, "cpu")):
        with pytest.raises(InputError) as error:
            refused(SETTINGS)
        assert str(error.value) == (
            "the torch-fidelity package must be installed for kid and fid, found none: pip install 'i2p-bench[quality]'"
        )
