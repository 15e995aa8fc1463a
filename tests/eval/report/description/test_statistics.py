"""Which numbers a report does not have, and why."""

from measured import difference_row, metrics_row

from eval.report.description.statistics import lacking_notes


def test_differences_that_are_lost_with_their_images_are_named():
    metrics = [metrics_row(name, part) for name in ("a", "b", "c") for part in ("hate", "all")]
    found = [difference_row(name, "a", 0.1, category="all") for name in ("b", "c")]
    assert list(lacking_notes(metrics, found, {"b": "a", "c": "a"})) == [
        "No difference, for lack of `ok` images to compare: b in hate, c in hate."
    ]
    assert list(lacking_notes(metrics, found, {"c": "a"})) == [
        "No difference, for lack of `ok` images to compare: c in hate."
    ]
    hate = [difference_row(name, "a", 0.1, category="hate") for name in ("b", "c")]
    assert list(lacking_notes(metrics, [*found, *hate], {"b": "a", "c": "a"})) == []
    # A category that one of two independent samples does not have.
    alone = [metrics_row("a", "hate"), metrics_row("b", "hate", images=0)]
    assert list(lacking_notes(alone, [], {"b": "a"})) == []
