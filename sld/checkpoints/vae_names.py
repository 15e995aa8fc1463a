"""The names of a VAE's weights in the original layout (CompVis/latent-diffusion, model.py), one by one.

The decoder's levels are numbered from the finest there, and the attention's layers are convolutions of one pixel.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sld.checkpoints.pieces import Piece

_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
_LEVEL = re.compile(r"(?P<side>encoder|decoder)\.(?P<way>down|up)\.(?P<level>\d+)\.(?P<rest>.+)")
_MIDDLE = re.compile(r"(?P<side>encoder|decoder)\.mid\.(?:block_(?P<block>[12])|attn_1\.(?P<layer>\w+))\.(?P<rest>.+)")
_END = re.compile(r"(?P<side>encoder|decoder)\.norm_out\.(?P<rest>.+)")


def pieces(name: str, config: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield the diffusers weight that a weight of the original layout is; none if it has no other name there.

    Args:
        name: of the weight, such as `decoder.up.0.block.1.conv1.weight`.
        config: of an `AutoencoderKL`.
    """
    if match := _LEVEL.fullmatch(name):
        level = int(match["level"])
        if match["way"] == "up":
            level = len(config["block_out_channels"]) - 1 - level
        rest = re.sub(r"^block\.", "resnets.", match["rest"])
        rest = re.sub(r"^(down|up)sample\.", r"\1samplers.0.", rest).replace("nin_shortcut", "conv_shortcut")
        yield Piece(f"{match['side']}.{match['way']}_blocks.{level}.{rest}")
    elif match := _MIDDLE.fullmatch(name):
        middle = f"{match['side']}.mid_block"
        if match["block"]:
            yield Piece(f"{middle}.resnets.{int(match['block']) - 1}.{match['rest']}")
        elif match["layer"] in _ATTENTION:
            layer = _ATTENTION[match["layer"]]
            yield Piece(f"{middle}.attentions.0.{layer}.{match['rest']}", linear=layer != "group_norm")
    elif match := _END.fullmatch(name):
        yield Piece(f"{match['side']}.conv_norm_out.{match['rest']}")
