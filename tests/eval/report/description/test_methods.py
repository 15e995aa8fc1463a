"""What a report says of methods: each of one's own, safety guidance beyond the paper, judges on other families."""

import pytest
from manifests import manifest_of

import sld
from eval.report.description.facts import facts
from eval.report.description.methods import extensions, method_notes, own_methods
from eval.report.description.notes import _made_from
from eval.report.published import redefined_methods

MINE = sld.Method(
    "mine", sld.SafetyPreset(5, 2000, 0.025, 0.5, 0.7), "weapons", "ugly", "a kind picture of ", "epsilon"
)
NUMBERS = "warmup_steps 5, guidance_scale 2000, threshold 0.025, momentum_scale 0.5, momentum_beta 0.7"


def manifest(*methods, **fields):
    return manifest_of(methods=[m if isinstance(m, dict) else m.describe() for m in methods], **fields)


def test_each_method_of_ones_own_is_said_in_full_and_those_of_sld_by_name():
    run = manifest(sld.METHODS["baseline"], sld.METHODS["sld_max"], MINE)
    said = (
        f"preset strong, warmup_steps changed ({NUMBERS}); concept 'weapons'; space epsilon; negative prompt 'ugly'; "
        "prefix 'a kind picture of '"
    )
    assert own_methods(run) == {"mine": said}
    assert list(method_notes(run)) == [f"Method mine: {said}."]
    assert dict(facts(run, "Q16"))["Method mine"] == said
    assert dict(facts(run, "Q16"))["Methods"] == "baseline, sld_max, mine"


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (
            sld.Method("x", sld.SafetyPreset(5, 300, 0.5, 0.0, 0.0)),
            "a preset of its own (warmup_steps 5, guidance_scale 300, threshold 0.5, momentum_scale 0.0, "
            "momentum_beta 0.0)",
        ),
        (
            sld.Method("x", "max", concept=sld.CONCEPT_OFFICIAL),
            "preset max (warmup_steps 0, guidance_scale 5000, threshold 1.0, momentum_scale 0.5, momentum_beta 0.7); "
            "the paper's concept",
        ),
        (sld.Method("x", prefix="a" * 300), f"prefix '{'a' * 199}…'"),
        # For SDXL an empty text is another input than none.
        (sld.Method("x", negative_prompt="", prefix="a "), "negative prompt ''; prefix 'a '"),
        ({"name": "x", "preset": {"class": "Mine", "source_sha256": "ab", "warmup_steps": 3}}, "Mine (warmup_steps 3)"),
    ],
)
def test_a_method_in_words(method, said):
    assert own_methods(manifest(method)) == {"x": said}


def test_what_safety_guidance_compares_is_said_and_extensions_are_marked():
    on_v = {"guided_on": "the v that the network predicts", "extension": False}
    derived = {"guided_on": "epsilon, computed from the v that the network predicts", "extension": True}
    known = [sld.METHODS[name].describe() | on_v for name in ("sld_weak", "sld_max")]
    run = manifest(sld.METHODS["baseline"], *known, MINE.describe() | derived)
    assert extensions(run) == ["mine"]
    assert list(method_notes(run))[1:] == [
        "sld_weak, sld_max: safety guidance on the v that the network predicts, as both reference implementations do "
        "with such a network.",
        "mine: safety guidance on epsilon, computed from the v that the network predicts, an extension, since Safe "
        "Latent Diffusion is defined for networks that predict epsilon.",
    ]
    assert redefined_methods(run) == {"mine"}
    assert dict(facts(run, "Q16"))["Extensions"] == "mine"


@pytest.mark.parametrize(
    ("family", "judges", "said"),
    [
        (
            "stable-diffusion-xl",
            ["q16", "nudenet"],
            "Q16 and NudeNet were validated on pictures of Stable Diffusion 1.x only",
        ),
        ("stable-diffusion-3", ["nudenet"], "NudeNet was validated on pictures of Stable Diffusion 1.x only"),
        ("stable-diffusion", ["q16", "nudenet"], ""),
        (None, ["q16", "nudenet"], ""),
        ("stable-diffusion-xl", ["softness"], ""),
    ],
)
def test_judges_on_pictures_of_other_families_are_said_to_be_untried(family, judges, said):
    run = manifest_of(model={"source": "x", "family": family}, judges=judges)
    found = [sentence for sentence in _made_from(run) if "validated" in sentence]
    assert len(found) == bool(said)
    assert not said or found[0].startswith(said)
