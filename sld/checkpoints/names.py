"""The names of weights: those that mean the same weight, and those without a place that change no picture."""

import re
from typing import Any

from sld.checkpoints.family import Component

_CLIP_EXTRAS = r"(?:vision_model\..*|visual_projection\.weight|text_projection(?:\.weight)?|logit_scale)"
_VISION = r"(?:vision_model\..*|visual_projection\.weight|logit_scale)"
_CLIP_TEXT = {
    r"(?:text_model\.)?embeddings\.position_ids": "the numbers from 0 on, which the library computes itself",
    r"(?:text_model\.)?encoder\.layers\.(?P<layer>\d+)\..*": "layers that CLIP skip leaves out",
}
# Weights without a place that change no picture, and why, by the class of their component. `layer` is a layer of the
# text encoder beyond its own.
HARMLESS = {
    "CLIPTextModel": _CLIP_TEXT
    | {_CLIP_EXTRAS: "CLIP's vision tower and what leads from text to it; SD takes the text's hidden states"},
    "CLIPTextModelWithProjection": _CLIP_TEXT | {_VISION: "CLIP's vision tower"},
    "T5EncoderModel": {
        r"(?:shared|encoder\.embed_tokens)\.weight": "the second of two names of one tensor",
        r"decoder\..*|lm_head\.weight": "T5's decoder, which writes text",
    },
    "single file": {
        r"(?:alphas_cumprod|sqrt_|log_one_minus_|posterior_).*|betas|logvar|lvlb_weights": "the noise schedule",
        r"global_step": "how far training was",
        r"first_stage_model\.(?:loss|model_ema)\..*": "the VAE's training: its losses and moving average",
        r"cond_stage_model\.(?:transformer\.)?(?:text_model\.)?" + _CLIP_EXTRAS: "as of a text encoder",
        r"cond_stage_model\.(?:[a-z_]+\.)*position_ids": "as of a text encoder, under the names of several tools",
        r"cond_stage_model\.transformer\.text_model\.encoder\.layers\.(?P<layer>\d+)\..*": "as of a text encoder",
        r"cond_stage_model\.model\.(?:visual\..*|text_projection|logit_scale|attn_mask)": "as of a text encoder",
        r"cond_stage_model\.model\.transformer\.resblocks\.(?P<layer>\d+)\..*": "as of a text encoder",
    },
}  # fmt: skip
# Names of the attention in old VAEs, which diffusers reads.
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def is_harmless(where: str, name: str, config: Any) -> bool:
    """Return whether a weight without a place is one of `HARMLESS`; `config` is the model's or its text encoder's."""
    for pattern in HARMLESS.get(where, ()):
        if match := re.fullmatch(pattern, name):
            layer = match.groupdict().get("layer")
            return layer is None or int(layer) >= config.num_hidden_layers
    return False


def canonical(component: Component, name: str) -> str:
    """Return the main name of a weight, out of those that its library reads."""
    if component.cls.startswith("CLIPTextModel"):  # transformers dropped this prefix from its class and reads both
        return name.removeprefix("text_model.")
    if component.cls == "AutoencoderKL":
        return re.sub(
            r"(attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)", lambda m: m[1] + _OLD_ATTENTION[m[2]], name
        )
    if component.cls == "T5EncoderModel" and name == "encoder.embed_tokens.weight":  # tied
        return "shared.weight"
    return name
