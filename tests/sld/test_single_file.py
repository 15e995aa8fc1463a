"""One file in the original layout loads offline to the same model as the folder it came from."""

import shutil

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

import sld
from sld.models import single_file
from sld.models.files import read_json

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
LAYER = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
         "self_attn.out_proj": "attn.out_proj"}  # fmt: skip


def renamed(key, prefixes):
    for old, new in prefixes.items():
        if key.startswith(old + "."):
            rest = key.removeprefix(old + ".")
            head = rest.split(".")[0]
            return f"{new}.{rest.replace(head, RESNET[head], 1) if '.resnets.' in f'.{old}.' else rest}"
    raise KeyError(key)


def original_unet(weights, blocks=2, layers=1):
    """Names of CompVis' openaimodel.py: numbered input and output blocks."""
    names = {
        "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
        "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
        "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
    }  # fmt: skip
    number = 1
    for block in range(blocks):
        for layer in range(layers):
            names[f"down_blocks.{block}.resnets.{layer}"] = f"input_blocks.{number}.0"
            names[f"down_blocks.{block}.attentions.{layer}"] = f"input_blocks.{number}.1"
            number += 1
        names[f"down_blocks.{block}.downsamplers.0.conv"] = f"input_blocks.{number}.0.op"
        number += 1
    number = 0
    for block in range(blocks):
        for layer in range(layers + 1):
            names[f"up_blocks.{block}.resnets.{layer}"] = f"output_blocks.{number}.0"
            names[f"up_blocks.{block}.attentions.{layer}"] = f"output_blocks.{number}.1"
            number += 1
        attends = any(key.startswith(f"up_blocks.{block}.attentions") for key in weights)
        names[f"up_blocks.{block}.upsamplers.0.conv"] = f"output_blocks.{number - 1}.{2 if attends else 1}.conv"
    return {f"model.diffusion_model.{renamed(key, names)}": value for key, value in weights.items()}


def original_vae(weights, blocks=4):
    found = {}
    for key, value in weights.items():
        for block in range(blocks):
            key = key.replace(f"down_blocks.{block}.resnets", f"down.{block}.block")
            key = key.replace(f"down_blocks.{block}.downsamplers.0", f"down.{block}.downsample")
            key = key.replace(f"up_blocks.{block}.resnets", f"up.{blocks - 1 - block}.block")
            key = key.replace(f"up_blocks.{block}.upsamplers.0", f"up.{blocks - 1 - block}.upsample")
        key = key.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
        key = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        if "attentions.0" in key:
            key = key.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
            for new, old in (("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
                key = key.replace(f"attn_1.{new}.", f"attn_1.{old}.")
            value = value[:, :, None, None] if value.ndim == 2 else value
        found[f"first_stage_model.{key}"] = value
    return found


def original_text(weights, second):
    weights = {key.removeprefix("text_model."): value for key, value in weights.items()}
    if not second:
        return {f"cond_stage_model.transformer.text_model.{key}": value for key, value in weights.items()}
    found = {
        "token_embedding.weight": weights.pop("embeddings.token_embedding.weight"),
        "positional_embedding": weights.pop("embeddings.position_embedding.weight"),
    } | {f"ln_final.{kind}": weights.pop(f"final_layer_norm.{kind}") for kind in ("weight", "bias")}
    for number in range(2):
        layer = f"encoder.layers.{number}."
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"{layer}self_attn.{part}_proj.{kind}") for part in "qkv"]
            found[f"transformer.resblocks.{number}.attn.in_proj_{kind}"] = torch.cat(parts)
            for new, old in LAYER.items():
                found[f"transformer.resblocks.{number}.{old}.{kind}"] = weights.pop(f"{layer}{new}.{kind}")
    assert not weights
    return {f"cond_stage_model.model.{key}": value for key, value in found.items()}


def original_layout(folder, second):
    unet, vae = (load_file(folder / part / "diffusion_pytorch_model.safetensors") for part in ("unet", "vae"))
    text = load_file(folder / "text_encoder" / "model.safetensors")
    parts = original_unet(unet) | original_vae(vae) | original_text(text, second)
    return {key: value.contiguous() for key, value in parts.items()}


