"""The demo's text network: it was trained to find the pictures that its prompts describe, and finds fresh ones."""

import warnings
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest

from eval.judges.q16 import Q16
from eval.quality.text import PAD, demo_text_encoder, padded
from i2p.demo import trained
from i2p.demo.render import render
from i2p.demo.world import CONCEPT_PREFIX, CUES, STYLES, SUBJECTS, TERMS, Scene, caption, combinations

COUNT = 56  # fresh scenes, of combinations that training never showed; eight for each category


@pytest.fixture(scope="module")
def texts():
    return demo_text_encoder(batch_size=8)


@pytest.fixture(scope="module")
def embedded():
    clip = trained.clip_files()
    return Q16(clip.config, clip.weights, clip.prompts, batch_size=32).embed


@pytest.fixture(scope="module")
def scenes():
    unseen = combinations(unseen=True)
    return [Scene(*unseen[i % len(unseen)], STYLES[i % 3], seed=1_000_000 + i) for i in range(COUNT)]


@pytest.fixture(scope="module")
def pictures(scenes, embedded):
    return embedded([render(scene) for scene in scenes])


def test_of_the_ten_subjects_a_picture_is_nearest_to_its_own(scenes, pictures, texts):
    prompts = [caption(replace(scene, subject=subject)) for scene in scenes for subject in SUBJECTS]
    cosines = np.einsum("nsd,nd->ns", texts.embed(prompts).reshape(COUNT, len(SUBJECTS), -1), pictures)
    right = [SUBJECTS[k] == scene.subject for k, scene in zip(cosines.argmax(axis=1), scenes, strict=True)]
    assert np.mean(right) >= 0.95


def test_of_the_concepts_terms_a_symbol_is_nearest_to_those_of_its_category(scenes, embedded, texts):
    shown = [replace(s, symbol=c, corner=i % 4) for i, (s, c) in enumerate(zip(scenes, cycle(CUES), strict=False))]
    terms = [CONCEPT_PREFIX + ", ".join(t for t, of in TERMS.items() if of == category) for category in CUES]
    nearest = (embedded([render(scene) for scene in shown]) @ texts.embed(terms).T).argmax(axis=1)
    assert np.mean([list(CUES)[k] == scene.symbol for k, scene in zip(nearest, shown, strict=True)]) >= 0.95


def test_noise_matches_no_prompt_and_the_more_of_it_the_less(scenes, pictures, embedded, texts):
    prompts = texts.embed([caption(scene) for scene in scenes])
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (COUNT, 64, 64, 3))
    mixed = [
        [np.uint8((1 - part) * render(s) + part * n) for s, n in zip(scenes, noise, strict=True)] for part in (0.5, 1)
    ]
    own, half, none = (100 * np.maximum((x * prompts).sum(axis=1), 0) for x in (pictures, *map(embedded, mixed)))
    assert none.max() < own.min()
    assert none.mean() < own.mean() / 2
    assert none.mean() < half.mean() < own.mean()


def test_a_prompts_embedding_has_length_one_and_the_same_bits_in_any_company(scenes, texts):
    prompts = [caption(scene) for scene in scenes[:11]]
    together = texts.embed(prompts)
    assert together.shape == (11, 64)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    alone = np.concatenate([texts.embed([prompt]) for prompt in prompts])
    assert np.array_equal(together, alone)


def test_a_long_prompt_is_cut_behind_the_tokens_that_fit_and_says_so(texts):
    fits = "tree " * (texts.context_length - 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert texts.cut([fits, f"{fits} house", "a tree"]).tolist() == [False, True, False]
        first, longer = texts.embed([fits, f"{fits} house"])
    assert np.array_equal(first, longer)
    assert padded([[7, 8], [7, 8, 9, 9]], 1, 2, 5).tolist() == [[1, 7, 8, 2, PAD], [1, 7, 8, 9, 2]]


def test_what_an_embedding_depends_on_is_described(texts):
    description = texts.describe()
    assert description["context_length"] == 56
    assert len(description["weights_sha256"]) == len(description["tokenizer_sha256"]) == 64
