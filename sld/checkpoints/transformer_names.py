"""The names of SD 3's weights in the original layout (Stability-AI/sd3.5, mmditx.py), one by one.

Queries, keys and values are one weight there and three in diffusers, and the last modulations of picture and text hold
shift and scale in the other order.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sld.checkpoints.pieces import Piece

_EDGES = {
    "pos_embed": "pos_embed.pos_embed",
    "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "context_embedder": "context_embedder",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
_MODULES = {
    "x_block.adaLN_modulation.1": "norm1.linear",
    "x_block.mlp.fc1": "ff.net.0.proj",
    "x_block.mlp.fc2": "ff.net.2",
    "context_block.adaLN_modulation.1": "norm1_context.linear",
    "context_block.attn.proj": "attn.to_add_out",
    "context_block.attn.ln_q": "attn.norm_added_q",
    "context_block.attn.ln_k": "attn.norm_added_k",
    "context_block.mlp.fc1": "ff_context.net.0.proj",
    "context_block.mlp.fc2": "ff_context.net.2",
    **{
        f"x_block.{attention}.{original}": f"{attention}.{renamed}"
        for attention in ("attn", "attn2")
        for original, renamed in {"proj": "to_out.0", "ln_q": "norm_q", "ln_k": "norm_k"}.items()
    },
}
_QKV = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
_HEADS = ("joint_blocks.", "x_embedder.", "t_embedder.", "y_embedder.", "final_layer.")
_BLOCK = re.compile(r"joint_blocks\.(\d+)\.(.+)")


def is_original(name: str) -> bool:
    """Return whether a weight of a transformer has a name of the original layout."""
    return name == "pos_embed" or name.startswith(_HEADS)


def pieces(name: str, config: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield the diffusers weights that a weight of the original layout holds; none if it has no place.

    Args:
        name: of the weight, such as `joint_blocks.0.x_block.attn.qkv.weight`.
        config: of an `SD3Transformer2DModel`.
    """
    if name.startswith("pos_embed."):  # of diffusers, which has the positions one level lower
        return
    module, _, kind = name.rpartition(".") if name != "pos_embed" else (name, "", "")
    tail = f".{kind}" if kind else ""
    if module in _EDGES:
        yield Piece(_EDGES[module] + tail, swapped=module == "final_layer.adaLN_modulation.1")
    elif match := _BLOCK.fullmatch(module):
        block, inner = f"transformer_blocks.{match[1]}.", match[2]
        if inner in _QKV:
            for third, renamed in enumerate(_QKV[inner]):
                yield Piece(f"{block}{renamed}{tail}", third=third)
        elif inner in _MODULES:
            last = int(match[1]) == config["num_layers"] - 1
            yield Piece(block + _MODULES[inner] + tail, swapped=last and inner == "context_block.adaLN_modulation.1")
