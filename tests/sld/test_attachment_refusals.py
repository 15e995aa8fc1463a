"""What safety guidance cannot be attached to is refused in one sentence, and the pipeline is left as it was."""

import copy

import pytest
import tiny_pipelines
import torch
from diffusers import (
    DDIMScheduler,
    StableDiffusionPAGPipeline,
    StableDiffusionPipeline,
    StableDiffusionSAGPipeline,
)
from diffusers.models.embeddings import ImageProjection, MultiIPAdapterImageProjection

import sld

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def loaded(checkpoint):
    return sld.load_model(checkpoint, dtype="float64", scheduler="ddim")


@pytest.fixture
def pipe(loaded):
    return tiny_pipelines.of_model(loaded)


def draw(pipe, **options):
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return pipe("a cat", num_inference_steps=2, output_type="latent", **{"latents": latents} | options).images


def holds_nothing(pipe):
    return not pipe.unet._forward_hooks and "set_timesteps" not in vars(pipe.scheduler)


def test_it_is_attached_once(pipe):
    with sld.attach(pipe):
        with pytest.raises(sld.InputError, match=r"once, found .* attached already: leave the first"):
            sld.attach(pipe, "weak")
        draw(pipe)
    assert holds_nothing(pipe)


@pytest.mark.parametrize("part", ["scheduler", "unet"])
def test_parts_are_exchanged_before(pipe, part):
    with sld.attach(pipe):
        other = DDIMScheduler.from_config(pipe.scheduler.config) if part == "scheduler" else copy.deepcopy(pipe.unet)
        setattr(pipe, part, other)
        with pytest.raises(sld.InputError, match=rf"pipe\.{part} must remain the same"):
            draw(pipe)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"guidance_rescale": 0.7}, r"guidance_rescale must be 0 .* found 0\.7"),
        ({"ip_adapter_image_embeds": [torch.zeros(2, 1, 1, 4)]}, "ip_adapter_image_embeds must be None"),
    ],
)
def test_other_kinds_of_guidance_are_refused(pipe, options, sentence):
    with sld.attach(pipe), pytest.raises(sld.InputError, match=sentence):
        draw(pipe, **options)
    assert holds_nothing(pipe)


def test_texts_in_another_dtype_than_the_denoiser_are_explained_where_a_call_fails(pipe):
    pipe.text_encoder = copy.deepcopy(pipe.text_encoder).half()
    wanted = r"found torch\.float16 and torch\.float64 \(.+\): load it with .*torch_dtype=torch\.float64\)"
    with pytest.raises(sld.InputError, match=wanted) as refused, sld.attach(pipe):
        draw(pipe)
    assert isinstance(refused.value.__cause__, RuntimeError)
    assert holds_nothing(pipe)


@pytest.mark.parametrize("error", [RuntimeError("another"), torch.OutOfMemoryError("memory"), KeyError("a bug")])
def test_an_error_of_another_kind_stays_what_it_is(pipe, error):
    def fail(*_):
        raise error

    if type(error) is not RuntimeError:  # with several dtypes, which is not what failed
        pipe.text_encoder = copy.deepcopy(pipe.text_encoder).half()
    with (
        pytest.raises(type(error)) as raised,
        sld.attach(pipe),
        pipe.unet.conv_in.register_forward_pre_hook(fail),
    ):
        draw(pipe)
    assert raised.value is error


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(StableDiffusionPAGPipeline, "a third branch"), (StableDiffusionSAGPipeline, "is not known here")],
)
def test_other_classes_are_refused_by_name(pipe, kind, reason):
    other = kind(**pipe.components, requires_safety_checker=False)
    with pytest.raises(sld.InputError, match=f"found a {kind.__name__}, whose guidance .*{reason}: use one of"):
        sld.attach(other)


@pytest.mark.parametrize("name", ["ChromaPipeline", "CogView4Pipeline", "WanPipeline", "StableDiffusionXLPAGPipeline"])
def test_a_class_is_refused_before_anything_of_it_is_read(name):
    import diffusers

    pipe = object.__new__(getattr(diffusers, name))
    with pytest.raises(sld.InputError, match=f"pipe must be one of .*StableDiffusionPipeline.* found a {name}"):
        sld.attach(pipe)


