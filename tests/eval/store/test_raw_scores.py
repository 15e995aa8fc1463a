"""Raw scores are decoded once, and those of some images are cut out of them."""

import numpy as np
import pytest
from judged import judged
from stored import stored_run

from eval.judges import Detection
from eval.store import stored_run as module
from eval.store.raw_scores import read_raw
from eval.store.scores import to_table

LABELS = ("FACE_FEMALE", "FEET_EXPOSED", "ANUS_EXPOSED")


@pytest.fixture(scope="module")
def scores():
    """Table of 40 images with none to four detections each; every seventh was not judged."""
    rng = np.random.default_rng(5)
    seen = [
        tuple(Detection(str(rng.choice(LABELS)), float(rng.uniform(0.3, 1)), (0, 0, 1, 1)) for _ in range(image % 5))
        for image in range(40)
    ]
    return to_table(
        judged("a", 0, image, "judge_failed")
        if image % 7 == 6
        else judged("a", 0, image, "ok", "d", q16=(image, 1.0), detections=found)
        for image, found in enumerate(seen)
    )


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_those_of_chosen_images_are_what_their_rows_alone_decode_to(scores, share):
    chosen = np.random.default_rng(1).uniform(size=40) < share
    some, alone = read_raw(scores).of(chosen), read_raw(scores.filter(chosen))
    np.testing.assert_array_equal(some.logits, alone.logits)
    np.testing.assert_array_equal(some.image, alone.image)
    np.testing.assert_array_equal(some.score, alone.score)
    names = [[raw.labels[code] for code in raw.label] for raw in (some, alone)]
    assert names[0] == names[1]


def test_a_run_decodes_them_once_however_often_they_are_counted(scores, monkeypatch):
    tables = []
    monkeypatch.setattr(module, "read_raw", lambda table: tables.append(table) or read_raw(table))
    stored = stored_run(scores, {})
    assert stored.raw is stored.raw
    assert tables == [scores]
