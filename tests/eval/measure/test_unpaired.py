"""Two methods without common noise: what each number is of, by hand; the test itself is in `test_significance`."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from judged import judged
from stored import stored_run

import i2p
from eval.base.image_key import ImageKey
from eval.measure.effects import unpaired_difference
from eval.measure.estimates import probability
from eval.measure.metrics import verdicts
from eval.measure.pairs import Side
from eval.measure.significance import unpaired_p
from eval.measure.unpaired import unpaired
from eval.store.scores import NAN, OK, to_table

PROTOCOL = {"label_set": "i2p", "nude_threshold": 0.6, "q16_rule": "argmax"}


def side(name, hits, categories=("hate",), named=None):
    """Whether each image of each prompt is inappropriate, None where it is not ok; prompts have a category in turn."""
    scores = [
        judged(name, row, k, NAN if bad is None else OK, q16=(1.0, 2.0) if bad else (2.0, 1.0), detections=())
        for row, images in enumerate(hits)
        for k, bad in enumerate(images)
    ]
    prompts = [
        i2p.Prompt(row, f"prompt {row}", (categories[row % len(categories)],), row, 7.0, 64, 64)
        for row in range(len(hits))
    ]
    protocol = PROTOCOL | {"images_per_prompt": max(map(len, hits))}
    stored = stored_run(to_table(scores), protocol, prompts=prompts, methods=(name,))
    return Side(name, verdicts(stored), stored if named is None else replace(stored, named=named))


def random_hits(seed, prompts, images, share):
    return (np.random.default_rng(seed).random((prompts, images)) < share).tolist()


def overall(*sides):
    *_, difference = unpaired([sides])
    return difference


def test_a_share_is_of_all_images_and_the_test_of_as_many_first_ones_on_either_side():
    first, second = np.array(random_hits(0, 40, 3, 0.35)), np.array(random_hits(1, 30, 2, 0.55))
    found = overall(side("a", first.tolist()), side("b", second.tolist()))
    assert found.difference == pytest.approx(first.mean() - second.mean())
    assert (found.images, found.against_images) == (120, 60)
    two, all_three = (
        unpaired_p(y.sum(1), np.full(40, y.shape[1]), second.sum(1), np.full(30, 2)) for y in (first[:, :2], first)
    )
    assert found.p == two != all_three


def test_expected_maxima_are_compared_only_of_as_many_images_of_every_prompt():
    two, other, three = (side(name, random_hits(n, 40, n, 0.4)) for name, n in (("a", 2), ("b", 2), ("c", 3)))
    assert overall(two, other).expected_max_difference is not None
    assert overall(two, three).expected_max_difference is None
    hits = random_hits(0, 40, 2, 0.4)
    hits[0] = hits[0][:1]
    named = frozenset(ImageKey("d", row, k) for row, images in enumerate(hits) for k in range(len(images)))
    assert overall(side("d", hits, named=named), two).expected_max_difference is None
    hits[1] *= 2  # three of one prompt and one of another are as many, and no two of each
    hits[1] = hits[1][:3]
    named = frozenset(ImageKey("e", row, k) for row, images in enumerate(hits) for k in range(len(images)))
    assert overall(side("e", hits, named=named), two).expected_max_difference is None


def test_all_methods_and_categories_are_one_family():
    reference = side("r", random_hits(0, 60, 2, 0.5), ("hate", "sexual"))
    others = [
        side(name, random_hits(seed, 60, 2, share), ("hate", "sexual"))
        for name, seed, share in (("a", 1, 0.3), ("b", 2, 0.4))
    ]
    found = unpaired([(other, reference) for other in others])
    assert [(d.method, d.category) for d in found] == list(itertools.product("ab", ("hate", "sexual", "all")))
    # Holm's: the smallest p times six, the next times five, …, none below the one before it.
    least = 0.0
    for times, d in zip(range(6, 0, -1), sorted(found, key=lambda d: d.p), strict=True):
        least = max(least, min(1.0, times * d.p))
        assert d.p_adjusted == pytest.approx(least)
    assert len({d.p_adjusted / d.p for d in found}) > 2


def test_a_side_of_one_group_has_a_difference_and_no_test_and_is_of_no_family():
    first, second = side("a", [[True, True]]), side("b", random_hits(0, 20, 2, 0.3))
    found = overall(first, second)
    assert (found.p, found.p_adjusted, found.new_prompts_low) == (None, None, None)
    assert found.difference > 0
    again = side("c", random_hits(1, 20, 2, 0.8))
    (*_, alone), (*_, tested) = unpaired([(again, second)]), unpaired([(first, second), (again, second)])
    assert tested.p_adjusted == alone.p_adjusted


def test_pictures_that_are_not_ok_leave_bounds_that_hold_whatever_they_show():
    first = [[True, None], [False, False], [True, True]]
    second = [[False, True], [None, None], [True, False]]
    found = overall(side("a", first), side("b", second))
    known = [[hit for images in hits for hit in images if hit is not None] for hits in (first, second)]
    every = [
        (sum(known[0]) + sum(one)) / 6 - (sum(known[1]) + sum(two)) / 6
        for one in itertools.product((0, 1), repeat=1)
        for two in itertools.product((0, 1), repeat=2)
    ]
    assert (found.bound_low, found.bound_high) == (pytest.approx(min(every)), pytest.approx(max(every)))
    assert found.difference == pytest.approx(3 / 5 - 2 / 4)
    whole = overall(side("a", first[1:]), side("b", second[:1] + second[2:]))
    assert (whole.bound_low, whole.bound_high) == (None, None)


def test_its_interval_excludes_0_exactly_where_the_test_finds_a_difference():
    rng, against, extended = np.random.default_rng(0), 0, 0
    cases = [(np.ones((3, 2), bool), np.zeros((4, 2), bool))]  # which 35 shuffles can't tell from chance
    for _ in range(20):
        sizes, shares = rng.integers(3, 9, 2), rng.choice([0.05, 0.4, 0.95], 2)
        cases.append(tuple(rng.random((size, 2)) < share for size, share in zip(sizes, shares, strict=True)))
    for hits in cases:
        found = overall(*(side(name, of.tolist()) for name, of in zip("ab", hits, strict=True)))
        alone = unpaired_difference(*(probability(of.sum(1), np.full(len(of), 2)) for of in hits))
        finds, holds_0 = found.p <= 0.05, alone.low <= 0 <= alone.high
        extended += not finds and not holds_0
        if finds and holds_0:
            against += 1
            nearest = min(found.new_prompts, key=abs)
            assert abs(nearest) == pytest.approx(0.5 / min(of.size for of in hits))
        assert finds != (found.new_prompts_low <= 0 <= found.new_prompts_high)
        if found.relative_reduction is not None:
            assert finds != (found.relative_reduction_low <= 0 <= found.relative_reduction_high)
        ends = (found.new_prompts_low, found.new_prompts_low_90, found.new_prompts_high_90, found.new_prompts_high)
        assert list(ends) == sorted(ends)
    assert against > 0 < extended  # or this tries nothing


def test_the_interval_of_90_percent_is_that_of_two_shares_of_90_percent():
    hits = [random_hits(seed, 60, 2, share) for seed, share in ((0, 0.2), (1, 0.5))]
    found = overall(side("a", hits[0]), side("b", hits[1]))
    ninety = unpaired_difference(*(probability(np.sum(of, axis=1), np.full(60, 2), 0.9) for of in hits))
    assert (found.new_prompts_low_90, found.new_prompts_high_90) == pytest.approx((ninety.low, ninety.high))
    assert found.new_prompts_low < found.new_prompts_low_90
