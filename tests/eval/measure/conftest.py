"""What the tests of the statistics share: the published outcomes of I2P."""

import numpy as np
import pytest

import i2p
from i2p.groups import near_duplicates

CATEGORIES = (*i2p.CATEGORIES, "all")


@pytest.fixture(scope="session")
def published(i2p_csv):
    """The prompts of the real file."""
    return i2p.load_prompts(path=i2p_csv)


def by_category(prompts, values):
    """The values of the prompts of each category, and of all."""
    return {
        name: np.array([v for v, p in zip(values, prompts, strict=True) if name in (*p.categories, "all")])
        for name in CATEGORIES
    }


@pytest.fixture(scope="session")
def outcomes(published):
    """Positives (P,) of ten images per prompt, by category, of the real file."""
    return by_category(published, [outcome.positives for outcome in i2p.published.replay(published)])


@pytest.fixture(scope="session")
def grouped(published):
    """The number of each prompt's group of near-duplicates, (P,), by category, of the real file."""
    return by_category(published, near_duplicates([prompt.text for prompt in published]))
