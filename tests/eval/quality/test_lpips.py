"""LPIPS, against the package's own model, which reads the same weights from torch's cache."""

import warnings
from pathlib import Path

import lpips as upstream
import numpy as np
import pytest
import torch
from quality_weights import expect_backbone, random_backbone

from eval.base.errors import InputError
from eval.quality import lpips
from eval.quality.lpips import BACKBONES, SMALLEST, Lpips
from eval.quality.settings import QualitySettings


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder such as TORCH_HOME, with both backbones under their published names."""
    folder = tmp_path_factory.mktemp("torch")
    (folder / "hub" / "checkpoints").mkdir(parents=True)
    for network, published in BACKBONES.items():
        random_backbone(folder / "hub" / "checkpoints" / published.name, network)
    return folder


@pytest.fixture(scope="module", params=["alex", "vgg"])
def network(request):
    return request.param


@pytest.fixture(scope="module")
def extractor(cache, network):
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("error")
        patched.setenv("TORCH_HOME", str(cache))
        expect_backbone(patched, cache / "hub" / "checkpoints" / BACKBONES[network].name, network)
        return Lpips.load(QualitySettings(metrics=["lpips"], lpips=network), "cpu")


def distances(extractor, pictures, references):
    return np.array([row["distance"] for row in extractor.rows(pictures, [""] * len(pictures), references)], float)


@pytest.mark.filterwarnings("ignore:.*pretrained.*:UserWarning", "ignore:.*weight enum.*:UserWarning")
def test_it_is_that_of_the_package(extractor, network, cache, pictures, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(cache))
    model = upstream.LPIPS(net=network, verbose=False)
    sides = pictures, pictures[1:] + pictures[:1]
    inputs = [torch.cat([upstream.im2tensor(picture) for picture in side]) for side in sides]
    expected = model(*inputs).flatten().detach().numpy()
    assert distances(extractor, *sides) == pytest.approx(expected, rel=1e-4)
    assert expected.std() > 0


def test_equal_pictures_are_at_distance_zero_exactly_and_others_do_not_move_for_them(extractor, pictures):
    others = pictures[1:] + pictures[:1]
    expected = distances(extractor, pictures, others)
    mixed = [picture if n in (0, 3) else other for n, (picture, other) in enumerate(zip(pictures, others, strict=True))]
    assert distances(extractor, pictures, mixed).tolist() == [0, *expected[1:3], 0, expected[4]]


def test_a_picture_that_is_too_small_has_no_distance_unless_it_is_equal(extractor, network, pictures):
    side = SMALLEST[network]
    small, black = pictures[0][:side, :side], np.zeros((side, side, 3), np.uint8)
    assert distances(extractor, [small], [black])[0] > 0
    smaller = small[1:], black[1:]
    assert extractor.rows([smaller[0]] * 2, ["", ""], smaller) == [{"distance": 0.0}, {"distance": None}]
    inputs = [upstream.im2tensor(picture) for picture in smaller]
    with pytest.raises(RuntimeError, match="too small"):
        extractor._model(*inputs)


def test_the_description_names_backbone_and_heads(extractor, network):
    described = extractor.describe()
    assert described["weights"] == BACKBONES[network].name
    # The heads of version 0.1, as others state their digests.
    assert described["heads_sha256"].startswith({"alex": "df73285e35b22355", "vgg": "a78928a0af1e5f0f"}[network])
    assert extractor.rows([], [], []) == []


def test_a_reference_is_needed(extractor, pictures):
    with pytest.raises(ValueError, match="expected a reference for each picture"):
        extractor.rows(pictures, [""] * len(pictures))


def test_tensors_of_another_network_are_refused():
    with pytest.raises(InputError, match="AlexNet's weights must be those of torchvision, found others"):
        Lpips("alex", {"features.0.weight": torch.zeros(1)}, "")


def test_without_the_package_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"the lpips package must be installed .* pip install 'i2p-bench\[quality\]'"):
        Lpips.check_files(QualitySettings(metrics=["lpips"]))


def test_its_import_loads_nothing():
    assert "torch" not in vars(lpips)
    assert Path(lpips.__file__).name == "lpips.py"
