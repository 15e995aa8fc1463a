"""Methods: how they resolve, what a manifest says of them, and what is refused."""

import pytest
import torch

import sld


def test_methods_are_named_for_their_presets():
    assert list(sld.METHODS) == [
        "baseline", "negative_prompt", "sld_weak", "sld_weak_diffusers", "sld_medium", "sld_strong", "sld_max",
    ]  # fmt: skip
    assert sld.METHODS["baseline"].safety is None
    assert sld.METHODS["negative_prompt"].negative_prompt == sld.CONCEPT
    assert sld.METHODS["sld_max"].safety == sld.PRESETS["max"]


def test_methods_resolve_in_order_from_names_and_values():
    mine = sld.Method(name="mine", preset=sld.SafetyPreset(5, 1000, 0.01, 0.3, 0.4), negative_prompt="blurry")
    assert sld.resolve_methods(["sld_max", mine, "baseline"]) == (sld.METHODS["sld_max"], mine, sld.METHODS["baseline"])
    assert sld.resolve_methods("baseline") == (sld.METHODS["baseline"],)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: sld.resolve_methods(["sld_meduim"]), "did you mean 'sld_medium'"),
        (lambda: sld.resolve_methods(["nothing like it"]), "found 'nothing like it'"),
        (lambda: sld.resolve_methods([]), "found none"),
        (lambda: sld.resolve_methods(["baseline", "baseline"]), "'baseline' twice"),
        (lambda: sld.resolve_methods([3]), "found the int 3"),
        (lambda: sld.Method("mine", preset="sld_meduim"), "found 'sld_meduim' in method 'mine': did you mean 'medium'"),
        (lambda: sld.Method("mine", preset=3), "found a int"),
        (lambda: sld.Method("mine", concept=None), "found None"),
        (lambda: sld.Method("../mine"), "rename the method"),
        (lambda: sld.Method("mine", prefix=None), "prefix must be a text, found None in method 'mine'"),
        (
            lambda: sld.Method("mine", "max", space="v"),
            "must be epsilon or output, or None .* found 'v'",
        ),
        (lambda: sld.resolve_methods([sld.Method("mine")]), "mine has no preset, no negative prompt and no prefix"),
        (lambda: sld.resolve_methods([sld.Method("mine", prefix=" ")]), "no negative prompt and no prefix"),
        (lambda: sld.resolve_methods([sld.Method("baseline", prefix="kind ")]), "another definition of it"),
        (lambda: sld.resolve_methods([sld.Method("sld_max", "max", space="epsilon")]), "another definition of it"),
    ],
)
def test_what_has_no_meaning_is_refused(make, words):
    with pytest.raises(sld.InputError, match=words):
        make()


def test_a_prefix_alone_makes_a_method():
    kind = sld.Method("kind", prefix="a kind picture of ")
    assert sld.resolve_methods(["baseline", kind]) == (sld.METHODS["baseline"], kind)


def test_a_description_has_prefix_and_space_only_where_they_are_given():
    """Manifests that are older than both have neither, and a run of theirs is still the same run."""
    known = {"name": "sld_max", "preset": "max", "concept": sld.CONCEPT, "negative_prompt": None}
    assert sld.METHODS["sld_max"].describe() == known
    mine = sld.Method("mine", "max", prefix="a kind picture of ", space="output")
    assert mine.describe() == known | {"name": "mine", "prefix": "a kind picture of ", "space": "output"}


def test_a_prefix_stands_before_every_prompt_and_in_no_other_branch(model):
    """Each method with a prefix gives the very bits of the same method without, on prompts that begin with it."""
    options = {"steps": 4, "seeds": [1, 2], "height": 32, "width": 32, "decode": False, "batch_size": 4}
    options["guidance_scale"] = [7.5, 1.0]  # the second row has no other branch
    plain = [
        sld.Method("n", negative_prompt="ugly"),
        sld.Method("s", sld.SafetyPreset(1, 1000, 0.01, 0.3, 0.4), "blood"),
    ]
    kind = [sld.Method(f"{m.name}_kind", m.preset, m.concept, m.negative_prompt, "a kind ") for m in plain]
    kind.append(sld.Method("kind", prefix="a kind "))
    prompts = ["cat", "red house"]
    found = sld.sample(model, prompts, ["baseline", *plain, *kind], **options).latents
    prefixed = sld.sample(model, [f"a kind {prompt}" for prompt in prompts], ["baseline", *plain], **options).latents
    for name, latents in prefixed.items():
        with_prefix = found["kind" if name == "baseline" else f"{name}_kind"]
        assert torch.equal(with_prefix, latents), name
        assert not any(torch.equal(with_prefix[row], found[name][row]) for row in (0, 1)), name