def test_a_class_of_that_name_is_not_enough():
    class FluxPipeline:
        def __call__(self):
            """Do something else."""

    with pytest.raises(sld.InputError, match="found a FluxPipeline"):
        sld.attach(FluxPipeline())


def test_a_subclass_that_keeps_the_loop_is_taken_and_one_with_its_own_is_not(pipe):
    class Mine(StableDiffusionPipeline):
        pass

    class Other(StableDiffusionPipeline):
        def __call__(self, *args, **kwargs):
            return super().__call__(*args, **kwargs)

    with sld.attach(Mine(**pipe.components, requires_safety_checker=False)):
        pass
    with pytest.raises(sld.InputError, match="found a Other"):
        sld.attach(Other(**pipe.components, requires_safety_checker=False))


def test_a_distilled_denoiser_is_refused(pipe):
    pipe.unet = copy.deepcopy(pipe.unet)
    pipe.unet.register_to_config(time_cond_proj_dim=32)
    with pytest.raises(sld.InputError, match=r"found time_cond_proj_dim .* use the model that it was distilled from"):
        sld.attach(pipe)


def test_a_loaded_ip_adapter_is_refused(pipe):
    pipe.unet = copy.deepcopy(pipe.unet)
    pipe.unet.encoder_hid_proj = MultiIPAdapterImageProjection([ImageProjection(4, 16, 1)])
    with pytest.raises(sld.InputError, match=r"found an IP-Adapter loaded: .* call unload_ip_adapter"):
        sld.attach(pipe)


def test_a_pipeline_without_its_text_encoder_is_refused(pipe):
    pipe.text_encoder = None
    with pytest.raises(sld.InputError, match="found no text_encoder in a StableDiffusionPipeline"):
        sld.attach(pipe)


def test_a_denoiser_that_is_compiled_in_place_is_refused_and_a_compiled_copy_is_taken(pipe):
    unet = pipe.unet = copy.deepcopy(pipe.unet)
    unet.compile(backend="eager")  # at its first call, which never comes
    with pytest.raises(sld.InputError, match="compiled in place"):
        sld.attach(pipe)
    unet._compiled_call_impl = None
    with sld.attach(pipe, "max"):
        expected = draw(pipe)
    pipe.unet = torch.compile(unet, backend="eager")
    with torch.compiler.set_stance("force_eager"), sld.attach(pipe, "max"):  # nothing is traced, which takes seconds
        assert torch.equal(draw(pipe), expected)


def test_flux_needs_a_negative_prompt():
    flux = tiny_pipelines.flux()
    latents = torch.zeros(1, 16, 16, dtype=torch.float64)
    with sld.attach(flux), pytest.raises(sld.InputError, match="a call of FluxPipeline must have a negative prompt"):
        draw(flux, latents=latents, true_cfg_scale=4.0, height=64, width=64)
    assert not flux.transformer._forward_hooks


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"preset": "mild"}, "must be one of weak, .* found 'mild'"),
        ({"preset": None}, r"preset of sld\.attach must be a name, .* found None"),
        ({"preset": 3}, "found a int"),
        ({"concept": 3}, "concept must be a text"),
        ({"space": "v"}, r"space must be epsilon or output, .* found 'v' in method 'sld\.attach'"),
    ],
)
def test_arguments_are_checked_at_once(pipe, arguments, sentence):
    with pytest.raises(sld.InputError, match=sentence):
        sld.attach(pipe, **arguments)
    assert holds_nothing(pipe)


def test_guidance_of_another_shape_is_refused(pipe):
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Wrong(sld.SafetyGuidance):
        warmup_steps: int = 0

        def guide(self, e_0, e_p, e_s, memory):
            return e_0.mean(), memory

    with sld.attach(pipe, Wrong()), pytest.raises(sld.InputError, match=r"safety guidance must return torch\.float64"):
        draw(pipe)
    assert holds_nothing(pipe)
