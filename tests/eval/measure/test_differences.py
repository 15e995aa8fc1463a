"""Two methods are paired by prompt and image, only where both pictures are ok, over all prompts and each category."""

import csv
import io
import itertools
import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
from judged import judged
from measured import nothing
from stored import stored_run

import i2p
from eval.base.files import strict_json
from eval.measure.cost import Cost, with_costs
from eval.measure.differences import Difference, paired
from eval.measure.estimates import paired_difference
from eval.measure.expected_maximum import expected_max
from eval.measure.metrics import verdicts
from eval.measure.pairs import Side
from eval.measure.significance import mcnemar_p
from eval.measure.unpaired import unpaired
from eval.report.margin import margin_document
from eval.report.tables import differences_table, narrow_differences_table, tidy_csv
from eval.store.scores import NAN, OK, to_table

ENDS = ("", "_low", "_high")
PROTOCOL = {"label_set": "i2p", "nude_threshold": 0.6, "q16_rule": "argmax", "images_per_prompt": 2}


def prompt(row, *categories):
    return i2p.Prompt(row, f"prompt {row}", categories, row, 7.0, 64, 64)


def score(row, image, bad, state=OK, method="baseline"):
    return judged(method, row, image, state, q16=(1.0, 2.0) if bad else (2.0, 1.0), detections=())


def run_of(scores, prompts, methods):
    stored = stored_run(to_table(scores), PROTOCOL, prompts=prompts, methods=methods)
    return stored, verdicts(stored)


def without(run, **columns):
    """The run with the pictures of one method or of some rows only."""
    stored, frame = run
    for name, values in columns.items():
        frame = frame[frame[name].isin(values)]
    return stored, frame


BASELINE = ((0, 0, True), (0, 1, True), (1, 0, True), (1, 1, False), (2, 0, True))
SAFE = ((0, 0, False), (0, 1, False), (1, 0, True), (1, 1, True), (3, 0, True))


@pytest.fixture(scope="module")
def uneven():
    """A pair too few here, a picture that is not ok there."""
    scores = [score(*picture) for picture in BASELINE] + [score(*picture, method="safe") for picture in SAFE]
    scores.append(score(2, 0, False, state=NAN, method="safe"))
    return run_of(scores, [prompt(row) for row in range(4)], ("baseline", "safe"))


def test_methods_are_paired_by_prompt_and_image_and_only_where_both_pictures_are_ok(uneven):
    (found,) = paired(*uneven, ["safe"], "baseline")
    expected = paired_difference([0, 1], [2, 0], [2, 2])
    assert (found.method, found.against, found.category) == ("safe", "baseline", "all")
    assert (found.prompts, found.images, found.difference) == (2, 4, -0.25)
    assert found.new_prompts == (expected.low, expected.high)
    assert found.relative_reduction == pytest.approx(1 - 2 / 3)
    assert found.expected_max_difference is None  # of two prompts
    assert (found.p, found.p_adjusted, found.p_mcnemar) == (1.0, 1.0, mcnemar_p(1, 2))
    (other,) = paired(*uneven, ["baseline"], "safe")
    mirrored = (0.25, -found.new_prompts_high, -found.new_prompts_low)
    assert (other.difference, *other.new_prompts) == pytest.approx(mirrored)


def test_a_method_without_a_pair_has_no_difference(uneven):
    assert paired(*without(uneven, method=["baseline"]), ["safe"], "baseline") == ()


def test_pictures_that_are_not_ok_leave_bounds_that_hold_whatever_they_show(uneven):
    (found,) = paired(*uneven, ["safe"], "baseline")
    known = {("baseline", *key): hit for *key, hit in BASELINE} | {("safe", *key): hit for *key, hit in SAFE}
    unknown = [key for key in itertools.product(("baseline", "safe"), range(4), range(2)) if key not in known]
    every = [
        sum(
            (-1) ** (key[0] == "baseline") * hit for key, hit in (known | dict(zip(unknown, hits, strict=True))).items()
        )
        for hits in itertools.product((0, 1), repeat=len(unknown))
    ]
    assert (found.bound_low, found.bound_high) == (min(every) / 8, max(every) / 8)
    (complete,) = paired(*without(uneven, row=[0]), ["safe"], "baseline")
    assert complete.bound_low is not None  # planned, and not there


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
    return run_of(scores, prompts, tuple(share))


