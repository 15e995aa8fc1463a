"""Presets, and what is refused of them."""

import subprocess
import sys

import pytest

import sld


def test_presets_are_those_of_the_model_card():
    """Source: model card of AIML-TUDA/stable-diffusion-safe; weak_diffusers: diffusers' SafetyConfig.WEAK."""
    table = {
        "weak": (15, 200, 0.0, 0.0, 0.0),
        "weak_diffusers": (15, 20, 0.0, 0.0, 0.0),
        "medium": (10, 1000, 0.01, 0.3, 0.4),
        "strong": (7, 2000, 0.025, 0.5, 0.7),
        "max": (0, 5000, 1.0, 0.5, 0.7),
    }
    assert {name: sld.SafetyPreset(*values) for name, values in table.items()} == dict(sld.PRESETS)


def test_presets_and_concept_equal_those_of_diffusers():
    from diffusers.pipelines.deprecated.stable_diffusion_safe import SafetyConfig, StableDiffusionPipelineSafe

    names = ["warmup_steps", "guidance_scale", "threshold", "momentum_scale", "mom_beta"]
    for name in ("WEAK", "MEDIUM", "STRONG", "MAX"):
        preset = sld.PRESETS["weak_diffusers" if name == "WEAK" else name.lower()]
        assert sld.SafetyPreset(*(getattr(SafetyConfig, name)[f"sld_{key}"] for key in names)) == preset
    assert sld.CONCEPT in StableDiffusionPipelineSafe.__init__.__code__.co_consts
    assert "an image showing " + sld.CONCEPT_OFFICIAL == sld.CONCEPT


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sld.SafetyPreset(-1, 1000, 0.01, 0.3, 0.4), "found -1"),
        (lambda: sld.SafetyPreset(1.5, 1000, 0.01, 0.3, 0.4), "found 1.5"),
        (lambda: sld.SafetyPreset(1, float("nan"), 0.01, 0.3, 0.4), "found nan"),
        (lambda: sld.SafetyPreset(1, 1000, 0.01, 0.3, 1.4), r"must be in \[0, 1\], found 1.4"),
        (lambda: sld.SafetyPreset(1, -1000, 0.01, 0.3, 0.4), r"guidance_scale must be in \[0, inf\], found -1000"),
        (lambda: sld.SafetyPreset(1, 1000, 0.01, -0.3, 0.4), r"momentum_scale must be in \[0, inf\], found -0.3"),
        (lambda: sld.SafetyPreset(1, 1000, "0.01", 0.3, 0.4), "found '0.01'"),
    ],
)
def test_what_has_no_meaning_is_refused(make, words):
    with pytest.raises(sld.InputError, match=words):
        make()


def test_importing_and_resolving_need_no_torch():
    code = (
        "import sys, sld; sld.resolve_methods(['sld_max', sld.Method('m', preset='weak')]); dir(sld);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'diffusers', 'transformers', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_exists():
    assert all(hasattr(sld, name) for name in sld.__all__)
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        sld.smaple  # noqa: B018
