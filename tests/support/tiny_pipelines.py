"""Small pipelines of diffusers with random weights, in float64."""

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
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from sld.checkpoints.tiny.parts import make_clip, make_vae
from sld.checkpoints.tokenizer import write_clip_tokenizer

WIDTH = 16  # of every text encoder


def made_from(seed: int):
    """Decorate a maker of a pipeline: its weights are a function of the seed, and its parts are in float64."""

    def decorate(make):
        @functools.wraps(make)
        def made():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                pipe = make()
            for part in pipe.components.values():
                if isinstance(part, torch.nn.Module):
                    torch.nn.Module.to(part, torch.float64).eval().requires_grad_(False)
            pipe.set_progress_bar_config(disable=True)
            return pipe

        return made

    return decorate


def of_model(model, kind=StableDiffusionPipeline, **more):
    """A pipeline that has the parts of a model that `sld.load_model` returned."""
    parts = {name: getattr(model, name) for name in ("unet", "vae", "text_encoder", "tokenizer")}
    scheduler = type(model.scheduler).from_config(model.scheduler.config)
    no_checker = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipe = kind(**parts, scheduler=scheduler, **no_checker, **more)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def load(folder, kind):
    """A checkpoint as a pipeline of this class."""
    with warnings.catch_warnings():
        # It imports every family's pipeline, and one of them says that torch.jit.script is deprecated.
        warnings.simplefilter("ignore")
        pipe = kind.from_pretrained(folder, torch_dtype=torch.float64)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@made_from(seed=12)
def sd3() -> StableDiffusion3Pipeline:
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=16,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=16,
    )
    transformer.proj_out.weight.data.mul_(4.0)
    return StableDiffusion3Pipeline(
        transformer,
        FlowMatchEulerDiscreteScheduler(shift=3.0),
        make_vae(8, shift_factor=0.1),
        *(make_clip(WIDTH, projects=True), _clip_tokenizer(), make_clip(WIDTH, projects=True), _clip_tokenizer()),
        *(_t5(2 * WIDTH), _word_tokenizer()),
    )


@made_from(seed=13)
def flux() -> FluxPipeline:
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
        *(make_clip(WIDTH), _clip_tokenizer(), _t5(WIDTH), _word_tokenizer()),
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


def _t5(width: int) -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=64, d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2))


@functools.cache
def _word_tokenizer() -> PreTrainedTokenizerFast:
    """Reads letters, of any text; it stands in for T5's, whose vocabulary is in no package."""
    letters = {
        letter: number for number, letter in enumerate(["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz "])
    }
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