def sides(run, *methods):
    stored, frame = run
    return tuple(Side(name, frame[frame["method"] == name], stored) for name in methods)


def test_a_row_has_the_columns_of_its_kind(many):
    *_, first = paired(*many, ["safe"], "baseline")
    *_, other = unpaired([sides(many, "safe", "baseline")])
    intervals = ("new_prompts", "same_prompts", "simultaneous")
    limits = [f"{name}{end}" for name in intervals for end in ENDS[1:]]
    effects = ["new_prompts_low_90", "new_prompts_high_90", "bound_low", "bound_high"]
    effects += [f"{name}{end}" for name in ("relative_reduction", "expected_max_difference") for end in ENDS]
    names = ["method", "against", "category", "prompts", "groups", "images"]
    against = ["against_prompts", "against_groups", "against_images"]
    cost = [field.name for field in fields(Cost)]
    assert list(first.columns()) == [*names, "difference", *limits, *effects, "p", "p_adjusted", "p_mcnemar", *cost]
    assert list(other.columns()) == [*names, *against, "difference", *limits[:4], *effects, "p", "p_adjusted", *cost]
    assert (other.prompts, other.groups, other.images) == (60, 60, 120)
    assert (other.against_prompts, other.against_groups, other.against_images) == (60, 60, 120)
    assert first.difference == pytest.approx(other.difference)
    assert first.new_prompts_high < 0
    assert other.new_prompts_high < 0
    assert (first.bound_low, other.bound_high) == (None, None)


def test_every_category_has_a_row_and_all_are_one_family_of_tests(many):
    found = paired(*many, ["same", "safe"], "baseline")
    order = ["hate", "violence", "sexual", "all"]
    assert [(d.method, d.category) for d in found] == [(name, c) for name in ("same", "safe") for c in order]
    assert [d.prompts for d in found[:4]] == [40, 20, 20, 60]
    for d in found:
        assert d.p <= d.p_adjusted <= min(1.0, len(found) * d.p)
        assert (d.p <= 0.05) != (d.new_prompts_low <= 0 <= d.new_prompts_high)
        assert d.simultaneous_low < d.new_prompts_low < d.new_prompts_low_90 < d.difference
        assert d.difference < d.new_prompts_high_90 < d.new_prompts_high < d.simultaneous_high
    assert max(d.p_adjusted for d in found if d.method == "safe") < 0.01 < min(d.p for d in found if d.method == "same")
    same, safe = found[3], found[7]
    assert safe.new_prompts_high < 0
    assert safe.p < 0.001
    assert safe.relative_reduction_low > 0
    assert safe.expected_max_difference_high is not None
    assert same.new_prompts_low < 0 < same.new_prompts_high
    assert same.p > 0.05


def test_near_duplicates_are_one_cluster(many):
    stored, frame = many
    texts = [f"a picture of {'the same thing as before' if p.row < 20 else p.row}" for p in stored.prompts]
    prompts = [replace(p, text=text) for p, text in zip(stored.prompts, texts, strict=True)]
    alike = replace(stored, prompts=tuple(prompts))
    assert len(set(alike.groups.values())) == 41
    by_row, by_group = (paired(s, frame, ["safe"], "baseline")[-1] for s in (stored, alike))
    assert (by_group.prompts, by_group.groups, by_group.images) == (60, 41, 120)
    assert by_group.difference == by_row.difference
    widths = [d.new_prompts_high - d.new_prompts_low for d in (by_row, by_group)]
    assert widths[1] > 1.1 * widths[0]
    gains = frame[frame["method"] == "safe"].merge(frame[frame["method"] == "baseline"], on=["row", "image"])
    won, lost = (
        (a & ~b).groupby(gains["row"].clip(lower=19)).sum()
        for a, b in (
            (gains["inappropriate_x"], gains["inappropriate_y"]),
            (gains["inappropriate_y"], gains["inappropriate_x"]),
        )
    )
    expected = paired_difference(won.to_numpy(), lost.to_numpy(), np.array([40] + 40 * [2]))
    assert by_group.new_prompts == pytest.approx((expected.low, expected.high))
    assert by_group.same_prompts_low == by_row.same_prompts_low


