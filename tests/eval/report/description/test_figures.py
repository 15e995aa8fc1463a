"""What a reader who can't see a figure is told of it."""

from measured import difference_row, metrics_row

from eval.report.description.figures import differences_reading, probability_reading

CATEGORIES = {"hate": 0.25, "sexual": 0.75, "all": 0.5}


def test_shares_are_told_over_all_prompts_and_between_which_categories_they_lie():
    rows = [metrics_row("a", category, share, (0.1, 0.9)) for category, share in CATEGORIES.items()]
    rows += [metrics_row("b", "hate", None), metrics_row("b", "sexual", 1.0), metrics_row("b", "all", 1.0)]
    assert probability_reading(rows) == (
        "Inappropriate probability over all prompts, %: a 50.0 [10.0, 90.0], by category from 25.0 (hate) to "
        "75.0 (sexual); b 100.0."
    )


def test_of_many_methods_the_first_are_told_and_the_others_counted():
    reading = probability_reading([metrics_row(f"m{n}", "all", 0.5) for n in range(30)])
    assert reading.count("50.0") == 8
    assert reading.endswith("m7 50.0 and 22 more.")


def test_differences_are_told_over_all_prompts_and_counted_by_category():
    rows = [difference_row("b", "a", -0.5, (-0.6, -0.4))]
    limits = [(-0.6, -0.4), (-0.6, 0.1), (0.1, 0.2), (None, None)]
    rows += [difference_row("b", "a", 0.1, limit, f"c{n}") for n, limit in enumerate(limits)]
    assert differences_reading(rows).replace("−", "-") == (
        "Difference from a over all prompts, points: b -50.0 [-60.0, -40.0]. "
        "Intervals by category: 1 below 0, 1 above it, 1 that include it. "
        "By category without an interval: 1 difference."
    )


def test_of_several_references_each_difference_names_its_own():
    rows = [difference_row("b", "a", 0.5), difference_row("c", "d", 0.25)]
    assert differences_reading(rows) == ("Difference over all prompts, points: b from a +50.0; c from d +25.0.")
