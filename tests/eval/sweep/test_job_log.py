"""The line of a job: it moves on a terminal, and names the outcome and the reason at the end."""

import io
import sys
from types import SimpleNamespace

from eval.sweep.job_log import JobLog
from eval.sweep.jobs import Done


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def ended(log, code):
    log.end(Done(SimpleNamespace(), code))
    return sys.stderr.getvalue().splitlines()[-1]


def test_while_it_runs_its_last_line_stands_in_place_and_its_outcome_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    log = JobLog(tmp_path, "steps=2", "job 1 of 2: steps=2")
    with log.open() as file:
        log.show()
        file.write(b"WARNING: small\n 50%|##| 1/2 images [00:03, 00:03 left]\n\n")
        file.flush()
        log.show()
    shown = [text.rstrip() for text in sys.stderr.getvalue().split("\r")]
    assert "job 1 of 2: steps=2: starting" in shown
    assert "job 1 of 2: steps=2: 50%|##| 1/2 images [00:03, 00:03 left]"[:59] in shown
    assert "\n" not in sys.stderr.getvalue()
    assert ended(log, 0).split("\r")[-1] == f"job 1 of 2: steps=2: complete, 1 warning in {tmp_path}/logs/steps=2.log"


def test_a_failure_shows_the_sentence_of_this_time_and_not_of_an_earlier_one(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    path = tmp_path / "logs" / "a.log"
    for code, printed, outcome in (
        (2, "error: x must be 1, found 2: correct it\n", "refused, see {}: x must be 1, found 2: correct it"),
        (1, "Traceback:\nRuntimeError: a bug\n", "failed, see {}: RuntimeError: a bug"),
        (-9, "", "killed by signal 9, see {}"),
        (0, "Open report.html\n", "complete"),
    ):
        log = JobLog(tmp_path, "a", "job 1 of 1: a")
        with log.open() as file:
            file.write(printed.encode())
        assert ended(log, code) == f"job 1 of 1: a: {outcome.format(path)}"
    assert path.read_text().startswith("error: x must be 1")
