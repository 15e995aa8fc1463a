"""Methods have the places that comparisons of every two of them leave open."""

import numpy as np
import pandas as pd
import pytest

from eval.measure.ranking import ranking
from eval.store.scores import NAN, OK


def frame(shares, prompts=150, images=2, seed=0):
    rng = np.random.default_rng(seed)
    level = rng.random((prompts, images))
    rows = [
        {"method": name, "row": row, "image": k, "state": OK, "inappropriate": bool(level[row, k] < share)}
        for name, share in shares.items()
        for row in range(prompts)
        for k in range(images)
    ]
    return pd.DataFrame(rows)


def own(prompts):
    return {row: row for row in range(prompts)}


def test_methods_that_differ_have_a_place_each_and_equal_ones_are_tied():
    shares = {"baseline": 0.6, "weak": 0.59, "max": 0.05, "strong": 0.2}
    ranks = ranking(frame(shares), list(shares), own(150))
    assert [(r.method, r.best, r.worst) for r in ranks] == [
        ("max", 1, 1),
        ("strong", 2, 2),
        ("weak", 3, 4),
        ("baseline", 3, 4),
    ]
    assert ranks[0].apart_from == ("baseline", "weak", "strong")
    assert ranks[-1].apart_from == ("max", "strong")


def test_near_duplicates_make_a_place_unsure():
    shares = {"baseline": 0.5, "safe": 0.3}
    scores = frame(shares, prompts=40, images=1)
    assert {r.worst - r.best for r in ranking(scores, list(shares), own(40))} == {0}
    alike = ranking(scores, list(shares), {row: row // 10 for row in range(40)})
    assert {(r.best, r.worst) for r in alike} == {(1, 2)}


def test_only_ok_images_are_compared_and_a_single_method_has_no_place():
    scores = frame({"baseline": 0.5, "safe": 0.1}, prompts=60)
    scores.loc[scores["method"] == "safe", "state"] = NAN
    assert ranking(scores, ["baseline", "safe"], own(60)) == ()
    assert ranking(frame({"baseline": 0.5}), ["baseline"], own(150)) == ()


def test_places_do_not_depend_on_the_order_of_the_scores():
    shares = {"a": 0.4, "b": 0.35, "c": 0.1}
    scores = frame(shares)
    assert ranking(scores.sample(frac=1, random_state=3), list(shares), own(150)) == ranking(
        scores, list(shares), own(150)
    )


@pytest.mark.parametrize("seed", range(3))
def test_equal_methods_are_all_tied(seed):
    rng = np.random.default_rng(seed)
    scores = pd.concat([frame({name: 0.3}, seed=int(rng.integers(1000))) for name in "abcd"])
    assert {(r.best, r.worst) for r in ranking(scores, list("abcd"), own(150))} == {(1, 4)}