def test_a_category_is_what_its_prompts_alone_give(many):
    stored, scores = many
    hate = next(d for d in paired(stored, scores, ["safe"], "baseline") if d.category == "hate")
    members = [p for p in stored.prompts if "hate" in p.categories]
    part = replace(stored, prompts=tuple(members))
    alone = paired(*without((part, scores), row=[p.row for p in members]), ["safe"], "baseline")[0]
    names = ("prompts", "images", "difference", "new_prompts_low", "new_prompts_high", "same_prompts_low")
    names += ("relative_reduction_low", "expected_max_difference_low")
    assert [getattr(hate, name) for name in names] == pytest.approx([getattr(alone, name) for name in names])
    assert hate.p == pytest.approx(alone.p, abs=0.02)
    shares = scores[scores["row"].isin([p.row for p in members])].groupby(["method", "row"])["inappropriate"].mean()
    most = [expected_max(shares[name].to_numpy()).value for name in ("safe", "baseline")]
    assert hate.expected_max_difference == pytest.approx(most[0] - most[1])


def test_no_number_depends_on_the_order_of_the_scores(many):
    stored, scores = many
    other = replace(stored, prompts=stored.prompts[::-1])
    shuffled = {
        (d.category, d.method): d for d in paired(other, scores.sample(frac=1, random_state=1), ["safe"], "baseline")
    }
    for d in paired(*many, ["safe"], "baseline"):
        other = shuffled[d.category, d.method]
        assert (other.p, other.p_adjusted) == (d.p, d.p_adjusted)
        values = [[v for v in asdict(x).values() if isinstance(v, float)] for x in (d, other)]
        assert values[1] == pytest.approx(values[0])


def test_against_a_method_without_a_hit_there_is_no_relative_reduction():
    scores = [score(row, 0, name == "mine", method=name) for row in range(6) for name in ("mine", "clean")]
    (found,) = paired(*run_of(scores, [prompt(row) for row in range(6)], ("mine", "clean")), ["mine"], "clean")
    assert (found.difference, found.relative_reduction, found.relative_reduction_low) == (1.0, None, None)
    assert 2 / 64 <= found.p <= 0.05


def of_gains(gains, categories):
    """Two images of each prompt, of which `more` has so many inappropriate ones more than `less`."""
    scores = [
        score(row, k, k < gain * sign, method=name)
        for row, gain in enumerate(gains)
        for k in range(2)
        for name, sign in (("more", 1), ("less", -1))
    ]
    prompts = [prompt(row, category) for row, category in enumerate(categories)]
    return run_of(scores, prompts, ("less", "more"))


def test_a_reduction_that_the_test_finds_begins_half_an_image_from_0():
    (_, found) = paired(*of_gains([1, 1, 1, 1, 2, 2], ["hate"] * 6), ["less"], "more")
    assert found.p == 2 / 64
    assert (found.relative_reduction, found.relative_reduction_low) == (1, pytest.approx(0.5 / 8))


def test_an_interval_of_the_family_holds_0_where_the_adjusted_p_finds_nothing():
    """Of ten prompts of hate alone it would not, though their own p finds a difference."""
    gains = [1, 2, 1, 0, 1, -1, 2, 2, 1, 1, 2, -2, 0, -1, 0, 0, 0, 1, 2, 2]
    hate, _, _ = paired(*of_gains(gains, ["hate"] * 10 + ["sexual"] * 10), ["more"], "less")
    assert hate.p <= 0.05 < hate.p_adjusted
    assert (hate.simultaneous_low, hate.new_prompts_low > 0) == (0, True)


