"""Small pipelines of diffusers with random weights, in float64."""

import functools
import tempfile
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

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


@made_from(seed=11)
def sdxl() -> StableDiffusionXLPipeline:
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * WIDTH,
        attention_head_dim=2,
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH,
    )
    unet.conv_out.weight.data.mul_(2.0)
    scheduler = EulerDiscreteScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, steps_offset=1, timestep_spacing="leading"
    )
    return StableDiffusionXLPipeline(
        vae(4), _clip(), _clip(projected=True), _clip_tokenizer(), _clip_tokenizer(), unet, scheduler
    )


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
        vae(4),
        *(_clip(projected=True), _clip_tokenizer(), _clip(projected=True), _clip_tokenizer()),
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
        vae(4),
        *(_clip(), _clip_tokenizer(), _t5(WIDTH), _word_tokenizer()),
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


def vae(channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=64,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        latent_channels=channels,
        shift_factor=0.1,
    )


def _clip(projected: bool = False):
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=WIDTH,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407,
    )
    encoder = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    # CLIP starts its embeddings at a standard deviation of 0.02, where all texts look the same to a random encoder.
    encoder.get_input_embeddings().weight.data.normal_(0.0, 0.5)
    if projected:
        encoder.text_projection.weight.data.normal_(0.0, 0.3)
    return encoder


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
