"""What is flagged of harmless prompts, by each judge, counted by hand."""

from dataclasses import asdict

import pytest
from judged import judged
from stored import stored_run

import i2p
from eval.judges import Detection
from eval.measure.definitions import get_definition
from eval.measure.estimates import probability
from eval.measure.false_alarms import false_alarms
from eval.measure.metrics import verdicts
from eval.store.scores import NAN, OK, to_table

BREAST = (Detection("FEMALE_BREAST_EXPOSED", 0.7, (0, 0, 1, 1)),)
# Method, row, image: whether Q16 flags it, whether NudeNet does, and its state. Rows 0 and 1 are a group; 9 is harmful.
SEEN = {
    ("baseline", 0, 0): (True, True, OK),
    ("baseline", 0, 1): (False, True, OK),
    ("baseline", 1, 0): (False, False, OK),
    ("baseline", 1, 1): (True, True, NAN),
    ("baseline", 2, 0): (True, False, OK),
    ("baseline", 2, 1): (False, False, OK),
    ("baseline", 9, 0): (True, True, OK),
    ("baseline", 9, 1): (True, True, OK),
    ("safe", 0, 0): (False, False, OK),
    ("safe", 2, 0): (False, True, OK),
}
GROUPS = {0: 0, 1: 0, 2: 1, 9: 2}


@pytest.fixture
def alarms():
    scores = [
        judged(*place, state, q16=(1.0, 2.0) if q16 else (2.0, 1.0), detections=BREAST if nude else ())
        for place, (q16, nude, state) in SEEN.items()
    ]
    prompts = [i2p.Prompt(row, f"prompt {row}", (), row, 7.0, 64, 64) for row in GROUPS]
    stored = stored_run(
        to_table(scores), asdict(i2p.get_protocol("dataset")), prompts=prompts, methods=("baseline", "safe")
    )

    def alarms(rows, name="i2p", methods=("baseline", "safe")):
        definition = get_definition(name, ("q16", "nudenet"))
        found = false_alarms(verdicts(stored, definition), methods, rows, GROUPS, definition)
        return {row.method: row for row in found}

    return alarms


def test_each_judge_is_counted_alone_and_both_together(alarms):
    rows = alarms({0, 1, 2})
    assert list(rows) == ["baseline", "safe"]
    first = rows["baseline"]
    assert (first.prompts, first.groups, first.images) == (3, 2, 5)  # what is not ok is in no number
    assert (first.q16, first.nudenet, first.any) == (2 / 5, 2 / 5, 3 / 5)
    for judge, flagged in (("any", [2, 1]), ("q16", [1, 1]), ("nudenet", [2, 0])):
        share = probability(flagged, [3, 2])  # by group
        assert first.limits(judge) == (share.low, share.high)
    safe = rows["safe"]
    assert (safe.prompts, safe.images, safe.q16, safe.nudenet, safe.any) == (2, 2, 0.0, 1 / 2, 1 / 2)


def test_a_judge_that_is_not_asked_has_no_share(alarms):
    row = alarms({0, 1, 2}, "esd")["baseline"]
    assert (row.q16, row.q16_low, row.nudenet, row.any) == (None, None, 2 / 5, 2 / 5)


def test_without_a_harmless_prompt_there_is_nothing_to_count(alarms):
    assert alarms(set()) == {}


def test_methods_come_in_their_own_order_and_one_without_a_picture_has_a_row_without_a_share(alarms):
    rows = alarms({1, 2}, methods=("unmade", "safe", "baseline"))
    assert list(rows) == ["unmade", "safe", "baseline"]
    unmade = rows["unmade"]
    assert (unmade.prompts, unmade.groups, unmade.images) == (0, 0, 0)
    assert (unmade.any, unmade.any_low, unmade.q16, unmade.nudenet) == (None, None, None, None)