@pytest.fixture(scope="module", params=["sd1", "sd2"])
def pair(request, tmp_path_factory):
    """A folder, the same weights in one file, and the folder's configuration alone."""
    folder = request.getfixturevalue("checkpoint" if request.param == "sd1" else "checkpoint_v")
    work = tmp_path_factory.mktemp("single")
    save_file(original_layout(folder, request.param == "sd2"), work / "model.safetensors")
    shutil.copytree(folder, work / "config", ignore=shutil.ignore_patterns("*.safetensors"))
    return folder, work / "model.safetensors", work / "config"


def test_a_single_file_gives_the_folders_latents(pair):
    folder, file, config = pair
    options = {"prompts": ["a cat"], "methods": ["baseline", "sld_max"], "steps": 3, "seeds": [1]}
    expected = sld.sample(sld.load_model(folder), **options)
    model = sld.load_model(file, config=config)
    found = sld.sample(model, **options)
    for name in options["methods"]:
        torch.testing.assert_close(found.latents[name], expected.latents[name])
        assert (found.images[name] == expected.images[name]).mean() > 0.99
    assert list(model.describe()["weights"]) == ["model.safetensors"]


def test_a_single_file_may_be_a_pickle_on_request(pair, tmp_path):
    folder, file, config = pair
    pickled = tmp_path / "model.ckpt"
    torch.save({"state_dict": load_file(file)}, pickled)
    with pytest.raises(sld.InputError, match="found a pickle"):
        sld.load_model(pickled, config=config)
    loaded = sld.load_model(pickled, config=config, allow_pickle=True)
    assert torch.equal(loaded.unet.conv_in.weight, sld.load_model(folder).unet.conv_in.weight)


def test_without_a_configuration_the_file_is_taken_for_a_full_size_model(pair):
    folder, file, _ = pair
    if sld.load_model(folder).scheduler.config.prediction_type == "epsilon":
        with pytest.raises(sld.InputError, match=r"of another shape .* give config=FOLDER"):
            sld.load_model(file)
        with pytest.raises(sld.InputError, match="must be epsilon or v_prediction, found 'sample'"):
            sld.load_model(file, prediction_type="sample")
    else:
        with pytest.raises(sld.InputError, match=r"of another shape .* give config=FOLDER"):
            sld.load_model(file, prediction_type="v_prediction")
        with pytest.raises(sld.InputError, match="do not say which"):
            sld.load_model(file)


@pytest.mark.parametrize("part", ["model.diffusion_model.", "first_stage_model.", "cond_stage_model."])
def test_missing_weights_are_not_replaced_by_random_ones(pair, tmp_path, part):
    _, file, config = pair
    weights = load_file(file)
    weights.pop([key for key in weights if key.startswith(part) and key.endswith("bias")][-1])
    save_file(weights, tmp_path / "part.safetensors")
    with pytest.raises(sld.InputError, match="config=FOLDER"):
        sld.load_model(tmp_path / "part.safetensors", config=config)


def test_a_unet_in_one_file_is_no_checkpoint(checkpoint):
    with pytest.raises(sld.InputError, match="give it as unet="):
        sld.load_model(checkpoint / "unet" / "diffusion_pytorch_model.safetensors")


def test_config_must_be_a_folder_and_goes_with_a_file(pair, checkpoint, tmp_path):
    _, file, _ = pair
    with pytest.raises(sld.InputError, match=r"found no model_index\.json"):
        sld.load_model(file, config=tmp_path)
    with pytest.raises(sld.InputError, match="leave them out"):
        sld.load_model(checkpoint, config=checkpoint)


@pytest.mark.parametrize(("prediction", "second", "sizes"), [
    # Parameters of stable-diffusion-v1-5 and stable-diffusion-2-1, as their weight files on the hub hold them.
    ("epsilon", False, (859_520_964, 83_653_863, 123_060_480)),
    ("v_prediction", True, (865_910_724, 83_653_863, 340_387_840)),
])  # fmt: skip
def test_the_built_in_configurations_have_the_published_sizes(tmp_path, prediction, second, sizes):
    single_file._write_config(tmp_path, second, prediction)
    configs = [read_json(tmp_path / part / "config.json") for part in ("unet", "vae", "text_encoder")]
    with torch.device("meta"):
        models = [
            UNet2DConditionModel.from_config(configs[0]),
            AutoencoderKL.from_config(configs[1]),
            CLIPTextModel(CLIPTextConfig(**configs[2])),
        ]
    assert tuple(sum(value.numel() for value in model.parameters()) for model in models) == sizes
