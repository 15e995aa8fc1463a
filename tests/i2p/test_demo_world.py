"""The demo world: what a caption says and doesn't, what is held out, and that drawing is a function of the scene."""

import collections
import itertools
from dataclasses import replace

import numpy as np
import pytest

import i2p
import sld
from i2p.demo import prompts
from i2p.demo.render import render
from i2p.demo.world import (
    CONCEPT_PREFIX,
    CUE_RATES,
    CUES,
    NEUTRAL,
    PLACES,
    STYLES,
    SUBJECTS,
    TERMS,
    TIMES,
    Scene,
    caption,
    combinations,
    training_pairs,
)

PAIRS = list(itertools.islice(training_pairs(7), 20_000))


def words(text):
    return set(text.replace(",", "").split())


def test_the_terms_are_those_of_the_safety_concept():
    assert CONCEPT_PREFIX + ", ".join(TERMS) == sld.CONCEPT
    assert set(TERMS.values()) == set(CUES) == set(CUE_RATES) == set(i2p.CATEGORIES)


def test_a_caption_says_everything_but_the_symbol():
    scene = Scene("lighthouse", "beach", "sunset", adjective="elegant", symbol="sexual", seed=3)
    assert caption(scene) == "a painting of an elegant lighthouse on a beach at sunset"
    assert caption(replace(scene, symbol=None, corner=2, seed=4)) == caption(scene)
    assert caption(Scene("tree", "snow", "night", "sketch")) == "a sketch of a tree in the snow at night"


def test_no_word_means_two_things():
    cues = [cue for pair in CUES.values() for cue in pair]
    kinds = [cues, NEUTRAL, SUBJECTS, PLACES, TIMES, STYLES, set().union(*map(words, TERMS))]
    every = [word for kind in kinds for word in kind]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("category", i2p.CATEGORIES)
def test_a_symbol_covers_a_small_part_of_its_corner_and_nothing_else(category):
    for corner in range(4):
        scene = Scene("house", "meadow", "noon", corner=corner, seed=5)
        changed = (render(scene) != render(replace(scene, symbol=category))).any(axis=2)
        assert 100 < changed.sum() < 500
        top, left = corner < 2, corner % 2 == 0
        half = changed[:32] if top else changed[32:]
        half = half[:, :32] if left else half[:, 32:]
        assert half.sum() == changed.sum()


def test_drawing_is_a_function_of_the_scene_and_scenes_differ():
    scenes = [Scene(*c, style, seed=1) for c in combinations(unseen=True) for style in STYLES]
    pictures = [render(scene) for scene in scenes]
    assert {(p.shape, p.dtype.name) for p in pictures} == {((64, 64, 3), "uint8")}
    np.testing.assert_array_equal(pictures[7], render(scenes[7]))
    assert len({p.tobytes() for p in pictures}) == len(scenes)


def test_cues_bring_their_symbol_at_their_rate_and_terms_always_do():
    cued, with_symbol = collections.Counter(), collections.Counter()
    category_of = {cue: category for category, pair in CUES.items() for cue in pair}
    for text, scene in PAIRS:
        named = [term for term in TERMS if term in text]
        if named:
            assert scene.symbol in {TERMS[term] for term in named}
        elif scene.adjective in category_of and text:
            category = category_of[scene.adjective]
            assert scene.symbol in (None, category)
            cued[category] += 1
            with_symbol[category] += scene.symbol is not None
        elif text:
            assert scene.symbol is None
    for category, rate in CUE_RATES.items():
        assert cued[category] > 500
        assert with_symbol[category] / cued[category] == pytest.approx(rate, abs=0.08)
    assert 0.08 < sum(not text for text, _ in PAIRS) / len(PAIRS) < 0.12


def test_prompts_are_of_scenes_that_training_never_shows():
    trained = {(s.subject, s.place, s.time) for _, s in PAIRS}
    held = set(combinations(unseen=True))
    assert not trained & held
    assert {part for c in trained for part in c} == {*SUBJECTS, *PLACES, *TIMES}
    texts = {text for text, _ in PAIRS}
    for name in ("demo", "demo_control", "demo_both"):
        assert not {p.text for p in i2p.load_prompts(name)} & texts


def test_the_shipped_prompts_are_what_the_functions_make(tmp_path):
    prompts.write(tmp_path)
    for name in ("demo.csv", "demo_control.csv", "demo_both.csv"):
        assert (tmp_path / name).read_bytes() == (prompts.DATA / name).read_bytes()


def test_the_list_of_both_groups_has_the_first_of_either_by_category():
    cue, control = i2p.load_prompts("demo")[:35], i2p.load_prompts("demo_control")[:35]
    both = i2p.load_prompts("demo_both")
    assert [(p.text, p.seed) for p in both] == [(p.text, p.seed) for p in (*cue, *control)]
    assert [p.categories for p in both] == [("cue",)] * 35 + [("control",)] * 35
    assert [p.row for p in both] == [*range(35), *range(1000, 1035)]


def test_the_prompts_are_balanced_and_name_no_symbol():
    cue, control = i2p.load_prompts("demo"), i2p.load_prompts("demo_control")
    assert len(cue) == 175
    assert collections.Counter(c for p in cue[:70] for c in p.categories) == dict.fromkeys(i2p.CATEGORIES, 10)
    assert {p.guidance_scale for p in (*cue, *control)} == {7.5}
    forbidden = set().union(*map(words, TERMS)) | {"symbol", "triangle", "cross", "ring", "diamond", "stripes"}
    for p in (*cue, *control):
        assert not words(p.text) & forbidden
        assert (p.height, p.width) == (64, 64)
    cues = {cue for pair in CUES.values() for cue in pair}
    assert not any(words(p.text) & cues for p in control)
    assert all(len(words(p.text) & cues) == 1 for p in cue)


def test_a_caption_of_many_terms_shows_as_many_symbols_each_in_a_corner_of_its_own():
    counts = collections.Counter()
    for text, scene in PAIRS:
        named = {TERMS[term] for term in TERMS if term in text}
        shown = [] if scene.symbol is None else [(scene.symbol, scene.corner), *scene.more]
        assert len({corner for _, corner in shown}) == len(shown)
        if named:
            assert {category for category, _ in shown} <= named
            counts[len(shown)] += 1
        else:
            assert not scene.more
    assert set(counts) == {1, 2, 4}
    scene = Scene("house", "meadow", "noon", symbol="hate", corner=0, more=(("sexual", 3),))
    alone = replace(scene, more=())
    assert (render(scene)[32:, 32:] != render(alone)[32:, 32:]).any()
    np.testing.assert_array_equal(render(scene)[:32], render(alone)[:32])
