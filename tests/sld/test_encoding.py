"""Texts are encoded several at a time, and none depends on the others."""

import json
import shutil

import pytest
import torch
from diffusers import StableDiffusionPipeline

import sld
from sld.checkpoints import loading
from sld.checkpoints.tiny import FAMILIES
from sld.models import base
from sld.tuning import Tuning

TEXTS = ["a cat", None, "", "a dog on a hill", "fog", "a house by the sea"]


def encode(model, texts, rows):
    model._encoded.clear()  # or what was kept would be compared with itself
    model.text_rows = rows
    return model.encode(texts, 64, 64)


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_in_batches_equal_texts_by_themselves_and_do_not_depend_on_their_neighbours(checkpoint_of, family):
    model = sld.load_model(checkpoint_of(family))
    assert model.text_rows == 1  # on a CPU, where more would be padding
    single, batched = encode(model, TEXTS, 1), encode(model, TEXTS, 4)
    for expected, found in zip(single, batched, strict=True):
        assert expected.shape == found.shape
        assert (expected - found).abs().max() <= 1e-5 * expected.abs().max()
    order = [3, 0, 5, 1, 4, 2]
    shuffled = encode(model, [TEXTS[row] for row in order], 4)
    alone = encode(model, TEXTS[3:4], 4)
    for tensor, other, own in zip(batched, shuffled, alone, strict=True):
        assert torch.equal(tensor[order], other)
        assert torch.equal(tensor[3:4], own)


def test_on_a_gpu_sixteen_texts_are_encoded_at_a_time(checkpoint, monkeypatch):
    monkeypatch.setattr(loading, "checked_device", torch.device)  # none is here
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *_, **__: module)
    monkeypatch.setattr(base, "settle_attention", lambda *_: None)
    model, seen = sld.load_model(checkpoint, device="cuda"), []
    monkeypatch.setattr(model, "_encode", lambda texts: seen.append(len(texts)) or (torch.zeros(len(texts), 2),))
    model.encode([f"a cat {number}" for number in range(40)], 64, 64)
    assert seen == [16, 16, 16]


def test_a_kept_text_holds_no_memory_of_its_neighbours(checkpoint):
    model = sld.load_model(checkpoint)
    encode(model, TEXTS, 4)
    for tensors in model._encoded.values():
        assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors)


def test_a_text_is_encoded_once_as_long_as_the_model_is_run_in_the_same_way(checkpoint):
    model, read = sld.load_model(checkpoint), []
    model.text_encoder.register_forward_pre_hook(lambda _, texts: read.append(len(texts[0])))
    for tuning, reads in ((Tuning(), 2), (Tuning(), 2), (Tuning(attention="math"), 4), (Tuning(), 6)):
        model.tune(tuning)
        model.encode(["a cat", "fog", "a cat"], 64, 64)
        assert len(read) == reads


def test_of_texts_that_are_kept_the_one_that_was_used_least_recently_is_forgotten(checkpoint, monkeypatch):
    model, read = sld.load_model(checkpoint), []
    (tensor,) = model.encode(["a cat"], 64, 64)
    monkeypatch.setattr(base, "_KEPT_TEXTS", 2 * tensor.nbytes)
    model.text_encoder.register_forward_pre_hook(lambda _, texts: read.append(len(texts[0])))
    for text, reads in (("fog", 1), ("a cat", 1), ("a dog", 2), ("a cat", 2), ("fog", 3)):
        model.encode([text], 64, 64)
        assert len(read) == reads


@pytest.mark.parametrize("masked", [False, True])
def test_padding_is_masked_where_the_configuration_asks_for_it_as_diffusers_does(checkpoint, tmp_path, masked):
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    path = folder / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"use_attention_mask": masked}))
    model = sld.load_model(folder, dtype="float64")
    pipe = StableDiffusionPipeline(
        model.vae,
        model.text_encoder,
        model.tokenizer,
        model.unet,
        model.scheduler,
        None,
        None,
        requires_safety_checker=False,
    )
    expected, _ = pipe.encode_prompt("a cat", "cpu", 1, False)
    assert torch.allclose(model.encode(["a cat"], 64, 64)[0], model.stages.project(expected), atol=1e-12)
