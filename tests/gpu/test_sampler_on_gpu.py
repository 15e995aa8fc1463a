"""The sampler on a GPU: rows keep apart, and the named attention runs."""

import pytest
import torch
from torch.backends.cuda import (
    SDPAParams,
    can_use_cudnn_attention,
    can_use_efficient_attention,
    can_use_flash_attention,
)
from torch.nn.functional import scaled_dot_product_attention

import sld
from sld.decoding import decode_images
from sld.tuning import ATTENTION, Tuning, attention_order, compiled

pytestmark = pytest.mark.gpu
METHODS = ("baseline", "sld_max")
PROMPTS = ["a red car", "fog", "a poster of a dog", "fog"]
KERNELS = {  # the operators of torch that each backend dispatches to, on a GPU
    "flash": "aten::_scaled_dot_product_flash_attention",
    "cudnn": "aten::_scaled_dot_product_cudnn_attention",
    "efficient": "aten::_scaled_dot_product_efficient_attention",
    "math": "aten::_scaled_dot_product_attention_math",
}
TAKES = {"flash": can_use_flash_attention, "cudnn": can_use_cudnn_attention, "efficient": can_use_efficient_attention}
FUSED_ON_CPU = "aten::_scaled_dot_product_flash_attention_for_cpu"  # whatever is asked for, but for math


def sampled(model, prompts, seeds, share=True, size=64):
    result = sld.sample(
        model, prompts, METHODS, seeds=seeds, steps=3, height=64, width=size, batch_size=8, share=share, decode=False
    )
    pixels = {name: decode_images(model, latents, 8)[0] for name, latents in result.latents.items()}
    return {name: (latents.cpu(), pixels[name].cpu()) for name, latents in result.latents.items()}


@pytest.mark.parametrize("tuning", [Tuning(), Tuning(True, "efficient")], ids=str)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_picture_depends_on_no_neighbour_no_order_and_no_sharing(load, device, dtype, tuning):
    if (device, dtype) == ("cpu", "float16"):
        pytest.skip("a CPU takes a minute for this in float16")
    model = load(dtype)
    model.tune(tuning)
    together = sampled(model, PROMPTS, range(4))
    alone = sampled(model, PROMPTS[2:3], [2])
    turned = sampled(model, PROMPTS[::-1], range(3, -1, -1))
    apart = sampled(model, PROMPTS, range(4), share=False)
    for name in METHODS:
        for which in (0, 1):  # latents, pixels
            expected = together[name][which]
            assert torch.equal(alone[name][which][0], expected[2])
            assert torch.equal(turned[name][which].flip(0), expected)
            assert torch.equal(apart[name][which], expected)


def test_pictures_of_another_size_are_those_of_a_model_that_was_tuned_for_none(load, half):
    model = load(half)
    plain = sampled(model, PROMPTS, range(4), size=96)
    model.tune(Tuning(compiled=True), 64, 64)  # compiles when that size is first drawn, which it is not
    again = sampled(model, PROMPTS, range(4), size=96)
    for name in METHODS:
        assert plain[name][1].shape == (4, 64, 96, 3)
        assert torch.equal(again[name][1], plain[name][1])


def operators(call) -> set[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        call()
    names = {event.key for event in profile.key_averages()}
    return names & {*KERNELS.values(), FUSED_ON_CPU}


def kernel_of(name, device) -> str:
    return KERNELS[name] if device != "cpu" or name == "math" else FUSED_ON_CPU


@pytest.mark.parametrize("name", ATTENTION)
def test_the_named_attention_is_what_the_denoiser_runs(load, half, device, name):
    model = load(half)
    model.tune(Tuning(attention=name))
    assert operators(lambda: sampled(model, PROMPTS[:1], [0])) == {kernel_of(name, device)}


@pytest.mark.parametrize("width", [40, 80, 160])  # of SD 1.x's heads
@pytest.mark.parametrize("name", ATTENTION)
def test_the_named_attention_takes_the_heads_of_stable_diffusion(device, name, width):
    tensors = torch.randn(3, 2, 8, 64, width).to(device, torch.float16)
    run = lambda: scaled_dot_product_attention(*tensors)  # noqa: E731
    run()  # on some cards the first call of a process changes the order
    if device != "cpu" and name in TAKES and not TAKES[name](SDPAParams(*tensors, None, 0.0, False, False)):
        pytest.skip(f"this card's {name} attention takes no heads of {width}")
    with attention_order(name):
        assert operators(run) == {kernel_of(name, device)}


@pytest.mark.compile
def test_compiled_attention_changes_with_the_name(device):
    tensors = torch.randn(3, 2, 8, 64, 40).to(device, torch.float16)
    attend = compiled(lambda *tensors: scaled_dot_product_attention(*tensors) + 1, torch.device(device))
    plain = scaled_dot_product_attention(*tensors) + 1
    for name in ("flash", "math", "efficient", "flash"):
        with attention_order(name):
            results = []
            attend(*tensors)
            seen = operators(lambda results=results: results.append(attend(*tensors)))
        fused = set() if name == "math" else {kernel_of(name, device)}  # math is compiled to products and a softmax
        assert seen == fused, name
        assert (results[0] - plain).abs().max() < 1e-2
