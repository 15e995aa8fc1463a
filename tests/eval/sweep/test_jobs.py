"""The outcome of a job: its state in words, and what it is worth beside those of other jobs."""

import pytest

from eval.base.errors import BAD_INPUT, BUG, COMPLETE, INCOMPLETE
from eval.sweep.jobs import Done


@pytest.mark.parametrize(
    ("code", "state", "exit_code"),
    [
        (COMPLETE, "complete", COMPLETE),
        (INCOMPLETE, "incomplete", INCOMPLETE),
        (BAD_INPUT, "refused", BAD_INPUT),
        (BUG, "failed", BUG),
        (137, "failed", BUG),  # no code of ours
        (-9, "killed by signal 9", INCOMPLETE),  # and can be resumed
        (None, "not begun", INCOMPLETE),
    ],
)
def test_a_job_that_was_killed_is_incomplete_and_an_unknown_code_is_a_bug(code, state, exit_code):
    done = Done(None, code)
    assert (done.state, done.exit_code) == (state, exit_code)
