"""Two methods are paired by prompt and image, only where both pictures are ok, over all prompts and each category."""

import csv
import io
import itertools

import numpy as np
import pytest
from judged import judged
from stored import stored_run

import i2p
from eval.measure.differences import Difference, Side, paired, unpaired
from eval.measure.estimates import expected_max, paired_difference
from eval.measure.metrics import verdicts
from eval.measure.significance import mcnemar_p
from eval.report.tables import differences_table, narrow_differences_table, tidy_csv
from eval.store.scores import NAN, OK, to_table

ENDS = ("", "_low", "_high")
PROTOCOL = {"label_set": "i2p", "nude_threshold": 0.6, "q16_rule": "argmax"}


def prompt(row, *categories):
    return i2p.Prompt(row, f"prompt {row}", categories, row, 7.0, 64, 64)


def score(row, image, bad, state=OK, method="baseline"):
    return judged(method, row, image, state, q16=(1.0, 2.0) if bad else (2.0, 1.0), detections=())


def frame(scores):
    return verdicts(stored_run(to_table(scores), PROTOCOL))


@pytest.fixture(scope="module")
def uneven():
    """A pair too few here, a picture that is not ok there."""
    baseline = [(0, 0, True), (0, 1, True), (1, 0, True), (1, 1, False), (2, 0, True)]
    scores = [score(*picture) for picture in baseline]
    scores += [score(0, k, False, method="safe") for k in range(2)]
    scores += [score(1, 0, True, method="safe"), score(1, 1, True, method="safe"), score(3, 0, True, method="safe")]
    return frame([*scores, score(2, 0, False, state=NAN, method="safe")])


def test_methods_are_paired_by_prompt_and_image_and_only_where_both_pictures_are_ok(uneven):
    prompts = [prompt(row) for row in range(4)]
    (found,) = paired(uneven, prompts, ["safe"], "baseline")
    expected = paired_difference([0, 1], [2, 0], [2, 2])
    assert (found.method, found.against, found.category) == ("safe", "baseline", "all")
    assert (found.prompts, found.images, found.difference) == (2, 4, -0.25)
    assert (found.low, found.high) == (expected.low, expected.high)
    assert found.relative_reduction == pytest.approx(1 - 2 / 3)
    assert found.expected_max_difference is None  # of two prompts
    assert (found.p, found.p_holm, found.p_mcnemar) == (1.0, 1.0, mcnemar_p(1, 2))
    (other,) = paired(uneven, prompts, ["baseline"], "safe")
    assert (other.difference, other.low, other.high) == pytest.approx((0.25, -found.high, -found.low))


def test_a_method_without_a_pair_has_no_difference(uneven):
    alone = uneven[uneven["method"] == "baseline"]
    assert paired(alone, [prompt(row) for row in range(4)], ["safe"], "baseline") == ()


@pytest.fixture(scope="module")
def many():
    """Three methods over 60 prompts of two images in three categories: one as bad, one better than the baseline."""
    rng = np.random.default_rng(3)
    prompts = [prompt(row, *{0: ("hate",), 1: ("hate", "sexual"), 2: ("violence",)}[row % 3]) for row in range(60)]
    share = {"baseline": 0.6, "same": 0.6, "safe": 0.2}
    level = rng.normal(0, 0.2, 60)
    scores = [
        score(p.row, k, rng.random() < share[name] + level[p.row], method=name)
        for p, k, name in itertools.product(prompts, range(2), share)
    ]
    return frame(scores), prompts


def test_a_row_has_the_columns_of_its_kind(many):
    scores, prompts = many
    (first, *_), second = (
        paired(*many, ["safe"], "baseline"),
        Side("safe", scores[scores["method"] == "safe"], prompts, 2),
    )
    (other, *_) = unpaired(second, Side("baseline", scores[scores["method"] == "baseline"], prompts, 2))
    effects = ["difference", "low", "high"]
    effects += [f"{name}{end}" for name in ("relative_reduction", "expected_max_difference") for end in ENDS]
    names = ["method", "against", "category", "prompts", "images"]
    assert list(first.columns()) == [*names, *effects, "p", "p_holm", "p_mcnemar"]
    assert list(other.columns()) == [*names, "against_prompts", "against_images", *effects, "p", "p_holm"]
    assert (other.prompts, other.images, other.against_prompts, other.against_images) == (60, 120, 60, 120)
    assert first.difference == pytest.approx(other.difference)
    assert first.high < 0
    assert other.high < 0


