"""ClipInput against open_clip's own transform of PIL pictures, bit for bit."""

import json

import numpy as np
import open_clip
import pytest
import torch
from clip_bits import PICTURES, SIZES, assert_same_bits, noise
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from eval.base.errors import InputError
from eval.judges.clip import preprocessing as clip_input
from eval.judges.clip.preprocessing import ClipInput, reproducible
from i2p.demo import trained


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
def test_the_bits_are_those_of_open_clips_transform(size):
    assert_same_bits({}, [picture(*size) for picture in PICTURES])


@pytest.mark.parametrize("side", [4, 64, 225, 336])
def test_other_input_sizes_are_the_same_bits(side):
    for size in [(64, 64), (225, 225), (512, 384), (150, 400), (400, 150)]:
        assert_same_bits({"size": side}, [picture(*size) for picture in PICTURES])


@settings(deadline=None, database=None, derandomize=True)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 240), st.sampled_from(PICTURES))
def test_any_size_is_the_same_bits(height, width, side, picture):
    assume(max(height, width) <= 20 * min(height, width))  # Pillow would make a strip of gigabytes
    assert_same_bits({"size": side}, [picture(height, width)])


def test_the_demos_clip_is_the_same_bits():
    preprocessing = json.loads(trained.clip_files().config.read_text())["preprocess_cfg"]
    assert reproducible(preprocessing)
    for size in [(64, 64), (32, 32), (96, 64), (512, 512)]:
        assert_same_bits(preprocessing, [picture(*size) for picture in PICTURES])


def test_every_byte_is_scaled_as_torchvision_does():
    picture = np.arange(3 * 64 * 64, dtype=np.uint32).reshape(64, 64, 3).astype(np.uint8)
    for mean, std in [(open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD), ([0.5] * 3, [0.3, 0.5, 0.7])]:
        assert_same_bits({"size": (64, 64), "mean": mean, "std": std}, [picture])


def test_a_batch_is_each_picture_alone(monkeypatch):
    pictures = torch.from_numpy(np.stack([picture(100, 130) for picture in PICTURES]))
    clip = ClipInput({}, "cpu")
    together = clip(pictures)
    assert torch.equal(together, torch.cat([clip(picture[None]) for picture in pictures]))
    assert torch.equal(together[1:3], clip(pictures[1:3]))
    monkeypatch.setattr(clip_input, "CHUNK", 2 * pictures[0].numel())
    assert torch.equal(together, clip(pictures)), "split unevenly"
    assert clip(pictures[:0]).shape == (0, 3, 224, 224)


def test_views_of_any_stride_are_read_as_they_look():
    planes = torch.from_numpy(noise(90, 80)).permute(2, 0, 1).contiguous()
    view = planes.permute(1, 2, 0)[None, ::2, :70]
    clip = ClipInput({"size": 32}, "cpu")
    assert torch.equal(clip(view), clip(view.contiguous()))


@pytest.mark.parametrize("sizes", [(512, 224), (517, 224), (7, 224), (300, 1001), (1, 5), (224, 224), (9, 8)])
def test_the_weights_are_pillows_own(sizes):
    """Pillow rounds an int32 picture as it rounds its weights, so one pixel of 2^22 a row shows them."""
    size, resized = sizes
    identity = Image.fromarray(np.eye(size, dtype=np.int32) << 22).resize((resized, size), Image.Resampling.BICUBIC)
    axis = clip_input._axis(size, resized, resized, torch.device("cpu"))
    np.testing.assert_array_equal(axis.weights.numpy() * 2**22, np.asarray(identity)[axis.pixels])


def test_no_step_waits_for_a_value():
    """A tensor on the meta device has none that could be waited for."""
    found = ClipInput({}, "meta")(torch.empty((5, 900, 300, 3), dtype=torch.uint8, device="meta"))
    assert found.shape == (5, 3, 224, 224)


WRONG = [
    {"interpolation": "bilinear"},
    {"interpolation": "random"},
    {"resize_mode": "longest"},
    {"resize_mode": "squash"},
    {"size": (224, 336)},
    {"size": 224.0},
    {"mode": "L"},
    {"a field of tomorrow": 1},
]


@pytest.mark.parametrize("preprocessing", WRONG, ids=str)
def test_what_is_not_reproduced_is_left_to_open_clip(preprocessing):
    assert not reproducible(preprocessing)
    with pytest.raises(InputError, match=r"^preprocessing must have .*found .*: use open_clip's transform$"):
        ClipInput(preprocessing, "cpu")


def test_a_fill_colour_changes_nothing_and_lists_are_sizes():
    assert reproducible({"fill_color": 9, "size": [224, 224], "mean": [0.5] * 3, "std": 0.5})
    assert_same_bits({"fill_color": 9, "size": [32, 32], "mean": [0.5] * 3, "std": 0.5}, [noise(40, 50)])


def test_a_pillow_that_resizes_in_another_way_is_noticed(monkeypatch):
    clip_input._agrees_here.cache_clear()
    monkeypatch.setattr(clip_input, "PILLOW_13", not clip_input.PILLOW_13)
    assert not reproducible({})
    monkeypatch.undo()
    clip_input._agrees_here.cache_clear()
    assert reproducible({})
