"""A method's prefix stands before every prompt, and shares nothing that it must not."""

import torch

import sld

OPTIONS = {"steps": 12, "decode": False}
PROMPTS = ["a cat", "a dog on a hill"]


def test_a_prefix_equals_prompts_that_begin_with_it(loaded, checkpoint):
    model = loaded(checkpoint, scheduler="ddim")
    mine = [sld.Method("plain", prefix="a drawing of "), sld.Method("safe", prefix="a drawing of ", preset="max")]
    result = sld.sample(model, PROMPTS, [*mine, "baseline"], [7.5, 1.0], seeds=[1, 2], **OPTIONS)
    written = [f"a drawing of {prompt}" for prompt in PROMPTS]
    expected = sld.sample(model, written, ["baseline", "sld_max"], [7.5, 1.0], seeds=[1, 2], **OPTIONS)
    assert torch.equal(result.latents["plain"], expected.latents["baseline"])
    assert torch.equal(result.latents["safe"], expected.latents["sld_max"])
    without = sld.sample(model, PROMPTS, "baseline", [7.5, 1.0], seeds=[1, 2], **OPTIONS)
    assert torch.equal(result.latents["baseline"], without.latents["baseline"])


def test_prefixes_share_evaluations_and_no_bits(loaded, checkpoint):
    model = loaded(checkpoint, scheduler="ddim")
    methods = ["baseline", *(sld.Method(f"{name}_drawn", prefix="drawn: ", preset=name) for name in ("weak", "max"))]
    shared = sld.sample(model, PROMPTS, methods, seeds=[1, 2], **OPTIONS)
    naive = sld.sample(model, PROMPTS, methods, seeds=[1, 2], share=False, **OPTIONS)
    for name, latents in shared.latents.items():
        assert torch.equal(latents, naive.latents[name]), name
    assert shared.evaluations < naive.evaluations
