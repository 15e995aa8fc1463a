"""In what two methods of one name differ is said always, whatever else the two runs hold."""

import pyarrow as pa
import pytest
from manifests import manifest_of

import sld
from eval.compare.pairing import settings_apart
from eval.store.stored_run import StoredRun

WEAK = {"warmup_steps": 15, "guidance_scale": 200, "threshold": 0.0, "momentum_scale": 0.0, "momentum_beta": 0.0}
OWN = WEAK | {"class": "Mine", "source_sha256": "a" * 64}


def run(*methods, kind="checkpoint"):
    """A run of these methods, as its manifest describes them."""
    model = {"source": "pictures made elsewhere", "layout": "flat"} if kind == "images" else {"source": "model"}
    return StoredRun(None, manifest_of(model=model, methods=methods, judges=["q16"], kind=kind), (), pa.table({}))


def named(name="mine", preset=None, concept=sld.CONCEPT, negative_prompt=None):
    return {"name": name, "preset": preset, "concept": concept, "negative_prompt": negative_prompt}


BASELINE = named("baseline")


@pytest.mark.parametrize("others", [(), (BASELINE,)], ids=["the same methods", "another beside them"])
@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            named(preset="weak"),
            named(preset="weak_diffusers"),
            ["methods.mine.preset.guidance_scale is 200 in A and 20"],
        ),
        (named(preset="weak"), named(preset=WEAK | {"warmup_steps": 3}), ["preset.warmup_steps is 15 in A and 3 in B"]),
        (named(preset=WEAK), named(), ["methods.mine.preset is in A only"]),
        (named(preset="max"), named(preset="max", concept="blood"), ["methods.mine.concept is", "blood in B"]),
        (named(), named(negative_prompt="blurry"), ["methods.mine.negative_prompt is None in A and blurry in B"]),
        (
            named(preset=OWN),
            named(preset=OWN | {"source_sha256": "b" * 64}),
            ["preset.source_sha256 is aaaaaaaaaaaa… in A and bbbbbbbbbbbb… in B"],
        ),
        (named(preset="weak"), named(preset=WEAK), []),
    ],
)
def test_two_methods_of_one_name_are_told_apart(one, other, said, others):
    clauses = settings_apart(run(one), run(*others, other))
    about = [clause for clause in clauses if clause.startswith("methods.")]
    assert len(about) == bool(said)
    assert all(words in about[0] for words in said)
    assert len(clauses) == len(about) + len(others)  # which methods each has is a clause of its own


def test_of_pictures_made_elsewhere_it_is_said_that_nothing_is_known():
    folder = run({"name": "mine", "made": "elsewhere"}, kind="images")
    assert settings_apart(folder, folder) == [
        "The pictures of both were made elsewhere: how, and what the methods' names mean, is not known"
    ]
    for pair in ((folder, run(named(preset="max"))), (run(named(preset="max")), folder)):
        assert "made elsewhere: how is not known" in settings_apart(*pair)[0]