def test_the_terminals_table_is_narrow_and_that_of_all_categories_ends_with_all(many):
    found = paired(*many, ["same", "safe"], "baseline")
    overall = [d for d in found if d.category == "all"]
    narrow = narrow_differences_table(overall).text("simple").splitlines()
    assert len(narrow) == 4
    assert max(map(len, narrow)) <= 100
    costs = {("safe", "all"): Cost(clip_distance=0.0123), ("same", "all"): Cost(clip_distance=0.0)}
    narrow = narrow_differences_table(with_costs(overall, costs), against=False).text("simple").splitlines()
    assert max(map(len, narrow)) <= 80
    cells = {line.split()[0]: line.split() for line in narrow[2:]}
    assert "0.012" in cells["safe"]
    assert "0" in cells["same"]
    lines = differences_table(found).text("github").splitlines()
    categories = [line.split("|")[1].strip() for line in lines[2:]]
    assert categories == [c for c in ("hate", "violence", "sexual", "all") for _ in range(2)]
    assert [cell.strip() for cell in lines[0].split("|")[6:-1]] == [
        "points",
        "reduction, %",
        "expected max, points",
        "p",
        "p, adjusted",
        "p, McNemar",
    ]


def test_what_is_not_known_is_a_dash_for_people_and_an_empty_field_for_machines():
    known = {"method": "a", "against": "b", "category": "all", "prompts": 1, "groups": 1, "images": 4}
    known |= {"difference": -0.25, "p": 0.0002, "p_adjusted": 1.0, "p_mcnemar": 0.5}
    alone = Difference(**nothing(Difference) | known)
    cells = [cell.strip() for cell in differences_table([alone]).text("github").splitlines()[-1].split("|")[1:-1]]
    assert cells == ["all", "a", "b", "1", "4", "−25.0", "–", "< 0.001", "1.000", "0.500"]
    last = narrow_differences_table([alone]).text("github").splitlines()[-1]
    cells = [cell.strip() for cell in last.split("|")[1:-1]]
    assert cells == ["a", "b", "1", "4", "−25.0", "–", "–", "< 0.001"]
    (row,) = csv.DictReader(io.StringIO(tidy_csv([alone])))
    assert (row["difference"], row["new_prompts_low"], row["p"]) == ("-0.25", "", "0.0002")


def test_the_interval_of_90_percent_lies_within_that_of_95_also_where_the_test_rules():
    """p is 0.031 of five groups that moved one way; the interval alone holds 0."""
    won, lost = [4, 1, 1, 1, 0, 10, 6, 1, 0], [0, 0, 0, 1, 0, 0, 0, 0, 0]
    images = [4, 22, 8, 14, 10, 14, 12, 10, 14]
    scores = [
        score(row, k, (k < won[row]) if name == "more" else won[row] <= k < won[row] + lost[row], method=name)
        for row in range(9)
        for k in range(images[row])
        for name in ("more", "less")
    ]
    stored = stored_run(
        to_table(scores), PROTOCOL | {"images_per_prompt": 22}, prompts=[prompt(row) for row in range(9)],
        methods=("less", "more"),
    )  # fmt: skip
    (found,) = paired(stored, verdicts(stored), ["more"], "less")
    assert found.p <= 0.05
    assert 0 < found.new_prompts_low <= found.new_prompts_low_90 <= found.difference
    assert found.difference <= found.new_prompts_high_90 <= found.new_prompts_high
    assert found.no_better(1)
    assert {type(value) for value in found.columns().values()} <= {str, int, float, type(None)}
    assert json.loads(strict_json(margin_document([found], 1)))["differences"][0]["no_better"]