def test_every_category_has_a_row_and_is_corrected_with_the_others_but_not_with_all(many):
    found = paired(*many, ["same", "safe"], "baseline")
    order = ["all", "hate", "violence", "sexual"]
    assert [(d.method, d.category) for d in found] == [(name, c) for name in ("same", "safe") for c in order]
    assert [d.prompts for d in found[:4]] == [60, 40, 20, 20]
    for method in ("same", "safe"):
        overall, *parts = (d for d in found if d.method == method)
        assert overall.p_holm == overall.p
        ranked = sorted(parts, key=lambda d: d.p)
        by_hand = [min(1.0, (3 - i) * d.p) for i, d in enumerate(ranked)]
        assert [d.p_holm for d in ranked] == pytest.approx(np.maximum.accumulate(by_hand))
    same, safe = found[0], found[4]
    assert safe.high < 0
    assert safe.p < 0.001
    assert safe.relative_reduction_low > 0
    assert safe.expected_max_difference_high is not None
    assert same.low < 0 < same.high
    assert same.p > 0.05


def test_a_category_is_what_its_prompts_alone_give(many):
    scores, prompts = many
    hate = next(d for d in paired(scores, prompts, ["safe"], "baseline") if d.category == "hate")
    members = [p for p in prompts if "hate" in p.categories]
    alone = paired(scores[scores["row"].isin([p.row for p in members])], members, ["safe"], "baseline")[0]
    names = ("prompts", "images", "difference", "low", "high", "relative_reduction_low", "expected_max_difference_low")
    assert [getattr(hate, name) for name in names] == pytest.approx([getattr(alone, name) for name in names])
    assert hate.p == pytest.approx(alone.p, abs=0.02)
    shares = scores[scores["row"].isin([p.row for p in members])].groupby(["method", "row"])["inappropriate"].mean()
    most = [expected_max(shares[name].to_numpy()).value for name in ("safe", "baseline")]
    assert hate.expected_max_difference == pytest.approx(most[0] - most[1])


def test_no_number_depends_on_the_order_of_the_scores(many):
    scores, prompts = many
    shuffled = scores.sample(frac=1, random_state=1)
    assert paired(shuffled, prompts[::-1], ["safe"], "baseline") == paired(scores, prompts, ["safe"], "baseline")


def test_against_a_method_without_a_hit_there_is_no_relative_reduction():
    scores = [score(row, 0, name == "mine", method=name) for row in range(6) for name in ("mine", "clean")]
    (found,) = paired(frame(scores), [prompt(row) for row in range(6)], ["mine"], "clean")
    assert (found.difference, found.relative_reduction, found.relative_reduction_low) == (1.0, None, None)
    assert found.p == pytest.approx(2 / 64)


def test_the_terminals_table_is_narrow_and_that_of_all_categories_ends_with_all(many):
    found = paired(*many, ["same", "safe"], "baseline")
    narrow = narrow_differences_table([d for d in found if d.category == "all"]).text("simple").splitlines()
    assert len(narrow) == 4
    assert max(map(len, narrow)) <= 100
    lines = differences_table(found).text("github").splitlines()
    categories = [line.split("|")[1].strip() for line in lines[2:]]
    assert categories == [c for c in ("hate", "violence", "sexual", "all") for _ in range(2)]
    assert [cell.strip() for cell in lines[0].split("|")[6:-1]] == [
        "points",
        "reduction, %",
        "expected max, points",
        "p",
        "p, Holm",
        "p, McNemar",
    ]


def test_what_is_not_known_is_a_dash_for_people_and_an_empty_field_for_machines():
    nothing = dict.fromkeys(("relative_reduction", "expected_max_difference"))
    limits = {f"{name}_{end}": None for name in nothing for end in ("low", "high")}
    alone = Difference(
        "a", "b", "all", 1, 4, -0.25, None, None, **nothing, **limits, p=0.0002, p_holm=1.0, p_mcnemar=0.5
    )
    cells = [cell.strip() for cell in differences_table([alone]).text("github").splitlines()[-1].split("|")[1:-1]]
    assert cells == ["all", "a", "b", "1", "4", "-25.0", "–", "–", "< 0.001", "1.000", "0.500"]
    last = narrow_differences_table([alone]).text("github").splitlines()[-1]
    cells = [cell.strip() for cell in last.split("|")[1:-1]]
    assert cells == ["a", "b", "1", "4", "-25.0", "–", "–", "< 0.001"]
    (row,) = csv.DictReader(io.StringIO(tidy_csv([alone])))
    assert (row["difference"], row["low"], row["relative_reduction"], row["p"]) == ("-0.25", "", "", "0.0002")
