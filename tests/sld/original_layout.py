"""Checkpoints of diffusers' layout under the names of one file in the original layout, by a table of our own."""

import torch
from safetensors.torch import load_file

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
        "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
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
    converted = {}
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
        converted[f"first_stage_model.{key}"] = value
    return converted


def original_text(weights, second):
    weights = {key.removeprefix("text_model."): value for key, value in weights.items()}
    if not second:
        return {f"cond_stage_model.transformer.text_model.{key}": value for key, value in weights.items()}
    converted = {
        "token_embedding.weight": weights.pop("embeddings.token_embedding.weight"),
        "positional_embedding": weights.pop("embeddings.position_embedding.weight"),
    } | {f"ln_final.{kind}": weights.pop(f"final_layer_norm.{kind}") for kind in ("weight", "bias")}
    for number in range(2):
        layer = f"encoder.layers.{number}."
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"{layer}self_attn.{part}_proj.{kind}") for part in "qkv"]
            converted[f"transformer.resblocks.{number}.attn.in_proj_{kind}"] = torch.cat(parts)
            for new, old in LAYER.items():
                converted[f"transformer.resblocks.{number}.{old}.{kind}"] = weights.pop(f"{layer}{new}.{kind}")
    assert not weights
    return {f"cond_stage_model.model.{key}": value for key, value in converted.items()}


def original_layout(folder, second):
    unet, vae = (load_file(folder / part / "diffusion_pytorch_model.safetensors") for part in ("unet", "vae"))
    text = load_file(folder / "text_encoder" / "model.safetensors")
    parts = original_unet(unet) | original_vae(vae) | original_text(text, second)
    return {key: value.contiguous() for key, value in parts.items()}
