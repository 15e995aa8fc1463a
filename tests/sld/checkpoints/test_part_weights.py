"""A weight that a file holds under two names is read once; one that it holds twice is refused."""

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

import sld
from sld.checkpoints.part_weights import part_weights
from sld.models import stable_diffusion, stable_diffusion_3

CLIP, T5 = (
    family.FAMILY.component(part)
    for family, part in ((stable_diffusion, "text_encoder"), (stable_diffusion_3, "text_encoder_3"))
)


@pytest.fixture(scope="module")
def t5():
    return T5EncoderModel(T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2))


@pytest.fixture(scope="module")
def clip():
    config = CLIPTextConfig(
        vocab_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    return CLIPTextModel(config)


def plain(model):
    return {name.removeprefix("text_model."): value.clone() for name, value in model.state_dict().items()}


def test_the_two_names_of_t5s_embedding_are_one_weight(t5, tmp_path):
    weights = plain(t5)
    weights.pop("encoder.embed_tokens.weight", None)
    path = tmp_path / "t5.safetensors"
    save_file(weights | {"encoder.embed_tokens.weight": weights["shared.weight"].clone()}, path)
    found = part_weights(T5, t5, [path], False)
    assert found.left_aside == []
    names = {name.replace("encoder.embed_tokens", "shared") for name in t5.state_dict()}
    assert {name.replace("encoder.embed_tokens", "shared") for name in found.places} == names
    assert len(found.places) == len(names)
    assert dict(found.tensors(False)).keys() == found.places.keys()


def test_another_weight_under_two_names_is_refused(clip, tmp_path):
    weights = plain(clip)
    name = "final_layer_norm.weight"
    save_file({**weights, f"text_model.{name}": weights[name].clone()}, tmp_path / "clip.safetensors")
    with pytest.raises(sld.InputError, match=rf"must hold each weight once, found '\S*{name}' in clip.safetensors as "):
        part_weights(CLIP, clip, [tmp_path / "clip.safetensors"], False)


def test_a_weight_in_two_files_is_refused(clip, tmp_path):
    paths = [tmp_path / f"{number}.safetensors" for number in (1, 2)]
    for path in paths:
        save_file(plain(clip), path)
    with pytest.raises(sld.InputError, match=r"found '\S+' in 1.safetensors as '\S+' and in 2.safetensors as "):
        part_weights(CLIP, clip, paths, False)


def test_what_a_pickle_holds_again_is_no_other_part_and_other_numbers_are(clip, tmp_path):
    weights = plain(clip)
    whole = {f"text_encoder.{name}": value for name, value in weights.items()}
    again = {f"encoder_again.{name}": value for name, value in weights.items()}
    torch.save(whole | again | {"unet.weight": torch.ones(2), "unet.bias": torch.ones(2)}, tmp_path / "clip.pt")
    found = part_weights(CLIP, clip, [tmp_path / "clip.pt"], True)
    assert found.left_aside == ["unet.* (2 tensors) in clip.pt"]
    assert len(found.places) == len(weights)


def test_a_safetensors_file_does_not_say_which_weights_are_the_same(clip, tmp_path):
    weights = plain(clip)
    whole = {f"text_encoder.{name}": value for name, value in weights.items()}
    save_file(
        whole | {"again.final_layer_norm.weight": weights["final_layer_norm.weight"].clone()},
        tmp_path / "c.safetensors",
    )
    found = part_weights(CLIP, clip, [tmp_path / "c.safetensors"], False)
    assert found.left_aside == ["again.* (1 tensor) in c.safetensors"]
