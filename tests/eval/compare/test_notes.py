"""What stands beside the numbers of several runs: what is missing, lost, left out and different, and of which run."""

from dataclasses import replace

import pyarrow as pa
import pytest
from several import made_up, prompts_of

from eval.compare.compared import Options, compare_runs
from eval.compare.notes import comparison_notes
from eval.compare.summary import alarms, for_people
from eval.store.scores import BLANK, NAN


def hit(row, image):
    return row % 3 == image


def run(name, *methods, prompts=10, **fields):
    return made_up(name, dict.fromkeys(methods or ("m",), hit), prompts_of(prompts), **fields)


def with_states(stored, states):
    """The run, of which images, by method, row and number, are in other states."""
    scores = stored.scores
    keys = zip(*(scores[name].to_pylist() for name in ("method", "row", "image")), strict=True)
    column = [states.get(key, state) for key, state in zip(keys, scores["state"].to_pylist(), strict=True)]
    place = scores.column_names.index("state")
    return replace(stored, scores=scores.set_column(place, "state", pa.array(column, scores.schema.types[place])))


def notes(*runs, **options):
    return comparison_notes(compare_runs(runs, Options(titles=["a", "b", "c"][: len(runs)], **options)))


def test_images_that_are_not_ok_are_counted_of_the_run_and_the_methods_that_are_shown():
    lost = {("m", 0, 0): BLANK, ("m", 1, 0): BLANK, ("m", 2, 1): NAN, ("n", 3, 0): NAN}
    first, second = run("a"), with_states(run("b", "m", "n"), lost)
    said = "b: images that are not `ok`, and not in any number: 2 blank, {} nan."
    assert said.format(2) in notes(first, second)
    assert said.format(1) in notes(first, second, methods=["m"])
    assert not any("not `ok`" in note for note in notes(first, run("b")))


@pytest.mark.parametrize(("missing", "words"), [(1, "1 image of b is"), (2, "2 images of b are")])
def test_a_single_missing_image_is_an_alarm_too(missing, words):
    part = made_up("b", {"m": lambda row, image: None if row < missing and image else hit(row, image)}, prompts_of(10))
    them = "it" if missing == 1 else "them"
    [alarm] = alarms(compare_runs([run("a"), part], Options(titles=["a", "b"])))
    assert alarm == f"INCOMPLETE: {words} missing or unjudged; no number includes {them}."


def test_other_numbers_of_images_per_prompt_are_said_and_which_images_count():
    said = "Images per prompt: 3 in a, {} in b; numbers are of the first {}."
    assert said.format(2, 2) in notes(run("a", images=3), run("b"))
    assert said.format(1, "one") in notes(run("a", images=3), run("b", images=1))
    assert not any(note.startswith("Images per prompt") for note in notes(run("a"), run("b")))


def test_deviations_are_those_of_their_run():
    said = notes(run("a"), run("b", deviations=("steps 2 instead of 50",)))
    assert [note for note in said if "deviates" in note] == [
        "b: deviates from protocol dataset: steps 2 instead of 50."
    ]


def test_columns_without_a_namesake_are_said_to_be_compared_with_nothing():
    said = notes(run("a", "m", "n"), run("b", "m", "only"), against="a")
    assert "Not compared, for lack of a namesake: a: n, b: only." in said


@pytest.mark.parametrize(("images", "shown"), [(1, False), (2, True)])
def test_maxima_of_one_image_per_prompt_are_for_machines_alone(images, shown):
    compared = compare_runs([run(name, prompts=30, images=images) for name in ("a", "b")], Options())
    (*_, difference), (*_, read) = compared.differences, for_people(compared).differences
    assert difference.expected_max_difference is not None
    assert (read.expected_max_difference is not None) == shown
