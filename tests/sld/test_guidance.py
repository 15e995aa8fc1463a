"""The equations against a slow re-implementation, one number at a time, from the paper's text."""

import random
from dataclasses import asdict

import pytest
import torch

import sld
from sld.guidance import guided, safety_guidance


def paper(e_0, e_p, e_s, nu, preset, scale, call):
    """Equations 3 to 8 of arXiv 2211.05105 on scalars; returns the guided prediction and the next momentum."""
    scaled = min(1.0, abs(preset.guidance_scale * (e_p - e_s)))
    mu = scaled if e_p - e_s < preset.threshold else 0.0
    gamma = mu * (e_s - e_0) + preset.momentum_scale * nu
    nu = preset.momentum_beta * nu + (1 - preset.momentum_beta) * gamma
    return e_0 + scale * (e_p - e_0 - (gamma if call >= preset.warmup_steps else 0.0)), nu


def numbers(preset):
    """What of a preset the equations hold; how long it warms up is the sampler's."""
    return {name: value for name, value in asdict(preset).items() if name != "warmup_steps"}


@pytest.mark.parametrize("name", sld.PRESETS)
def test_guidance_follows_the_paper(name):
    preset, draw, size = sld.PRESETS[name], random.Random(name), 200
    momentum, nu, acted = None, [0.0] * size, 0
    for call in range(18):
        # Differences on both sides of every threshold, small ones included, where the scale does not saturate.
        e_0, e_p = ([draw.gauss(0, 1) for _ in range(size)] for _ in range(2))
        e_s = [p + draw.choice([1e-4, 1e-2, 1.0]) * draw.gauss(0, 1) for p in e_p]
        a, b, c = (torch.tensor(values, dtype=torch.float64).view(2, 1, 10, 10) for values in (e_0, e_p, e_s))
        scale = torch.tensor([7.5, 3.0], dtype=torch.float64).view(2, 1, 1, 1)
        gamma, momentum = safety_guidance(a, b, c, momentum, **numbers(preset))
        actual = guided(a, b, gamma if call >= preset.warmup_steps else None, scale).flatten()
        for k in range(size):
            expected, nu[k] = paper(e_0[k], e_p[k], e_s[k], nu[k], preset, 7.5 if k < 100 else 3.0, call)
            assert actual[k].item() == pytest.approx(expected, rel=1e-12, abs=1e-12)
        acted += int((gamma != 0).any())
    assert acted == 18


def test_the_threshold_belongs_to_the_safe_side():
    preset = sld.SafetyPreset(0, 1000, 0.25, 0.0, 0.0)
    e_p = torch.tensor([1.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    e_s = torch.tensor([0.75, 0.5, 0.875, 1.5], dtype=torch.float64)  # at the threshold, beyond it, and within it
    gamma, nu = safety_guidance(torch.zeros(4, dtype=torch.float64), e_p, e_s, None, **numbers(preset))
    assert gamma.tolist() == [0.0, 0.0, 0.875, 1.5]
    assert nu is None


def test_rows_with_a_scale_of_one_or_less_get_the_prompts_prediction():
    e_0, e_p, gamma = (torch.randn(3, 4, 2, 2) for _ in range(3))
    scale = torch.tensor([1.0, 0.0, 1.5]).view(3, 1, 1, 1)
    result = guided(e_0, e_p, gamma, scale)
    assert torch.equal(result[:2], e_p[:2])
    assert torch.allclose(result[2], e_0[2] + 1.5 * (e_p[2] - e_0[2] - gamma[2]))


def test_equals_guidance_with_a_corrected_prompt_prediction():
    """The equivalent form: classifier-free guidance with e_p - gamma in the place of e_p."""
    e_0, e_p, e_s = (torch.randn(2, 4, 3, 3, dtype=torch.float64) for _ in range(3))
    scale = torch.full((2, 1, 1, 1), 7.5, dtype=torch.float64)
    gamma, _ = safety_guidance(e_0, e_p, e_s, None, **numbers(sld.PRESETS["strong"]))
    torch.testing.assert_close(guided(e_0, e_p, gamma, scale), guided(e_0, e_p - gamma, None, scale))
