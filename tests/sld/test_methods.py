"""Methods: how they resolve, what a manifest says of them, and what is refused."""

import pytest

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
        (lambda: sld.Method("mine", preset="sld_medium"), "found 'sld_medium'"),
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
