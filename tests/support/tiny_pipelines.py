"""Small pipelines of diffusers with random weights."""

import functools
import tempfile
import warnings
from pathlib import Path

import torch
from diffusers import (
    ControlNetModel,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTokenizer, T5Tokenizer

from sld.checkpoints.tiny.parts import make_clip, make_t5, make_vae, write_t5_tokenizer
from sld.checkpoints.tokenizer import write_clip_tokenizer

WIDTH = 16  # of every text encoder


def of_model(model, kind=StableDiffusionPipeline, **more):
    """A pipeline that has the parts of a model that `sld.load_model` returned."""
    parts = {name: getattr(model, name) for name in ("unet", "vae", "text_encoder", "tokenizer")}
    scheduler = type(model.scheduler).from_config(model.scheduler.config)
    no_checker = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = kind(**parts, scheduler=scheduler, **no_checker, **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load(folder, kind):
    """A checkpoint as a pipeline of this class, in float64."""
    with warnings.catch_warnings():
        # It imports every family's pipeline, and one of them says that torch.jit.script is deprecated.
        warnings.simplefilter("ignore")
        pipe = kind.from_pretrained(folder, torch_dtype=torch.float64)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def flux() -> FluxPipeline:
    """FLUX, which has no family here, in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(13)
        pipe = _flux()
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            torch.nn.Module.to(part, torch.float64).eval().requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _flux() -> FluxPipeline:
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    transformer.proj_out.weight.data.mul_(4.0)
    return FluxPipeline(
        FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        make_vae(8, shift_factor=0.1),
        *(make_clip(WIDTH), _clip_tokenizer(), make_t5(WIDTH), _t5_tokenizer()),
        transformer,
    )


def controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """A ControlNet of a UNet whose zero convolutions are trained: their weights are not zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(14)
        net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 4, 4)).double().eval()
        for block in [*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out]:
            torch.nn.init.normal_(block.weight, std=0.3)
    return net.requires_grad_(False)


@functools.cache
def _clip_tokenizer() -> CLIPTokenizer:
    with tempfile.TemporaryDirectory() as folder:
        write_clip_tokenizer(Path(folder))
        return CLIPTokenizer.from_pretrained(folder)


@functools.cache
def _t5_tokenizer() -> T5Tokenizer:
    with tempfile.TemporaryDirectory() as folder:
        write_t5_tokenizer(Path(folder))
        return T5Tokenizer.from_pretrained(folder)
