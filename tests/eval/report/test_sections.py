"""The questions that a report answers after its tables."""

from types import SimpleNamespace

import pytest
from measured import difference_row, limits, metrics_row

from eval.base.errors import InputError
from eval.config.checks import check_report
from eval.config.settings import ReportSettings
from eval.measure.cost import Cost
from eval.measure.false_alarms import FalseAlarms
from eval.measure.ranking import Rank
from eval.report.answers import NO_REPETITION
from eval.report.margin import margin_columns, margin_document, margin_notes
from eval.report.sections import sections
from eval.report.tables import differences_table


@pytest.fixture(autouse=True)
def no_scores(monkeypatch):
    """Thresholds and samples have tests of their own, with scores and a manifest."""
    monkeypatch.setattr("eval.report.sections._thresholds", lambda _: ())
    monkeypatch.setattr("eval.report.sections._population", lambda _: ())


def report(metrics, differences=(), ranking=(), margin=None, alarms=(), harmless=()):
    return SimpleNamespace(
        metrics=metrics,
        differences=differences,
        ranking=ranking,
        options=ReportSettings(margin=margin),
        harmless=harmless,
        false_alarms=alarms,
        stored=SimpleNamespace(prompts=range(9)),
    )


def by_key(*args, **known):
    return {section.key: section for section in sections(report(*args, **known))}


def cells(table):
    return [dict(zip(table.headers, row, strict=True)) for row in table.rows]


REPEATED = limits("same_prompts", (0.28, 0.32))
BASELINE = metrics_row("baseline", probability=0.3, interval=(0.25, 0.35), **REPEATED)
SAFE = metrics_row("safe", probability=0.1, interval=(0.05, 0.15), **limits("same_prompts", (0.08, 0.12)))


def test_both_questions_have_an_interval_each():
    d = difference_row("safe", "baseline", -0.2, (-0.25, -0.15), **limits("same_prompts", (-0.22, -0.18)))
    section = by_key([BASELINE, SAFE], [d])["repetition"]
    (_, shares), (_, differences) = section.tables
    assert cells(shares) == [
        {"category": "all", "prompts": "9", "baseline": "30.0 [28.0, 32.0]", "safe": "10.0 [8.0, 12.0]"}
    ]
    (row,) = cells(differences)
    assert (row["points"], row["new prompts"], row["same prompts"]) == ("−20.0", "[−25.0, −15.0]", "[−22.0, −18.0]")


def test_with_one_image_per_prompt_it_says_why_there_is_no_second_interval():
    section = by_key([metrics_row("baseline")])["repetition"]
    assert section.sentences == (NO_REPETITION,)
    assert section.tables == ()


def test_what_is_flagged_of_harmless_prompts_has_a_column_for_each_judge_that_was_asked():
    assert "false-alarms" not in by_key([BASELINE])
    cost = Cost(clip_distance=0.25, clip_distance_low=0.125, clip_distance_high=0.5)
    asked = FalseAlarms("safe", 4, 3, 8, *(0.5, 0.2, 0.8), *(0.25, 0.1, 0.6), *(0.375, 0.2, 0.7), cost)
    section = by_key([BASELINE], alarms=(asked,), harmless=range(5))["false-alarms"]  # one has no judged picture
    ((_, table),) = section.tables
    assert cells(table) == [
        {
            "method": "safe",
            "prompts": "4",
            "images": "8",
            "by Q16 %": "25.0 [10.0, 60.0]",
            "by NudeNet %": "37.5 [20.0, 70.0]",
            "flagged %": "50.0 [20.0, 80.0]",
            "CLIP distance": "0.25 [0.12, 0.50]",
        }
    ]
    assert "Harmless are 5 of 9 prompts." in section.sentences[0]
    assert "damage" in section.sentences[1]
    alone = FalseAlarms("safe", 9, 9, 9, 0.5, None, None, *[None] * 6)
    section = by_key([BASELINE], alarms=(alone,), harmless=range(9))["false-alarms"]
    assert section.tables[0][1].headers == ("method", "prompts", "images", "flagged %")
    assert "Harmless are all 9 prompts." in section.sentences[0]
    assert len(section.sentences) == 1


def test_tied_methods_share_their_places():
    ranking = (Rank("safe", 1, 1, ("a", "b")), Rank("a", 2, 3, ("safe",)), Rank("b", 2, 3, ("safe",)))
    metrics = [metrics_row("safe", probability=0.1), metrics_row("a"), metrics_row("b")]
    d = difference_row("a", "safe", 0.4, (0.3, 0.5), **limits("simultaneous", (0.25, 0.55)), p_adjusted=0.001)
    section = by_key(metrics, [d], ranking)["ranking"]
    (_, places), (_, family) = section.tables
    assert [(row["place"], row["method"], row["differs from"]) for row in cells(places)] == [
        ("1", "safe", "a, b"),
        ("2–3", "a", "safe"),
        ("2–3", "b", "safe"),
    ]
    assert cells(family)[0]["all together"] == "[+25.0, +55.0]"
    assert "ranking" not in by_key([metrics_row("baseline")])


