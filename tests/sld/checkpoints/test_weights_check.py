"""Every weight of a file is used, known to be harmless, or refused by name before anything is loaded."""

import json
import shutil

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPTextModel

import sld
from sld.checkpoints.names import HARMLESS

UNET, VAE = (f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae"))
TEXT = "text_encoder/model.safetensors"


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


def rewrite(path, change, metadata=None):
    weights = load_file(path)
    save_file({name: value.contiguous() for name, value in change(weights).items()}, path, {"format": "pt"})


def refusal(*arguments, **options):
    with pytest.raises(sld.InputError) as caught:
        sld.load_model(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def lora_processors(weights):
    """As diffusers saved trained attention processors with a UNet."""
    extra = {}
    for name, value in weights.items():
        if name.endswith("attn2.to_k.weight"):
            stem = name.removesuffix("to_k.weight") + "processor.to_k_lora."
            extra |= {
                f"{stem}down.weight": torch.ones(4, value.shape[1]),
                f"{stem}up.weight": torch.ones(len(value), 4),
            }
    return extra


SURPLUS = {
    "LoRA processors": lora_processors,
    "an IP-Adapter": lambda weights: {
        "encoder_hid_proj.image_projection_layers.0.norms.weight": torch.ones(4),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.processor.to_k_ip.0.weight": torch.ones(4, 4),
    },
    "a ControlNet": lambda weights: {
        f"controlnet_down_blocks.{number}.weight": torch.ones(8, 8, 1, 1) for number in range(5)
    },
    "one letter too many": lambda weights: {"conv_in.weights": torch.ones(1)},
}  # fmt: skip


@pytest.mark.parametrize(
    ("part", "kind"),
    [*((UNET, kind) for kind in SURPLUS), *((part, "LoRA processors") for part in (VAE, TEXT, "unet="))],
)
def test_weights_without_a_place_are_refused_by_name_number_and_file(copy, checkpoint, tmp_path, part, kind):
    surplus = SURPLUS[kind](load_file(checkpoint / UNET))
    if part == "unet=":
        path = tmp_path / "erased.safetensors"
        save_file({name: value + 1 for name, value in load_file(checkpoint / UNET).items()} | surplus, path)
        message = refusal(checkpoint, unet=path)
    else:
        path = copy / part
        rewrite(path, lambda weights: weights | surplus)
        message = refusal(copy)
    assert f"found {len(surplus)} that the model has no place for" in message
    named = [name for name in surplus if repr(name) in message]
    assert len(named) == min(3, len(surplus))
    assert message.startswith(f"{path} must hold ")
    assert message.endswith(": merge LoRAs and adapters into the weights, or remove them")


def test_what_is_missing_and_what_has_another_shape_is_named_and_counted(copy):
    gone = [name for name in load_file(copy / UNET) if name.startswith("mid_block.resnets.1.")]
    rewrite(copy / UNET, lambda weights: {name: value for name, value in weights.items() if name not in gone})
    message = refusal(copy)
    assert f"found {len(gone)} missing" in message
    assert sum(repr(name) in message for name in gone) == 3
    assert str(copy / UNET) in message


def test_an_inpainting_unet_is_refused_whether_its_configuration_says_so_or_not(copy):
    def nine(weights):
        return weights | {"conv_in.weight": torch.zeros(8, 9, 3, 3)}

    rewrite(copy / UNET, nine)
    assert "1 of another shape ('conv_in.weight': (8, 9, 3, 3) for (8, 4, 3, 3))" in refusal(copy)
    config = json.loads((copy / "unet" / "config.json").read_text())
    (copy / "unet" / "config.json").write_text(json.dumps(config | {"in_channels": 9}))
    assert "9 input channels for 4" in refusal(copy)


def test_weights_of_whole_numbers_are_refused(copy):
    rewrite(copy / UNET, lambda weights: weights | {"conv_in.weight": weights["conv_in.weight"].to(torch.int8)})
    assert "1 of whole numbers ('conv_in.weight')" in refusal(copy)


def equal(first, second):
    own, reference = first.state_dict(), second.state_dict()
    return own.keys() == reference.keys() and all(torch.equal(own[name], reference[name]) for name in own)


def test_old_names_of_the_vae_s_attention_are_used_as_diffusers_uses_them(copy, model):
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def rename(weights):
        renamed = {}
        for name, value in weights.items():
            for new, former in old.items():
                name = name.replace(f"attentions.0.{new}.", f"attentions.0.{former}.")
            renamed[name] = value
        assert sum("proj_attn" in name for name in renamed) == 4
        return renamed

    rewrite(copy / VAE, rename)
    loaded = sld.load_model(copy)
    assert equal(loaded.vae, model.vae)
    assert equal(loaded.vae, AutoencoderKL.from_pretrained(copy / "vae"))
    # One of both names would be dropped.
    rewrite(copy / VAE, lambda weights: weights | {"decoder.mid_block.attentions.0.to_q.bias": torch.zeros(16)})
    assert "1 that the model has no place for" in refusal(copy)


@pytest.mark.parametrize("prefix", ["", "text_model."])
def test_the_text_encoder_loads_under_both_of_transformers_names(copy, model, prefix):
    rewrite(copy / TEXT, lambda w: {prefix + name.removeprefix("text_model."): value for name, value in w.items()})
    assert equal(sld.load_model(copy).text_encoder, model.text_encoder)


def test_of_a_whole_clip_the_text_s_part_is_used_and_the_rest_is_harmless(copy, model):
    config = json.loads((copy / "text_encoder" / "config.json").read_text())
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    clip = CLIPModel(CLIPConfig(text_config=config, vision_config=vision | {"image_size": 8, "patch_size": 4}))
    text = load_file(copy / TEXT)
    weights = clip.state_dict() | {f"text_model.{name.removeprefix('text_model.')}": x for name, x in text.items()}
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file({name: value.contiguous().clone() for name, value in weights.items()}, copy / TEXT, {"format": "pt"})
    loaded = sld.load_model(copy)
    assert equal(loaded.text_encoder, model.text_encoder)
    assert equal(loaded.text_encoder, CLIPTextModel.from_pretrained(copy / "text_encoder").to(torch.float32))


def test_layers_that_clip_skip_leaves_out_are_harmless_and_others_are_not(copy):
    config = json.loads((copy / "text_encoder" / "config.json").read_text())
    (copy / "text_encoder" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    assert len(sld.load_model(copy).text_encoder.encoder.layers) == 1
    rewrite(
        copy / TEXT, lambda weights: weights | {"text_model.encoder.layers.0.self_attn.q_proj.lora_A": torch.ones(1)}
    )
    assert "'text_model.encoder.layers.0.self_attn.q_proj.lora_A'" in refusal(copy)


def test_every_harmless_weight_has_its_reason():
    assert all(reason for patterns in HARMLESS.values() for reason in patterns.values())


@pytest.mark.parametrize(
    ("part", "value"),
    [(UNET, float("nan")), (UNET, float("inf")), (UNET, -float("inf")), (VAE, float("nan")), (TEXT, float("inf"))],
)
def test_weights_that_are_no_numbers_are_refused(copy, part, value):
    name = [name for name, x in load_file(copy / part).items() if x.numel() > 1][-1]

    def spoil(weights):
        weights[name].view(-1)[-1] = value
        return weights

    rewrite(copy / part, spoil)
    message = refusal(copy)
    assert "found NaN or infinity in 1 of the " in message
    assert name.removeprefix("text_model.") in message
    assert str(copy / part.split("/")[0]) in message


def test_weights_that_half_precision_cannot_hold_are_refused_with_a_precision_that_can(copy):
    def large(weights):
        weights["conv_in.weight"][0, 0, 0, 0] = 1e6
        return weights

    rewrite(copy / UNET, large)
    message = refusal(copy, dtype="float16")
    assert "float16 can represent" in message
    assert "1e+06 in 1 of the UNet's ('conv_in.weight')" in message
    assert message.endswith("choose dtype=bfloat16 or dtype=float32")
    for dtype in ("bfloat16", "float32"):
        assert torch.isfinite(sld.load_model(copy, dtype=dtype).unet.conv_in.weight).all()


def test_where_bfloat16_cannot_hold_weights_either_it_is_not_advised(copy):
    largest = torch.finfo(torch.float32).max  # rounds to infinity
    rewrite(copy / UNET, lambda weights: weights | {"conv_in.bias": torch.full((8,), largest)})
    message = refusal(copy, dtype="bfloat16")
    assert "bfloat16 can represent" in message
    assert message.endswith("which would become infinite: choose dtype=float32")


def test_a_weight_in_two_files_is_refused_with_both_names(copy):
    """As shards do that were written over those of another number, with an index of both."""
    folder, weights = copy / "unet", load_file(copy / UNET)
    files = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    (copy / UNET).unlink()
    for number, name in enumerate(files):
        some = {key: value for index, (key, value) in enumerate(weights.items()) if index % 2 == number}
        save_file(some | {"conv_in.bias": weights["conv_in.bias"]}, folder / name, {"format": "pt"})
    index = {key: files[number % 2] for number, key in enumerate(weights)}
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    message = refusal(copy)
    assert f"must hold each weight once, found 'conv_in.bias' in {files[0]} and in {files[1]}: keep one" in message


def test_a_vae_that_half_precision_cannot_hold_decodes_in_float32(copy):
    def large(weights):
        weights["decoder.conv_norm_out.weight"] *= 1e6
        weights["decoder.conv_out.weight"] /= 1e6
        return weights

    rewrite(copy / VAE, large)
    half, full = (sld.load_model(copy, dtype=dtype) for dtype in ("float16", "float32"))
    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(half.decode(latents).float(), full.decode(latents), atol=1e-3, rtol=1e-3)


def test_a_folder_loads_to_the_weights_that_diffusers_loads(checkpoint, model):
    assert equal(model.unet, UNet2DConditionModel.from_pretrained(checkpoint / "unet"))
    assert equal(model.vae, AutoencoderKL.from_pretrained(checkpoint / "vae"))
