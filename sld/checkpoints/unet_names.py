"""The names of a UNet's weights in the original layout (CompVis/stable-diffusion, Stability-AI/generative-models).

diffusers' own converter numbers the blocks that it meets, so it drops weights of a file that holds only some of them,
as files of concept erasure methods do. Here each name has its place by the UNet's configuration alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_HEADS = ("input_blocks.", "middle_block.", "output_blocks.", "time_embed.", "label_emb.", "out.")
_EDGES = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


def is_original(name: str) -> bool:
    """Return whether a weight has a name of the original layout, which diffusers' names never equal."""
    return name.startswith(_HEADS)


def modules_by_original_name(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the diffusers name of each numbered module of the original layout.

    Modules that the UNet lacks (an attention in a block without any) may be among them.

    Args:
        config: of a `UNet2DConditionModel`: SD 1.x, 2.x or SDXL.
    """
    levels = len(config["block_out_channels"])
    per_level = config["layers_per_block"]
    layers = list(per_level) if isinstance(per_level, Sequence) else [per_level] * levels
    added = "add" if config.get("addition_embed_type") == "text_time" else "class"
    modules = _EDGES | {f"label_emb.0.{2 * n}": f"{added}_embedding.linear_{n + 1}" for n in range(2)}
    return modules | _down(layers) | _up(layers[::-1], config["up_block_types"])


def _down(layers: Sequence[int]) -> dict[str, str]:
    modules, number = {}, 1
    for level, count in enumerate(layers):
        for layer in range(count):
            modules[f"input_blocks.{number}.0"] = f"down_blocks.{level}.resnets.{layer}"
            modules[f"input_blocks.{number}.1"] = f"down_blocks.{level}.attentions.{layer}"
            number += 1
        if level < len(layers) - 1:
            modules[f"input_blocks.{number}.0.op"] = f"down_blocks.{level}.downsamplers.0.conv"
            number += 1
    return modules


def _up(layers: Sequence[int], block_types: Sequence[str]) -> dict[str, str]:
    modules, number = {}, 0
    for level, count in enumerate(layers):
        attention = "Attn" in block_types[level]
        for layer in range(count + 1):
            modules[f"output_blocks.{number}.0"] = f"up_blocks.{level}.resnets.{layer}"
            if attention:
                modules[f"output_blocks.{number}.1"] = f"up_blocks.{level}.attentions.{layer}"
            number += 1
        if level < len(layers) - 1:
            modules[f"output_blocks.{number - 1}.{1 + attention}.conv"] = f"up_blocks.{level}.upsamplers.0.conv"
    return modules


def diffusers_name(name: str, modules: Mapping[str, str]) -> str | None:
    """Return the diffusers name of a weight in the original layout; None if it has no place.

    Args:
        name: of the weight, such as `input_blocks.1.0.in_layers.2.weight`.
        modules: from `modules_by_original_name`.
    """
    words = name.split(".")
    for end in range(len(words) - 1, 0, -1):
        module = modules.get(".".join(words[:end]))
        if module is not None:
            rest = ".".join(words[end:])
            return f"{module}.{_in_resnet(rest) if '.resnets.' in module else rest}"
    return None


def _in_resnet(name: str) -> str:
    for original, renamed in _RESNET.items():
        if name.startswith(f"{original}."):
            return renamed + name.removeprefix(original)
    return name