def test_bounds_are_there_only_where_images_are_not_ok():
    assert "bounds" not in by_key([BASELINE])
    lost = metrics_row("safe", bound_low=0.2, bound_high=0.6, nan=3, missing=1)
    d = difference_row("safe", "baseline", -0.1, bound_low=-0.2, bound_high=0.3)
    section = by_key([BASELINE, lost], [d])["bounds"]
    (_, shares), (_, differences) = section.tables
    assert cells(shares) == [
        {"category": "all", "method": "safe", "not ok": "4", "probability %": "50.0", "bounds": "[20.0, 60.0]"}
    ]
    assert cells(differences)[0]["bounds"] == "[−20.0, +30.0]"
    assert "can lie outside its bounds" in section.sentences[-1]
    alone = by_key([BASELINE, lost])["bounds"]
    assert "difference" not in " ".join(alone.sentences)


def test_categories_keep_their_order_where_a_method_lacks_some():
    """The first method has lost no image of hate, and no pair of it has two judged ones."""
    lost, names = {"bound_low": 0.2, "bound_high": 0.6}, ("hate", "sexual", "mine", "own", "all")
    rows = [metrics_row("a", name, **(lost if name in ("sexual", "own") else {})) for name in names]
    rows += [metrics_row("b", name, **lost) for name in names]
    pairs = [difference_row("a", "c", 0.1, category=name, **lost) for name in ("sexual", "own", "all")]
    pairs += [difference_row("b", "c", 0.1, category=name, **lost) for name in names]
    (_, shares), (_, differences) = by_key(rows, pairs)["bounds"].tables
    for table in (shares, differences, differences_table(pairs)):
        assert tuple(dict.fromkeys(row["category"] for row in cells(table))) == names


DIFFERENCES = [
    difference_row("x", "b", 0.0, new_prompts_low_90=-0.015, new_prompts_high_90=0.015, category="equivalent"),
    difference_row("x", "b", -0.2, new_prompts_low_90=-0.3, new_prompts_high_90=-0.1, category="less"),
    difference_row("x", "b", 0.2, new_prompts_low_90=0.1, new_prompts_high_90=0.3, category="more"),
    difference_row("x", "b", 0.0, new_prompts_low_90=-0.1, new_prompts_high_90=0.1, category="unknown"),
    difference_row("x", "b", 0.0, category="one group"),
]


def test_no_worse_is_shown_by_the_upper_and_no_better_by_the_lower_end_of_the_90_percent_interval():
    section = by_key([BASELINE], DIFFERENCES, margin=2)["margin"]
    ((_, table),) = section.tables
    shown = {row["category"]: (row["no worse"], row["no better"]) for row in cells(table)}
    assert shown == {
        "equivalent": ("yes", "yes"),
        "less": ("yes", "not shown"),
        "more": ("not shown", "yes"),
        "unknown": ("not shown", "not shown"),
        "one group": ("not shown", "not shown"),
    }
    assert margin_columns(DIFFERENCES, 2)["no_worse"] == [True, True, False, False, False]
    assert [row["no_better"] for row in margin_document(DIFFERENCES, 2)["differences"]] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_without_a_margin_nothing_is_said_of_it():
    assert "margin" not in by_key([BASELINE], DIFFERENCES)
    assert margin_columns(DIFFERENCES, None) == {}
    assert margin_document(DIFFERENCES, None) is None
    assert list(margin_notes(DIFFERENCES, None)) == []


def test_who_asks_with_a_margin_is_answered_in_a_note():
    limits_90 = {"new_prompts_low_90": -0.015, "new_prompts_high_90": 0.015}
    rows = [difference_row("safe", "b", 0.0, **limits_90), difference_row("other", "b", 0.0), *DIFFERENCES]
    assert list(margin_notes(rows, 2)) == [
        "With a margin of 2 points, over all prompts, shown to be no worse than b: safe; not shown: other."
    ]
    assert list(margin_notes(rows[1:2], 1.5)) == [
        "With a margin of 1.5 points, over all prompts, not shown to be no worse than b: other."
    ]
    (note,) = margin_notes([], 2)
    assert note.startswith("The margin of 2 points has no effect: ")


def test_every_table_has_the_order_of_the_first_with_all_prompts_last():
    names = ("all", "hate", "sexual")
    metrics = [metrics_row(m, c, bound_low=0.1, bound_high=0.9, **REPEATED) for m in ("b", "x", "y") for c in names]
    differences = [
        difference_row(m, "b", 0.1, category=c, bound_low=0.0, bound_high=0.2) for m in ("x", "y") for c in names
    ]
    ranking = (Rank("b", 1, 3, ()), Rank("x", 1, 3, ()), Rank("y", 1, 3, ()))
    order = [(c, m) for c in ("hate", "sexual", "all") for m in ("b", "x", "y")]
    seen = 0
    for section in sections(report(metrics, differences, ranking, margin=2)):
        for _, table in section.tables:
            if {"category", "method"} <= set(table.headers):
                rows = [(row["category"], row["method"]) for row in cells(table)]
                assert rows == [pair for pair in order if pair in rows]
                seen += 1
    assert seen == 5


def test_headings_stand_above_their_cells():
    ranking = (Rank("b", 1, 2, ()), Rank("x", 1, 2, ()))
    section = by_key([metrics_row("b"), metrics_row("x")], ranking=ranking)["ranking"]
    ((_, places),) = section.tables
    assert set(places.headers) & places.words == {"place", "method", "differs from"}


@pytest.mark.parametrize("margin", [0, -1, 100, float("nan"), float("inf")])
def test_a_margin_that_is_none_is_refused(margin):
    with pytest.raises(InputError, match=r"report\.margin must be a number of percentage points above 0 and below 100"):
        check_report(ReportSettings(margin=margin))
