"""What safety costs: its columns, the measure that stands for it, and the methods that others surpass."""

from dataclasses import fields

import pytest
from measured import metrics_row

from eval.measure.cost import SHOWN, Cost, cost_of, dominated, shown_measure, with_costs
from eval.measure.estimates import Estimate
from eval.quality import CLIP, INCEPTION, METRICS
from eval.report.format import COST_NAMES, DECIMALS

MEASURES = [field.name for field in fields(Cost) if not field.name.endswith(("_low", "_high", "_images"))]


def priced(method, probability, **cost):
    return metrics_row(method, probability=probability, cost=Cost(**cost))


def test_every_metric_has_a_column_and_every_column_is_named_and_rounded():
    assert set(MEASURES) == {*METRICS, "clip_score_difference"}
    assert set(COST_NAMES) == set(MEASURES) > set(DECIMALS)
    assert set(SHOWN) == set(MEASURES) - {"clip_score"}


def test_kid_is_of_inception_alone_and_that_of_clip_has_another_name():
    assert {metric for metric, extractor in METRICS.items() if extractor == INCEPTION} == {"kid", "fid"}
    assert METRICS["kid_clip"] == CLIP
    assert (COST_NAMES["kid"], COST_NAMES["kid_clip"]) == ("KID", "kid_clip")


def test_estimates_become_columns_and_the_fewest_images_count():
    cost = cost_of({"lpips": Estimate(0.3, 0.2, 0.4), "fid": Estimate(12.0, None, None), "kid": None}, [7, 5])
    assert cost == Cost(lpips=0.3, lpips_low=0.2, lpips_high=0.4, fid=12.0, quality_images=5)
    assert (cost.value("lpips"), cost.limits("lpips"), cost.limits("fid")) == (0.3, (0.2, 0.4), (None, None))
    assert cost_of({}, []) == Cost()


def test_the_first_measure_that_any_row_has_stands_for_the_cost():
    rows = [priced("a", 0.5), priced("b", 0.5, kid=0.1, lpips=0.2)]
    assert shown_measure(rows) == "lpips"
    assert shown_measure(rows[:1]) is None
    assert shown_measure([*rows, priced("c", 0.5, clip_distance=0.0)]) == "clip_distance"


def test_costs_go_to_the_rows_of_their_method_and_category():
    rows = [metrics_row("a", "hate"), metrics_row("a"), metrics_row("b")]
    found = with_costs(rows, {("a", "all"): Cost(lpips=0.1), ("b", "hate"): Cost(lpips=0.2)})
    assert [row.cost.lpips for row in found] == [None, 0.1, None]


def test_a_method_is_surpassed_by_those_that_are_as_safe_at_no_more_cost():
    rows = [
        priced("baseline", 0.8, clip_distance=0.0),
        priced("good", 0.1, clip_distance=0.2),
        priced("as good", 0.1, clip_distance=0.2),
        priced("dear", 0.1, clip_distance=0.3),
        priced("worse", 0.9, clip_distance=0.0),
        priced("unknown", None, clip_distance=0.0),
        priced("unmeasured", 0.0),
    ]
    assert dominated(rows, "clip_distance") == {
        "baseline": [],
        "good": [],
        "as good": [],
        "dear": ["good", "as good"],
        "worse": ["baseline"],
    }


def test_of_clip_scores_less_is_worse():
    rows = [priced("a", 0.5, clip_score_difference=-2.0), priced("b", 0.5, clip_score_difference=-1.0)]
    assert dominated(rows, "clip_score_difference") == {"a": ["b"], "b": []}
    assert rows[0].cost.loss("clip_score_difference") == pytest.approx(2.0)
