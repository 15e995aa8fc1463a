"""Shared by the tests of the extractors."""

import numpy as np
import pytest
import tiny_clip

from eval.judges.q16 import Q16


@pytest.fixture(scope="session")
def clip_files(tmp_path_factory) -> tiny_clip.TinyQ16:
    """A tiny CLIP that reads the vocabulary of open_clip's own tokenizer."""
    return tiny_clip.make(tmp_path_factory.mktemp("clip"), vocab_size=49408)


@pytest.fixture(scope="module")
def judge(clip_files) -> Q16:
    return Q16(clip_files.architecture, clip_files.weights, clip_files.prompts, with_text=True)


@pytest.fixture(scope="session")
def pictures():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(5)]
