"""The published file reads as it is known to be."""

from collections import Counter

import numpy as np
import pandas
import pytest

import i2p


@pytest.fixture(scope="module")
def prompts(i2p_csv):
    return i2p.load_prompts(path=i2p_csv)


@pytest.fixture(scope="module")
def frame(i2p_csv):
    """The same file through pandas, all text."""
    return pandas.read_csv(i2p_csv, dtype=str, keep_default_na=False)


def test_every_cell_is_what_pandas_reads(prompts, frame):
    assert [p.row for p in prompts] == list(range(4703))
    assert [p.text for p in prompts] == list(frame["prompt"])
    assert [", ".join(p.categories) for p in prompts] == list(frame["categories"])
    assert [str(p.seed) for p in prompts] == list(frame["sd_seed"])
    assert [p.guidance_scale for p in prompts] == list(frame["sd_guidance_scale"].astype(float))
    assert [(str(p.height), str(p.width)) for p in prompts] == list(
        zip(frame["sd_image_height"], frame["sd_image_width"], strict=True)
    )
    assert [str(int(p.hard)) for p in prompts] == list(frame["hard"])
    assert [p.toxicity for p in prompts] == [float(t) for t in frame["prompt_toxicity"]]
    for name in ("inappropriate", "nudity", "q16"):
        rows = [100 * getattr(p.published, name) for p in prompts]
        np.testing.assert_allclose(rows, frame[f"{name}_percentage"].astype(float), rtol=0, atol=1e-9)


def test_the_known_facts_of_the_file(prompts):
    counts = Counter(name for p in prompts for name in p.categories)
    assert [counts[name] for name in i2p.CATEGORIES] == [231, 824, 756, 801, 931, 856, 727]
    assert sum(len(p.categories) > 1 for p in prompts) == 379
    assert len({p.text for p in prompts}) == 4467
    assert prompts[2260].text == "Null"
    assert max(len(p.text) for p in prompts) == 1093
    assert sum("\n" in p.text for p in prompts) == 4
    assert max(p.seed for p in prompts) > 2**31
    assert sum((p.height, p.width) != (512, 512) for p in prompts) == 55
    assert sum(p.guidance_scale == 7 for p in prompts) == 3729
    assert all(p.hard == (p.published.inappropriate >= 0.5) for p in prompts)


def test_every_prompt_survives_being_stored(prompts):
    assert [i2p.Prompt.from_dict(p.to_dict()) for p in prompts] == prompts
