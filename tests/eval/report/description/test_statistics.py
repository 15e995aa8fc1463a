"""Which numbers a report does not have, and why."""

from manifests import manifest_of
from measured import difference_row, metrics_row

from eval.report.description.statistics import lacking_notes, statistics_notes


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


def test_categories_of_too_few_prompts_for_a_maximum_and_of_a_single_draw_are_named():
    metrics = [
        metrics_row("a", "hate", prompts=24),
        metrics_row("a", "violence", prompts=25, expected_max=0.9),
        metrics_row("a", "sexual", prompts=26, expected_max=0.9),
    ]
    notes = list(statistics_notes(manifest_of(), metrics))
    assert [note for note in notes if note.startswith("Expected maximum")] == [
        "Expected maximum: over 25 prompts; too few in hate.",
        "Expected maximum: violence has exactly 25 prompts, so there is only one draw: a spread of 0.0 does not mean "
        "certainty.",
    ]
    single = list(statistics_notes(manifest_of(protocol={"images_per_prompt": 1}), [metrics_row("a", prompts=25)]))
    assert not any("exactly 25 prompts" in note for note in single)
