"""The UNet of SD 1.x/2.x in the stages that its inputs allow: once per text, once per state, and once per pair.

The modules are diffusers', called in the order of its UNet2DConditionModel. Keys and values of cross-attention depend
on the text alone, and everything before the first cross-attention on the latent state alone, so the branches of one
state and the calls of one run need not repeat them. `timestep` is the same for all rows, so its embedding has one row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sld.errors import InputError, counted

_PLAIN = {
    "addition_embed_type": None,
    "attention_type": "default",
    "center_input_sample": False,
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "cross_attention_norm": None,
    "dual_cross_attention": False,
    "encoder_hid_dim_type": None,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "num_class_embeds": None,
    "only_cross_attention": False,
    "resnet_time_scale_shift": "default",
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
}
_BLOCKS = {"DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"}


def unusual(config) -> str | None:
    """Return the first setting of a UNet2DConditionModel that differs from SD 1.x/2.x, as `key=value`; None if none."""
    for key, expected in _PLAIN.items():
        if config.get(key, expected) != expected:
            return f"{key}={config[key]!r}"
    blocks = [*config["down_block_types"], *config["up_block_types"]]
    unknown = [name for name in blocks if name not in _BLOCKS]
    return (
        f"a block {unknown[0]}" if unknown else None if "CrossAttnDownBlock2D" in blocks else "no CrossAttnDownBlock2D"
    )


def check_text_to_image(unet: Mapping[str, Any], vae: Mapping[str, Any], source: str) -> None:
    """Raise `InputError` unless UNet and VAE are configured for text-to-image as in SD 1.x/2.x."""
    latent, counts = vae["latent_channels"], {"input": unet["in_channels"], "output": unet["out_channels"]}
    wrong_counts = [
        f"{counted(count, f'{end} channel')} for {latent}" for end, count in counts.items() if count != latent
    ]
    odd = unusual(unet) or ", ".join(wrong_counts)
    if odd:
        raise InputError(
            f"{source} must hold a text-to-image UNet of Stable Diffusion 1.x or 2.x, found one with {odd}: choose "
            "another one"
        )


class StagedUNet:
    """A diffusers UNet2DConditionModel evaluated in stages; `unusual` must return None for its configuration.

    `observe` followed by `predict` equals `unet(latents, timestep, embeddings)` up to rounding.
    """

    def __init__(self, unet: nn.Module):
        self.unet = unet
        self._first = next(i for i, block in enumerate(unet.down_blocks) if _attentions(block))
        blocks = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
        self._cross = [
            layer.attn2
            for block in blocks
            for transformer in _attentions(block)
            for layer in transformer.transformer_blocks
        ]

    def project(self, embeddings: Tensor) -> Tensor:
        """Return (N, tokens, channels) text embeddings as keys and values of every cross-attention, (N, tokens, K)."""
        return torch.cat([to(embeddings) for attention in self._cross for to in (attention.to_k, attention.to_v)], -1)

    def observe(self, latents: Tensor, timestep: Tensor) -> tuple[Tensor, ...]:
        """Return what latents (N, C, h, w) and the () timestep alone determine: tensors of N rows, for `predict`."""
        time = self._time(timestep, latents.dtype)
        hidden = self.unet.conv_in(latents)
        skips = [hidden]
        for block in self.unet.down_blocks[: self._first]:
            hidden, block_skips = block(hidden_states=hidden, temb=time)
            skips += block_skips
        block = self.unet.down_blocks[self._first]
        hidden = block.resnets[0](hidden, time)
        transformer = block.attentions[0]
        tokens = _look_at_itself(transformer.transformer_blocks[0], _to_tokens(transformer, hidden))
        return tokens, hidden, *skips

    def predict(self, observed: Sequence[Tensor], timestep: Tensor, text: Tensor) -> Tensor:
        """Return (N, C, h, w) predictions from N rows of `observe`, its timestep, and N rows of `project`."""
        tokens, hidden = observed[:2]
        skips = list(observed[2:])  # torch 2.11 compiles a starred name as a tuple, to which nothing can be appended
        time = self._time(timestep, hidden.dtype)
        pairs = self._keys_and_values(text)

        first, *remaining = self.unet.down_blocks[self._first :]
        hidden = _finish(first.attentions[0], tokens, hidden, pairs)
        skips.append(hidden)
        hidden = _down(first, 1, hidden, time, pairs, skips)
        for block in remaining:
            hidden = _down(block, 0, hidden, time, pairs, skips)

        middle = self.unet.mid_block
        hidden = middle.resnets[0](hidden, time)
        for transformer, resnet in zip(middle.attentions, middle.resnets[1:], strict=True):
            hidden = resnet(_attend(transformer, hidden, pairs), time)

        for block in self.unet.up_blocks:
            hidden = _up(block, hidden, time, pairs, skips)
        return self.unet.conv_out(self.unet.conv_act(self.unet.conv_norm_out(hidden)))

    def size_of(self, observed: Sequence[Tensor]) -> tuple[int, int]:
        """Return (h, w) of the latents that were observed."""
        return tuple(observed[2].shape[2:])  # tokens, features, then skips, the first at full size

    def _time(self, timestep: Tensor, dtype: torch.dtype) -> Tensor:
        return self.unet.time_embedding(self.unet.time_proj(timestep[None]).to(dtype))

    def _keys_and_values(self, text: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        widths = [to.out_features for attention in self._cross for to in (attention.to_k, attention.to_v)]
        parts = iter(text.split(widths, -1))
        return zip(parts, parts, strict=True)


def _attentions(block: nn.Module) -> Sequence[nn.Module]:
    return getattr(block, "attentions", None) or ()


def _down(block, start: int, hidden: Tensor, time: Tensor, pairs: Iterator, skips: list[Tensor]) -> Tensor:
    """Run the layers of a down block from `start` on; the inputs of the up blocks are appended to `skips`."""
    attentions = _attentions(block)
    for i, resnet in enumerate(block.resnets[start:], start):
        hidden = resnet(hidden, time)
        if attentions:
            hidden = _attend(attentions[i], hidden, pairs)
        skips.append(hidden)
    for downsampler in block.downsamplers or ():
        hidden = downsampler(hidden)
        skips.append(hidden)
    return hidden


def _up(block, hidden: Tensor, time: Tensor, pairs: Iterator, skips: list[Tensor]) -> Tensor:
    attentions = _attentions(block)
    for i, resnet in enumerate(block.resnets):
        hidden = resnet(torch.cat([hidden, skips.pop()], dim=1), time)
        if attentions:
            hidden = _attend(attentions[i], hidden, pairs)
    for upsampler in block.upsamplers or ():
        # Doubling does not restore a side that was halved with a remainder.
        height, width = skips[-1].shape[2:]
        doubled = hidden.shape[2] * 2 == height and hidden.shape[3] * 2 == width
        hidden = upsampler(hidden, None if doubled else (height, width))
    return hidden


def _attend(transformer, hidden: Tensor, pairs: Iterator) -> Tensor:
    tokens = _look_at_itself(transformer.transformer_blocks[0], _to_tokens(transformer, hidden))
    return _finish(transformer, tokens, hidden, pairs)


def _to_tokens(transformer, hidden: Tensor) -> Tensor:
    """Return (N, C, h, w) as (N, h * w, C'), normed and projected."""
    tokens = transformer.norm(hidden)
    if transformer.use_linear_projection:
        return transformer.proj_in(tokens.flatten(2).transpose(1, 2))
    return transformer.proj_in(tokens).flatten(2).transpose(1, 2)


def _look_at_itself(layer, tokens: Tensor) -> Tensor:
    """Return tokens after self-attention, the part of a layer that sees no text."""
    normed = layer.norm1(tokens)
    return _attention(layer.attn1, normed, layer.attn1.to_k(normed), layer.attn1.to_v(normed)) + tokens


def _finish(transformer, tokens: Tensor, hidden: Tensor, pairs: Iterator) -> Tensor:
    """Run the rest of a transformer after its first self-attention; `hidden` is the transformer's input."""
    for number, layer in enumerate(transformer.transformer_blocks):
        if number:
            tokens = _look_at_itself(layer, tokens)
        tokens = _attention(layer.attn2, layer.norm2(tokens), *next(pairs)) + tokens
        tokens = layer.ff(layer.norm3(tokens)) + tokens
    if transformer.use_linear_projection:
        tokens = transformer.proj_out(tokens)
    # Tokens are in the layout of channels-last pictures; convolutions need the layout of the other tensors.
    tokens = tokens.transpose(1, 2).unflatten(2, hidden.shape[2:])
    tokens = tokens.contiguous(
        memory_format=torch.channels_last if _is_channels_last(hidden) else torch.contiguous_format
    )
    return (tokens if transformer.use_linear_projection else transformer.proj_out(tokens)) + hidden


def _is_channels_last(hidden: Tensor) -> bool:
    return hidden.is_contiguous(memory_format=torch.channels_last) and not hidden.is_contiguous()


def _attention(attention, tokens: Tensor, key: Tensor, value: Tensor) -> Tensor:
    query, key, value = (
        tensor.unflatten(-1, (attention.heads, -1)).transpose(1, 2) for tensor in (attention.to_q(tokens), key, value)
    )
    mixed = F.scaled_dot_product_attention(query, key, value)
    return attention.to_out[0](mixed.transpose(1, 2).flatten(2))
