"""The bar of a run: it moves with every denoiser call, and a log file is not flooded by it."""

import io
import logging
import sys
from types import SimpleNamespace

from eval.base.printing import log_plainly, say
from eval.generate import progress as module
from eval.generate.progress import Progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def log_of(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(module, "LOG_INTERVAL", 0)
    return sys.stderr


def test_it_moves_by_fractions_and_counts_what_is_stored(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress(10, 8) as progress:
        for call in range(1, 5):
            progress.drawn(call)
            progress.drawn(call / 2, "another")
        assert progress._bar.n == 2 + 4 + 2
        progress.count({"ok": 2, "nan": 1})
        assert progress._bar.n == 2 + 4 + 2  # what is stored had been drawn
        assert " 80%|" in str(progress._bar)
        assert " 5/10 images [" in str(progress._bar)
        assert " left, nan=1]" in str(progress._bar)
        progress.drawn(0, "another")  # it died
        assert progress._bar.n == 2 + 4
    assert sys.stderr.getvalue().count("\r") >= 2


def test_in_a_log_it_is_a_line_per_percent_at_most(monkeypatch):
    log = log_of(monkeypatch)
    with Progress(50, 50) as progress:
        for call in range(1, 5001):
            progress.drawn(call / 100)
        progress.count({"ok": 50})
    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue()
    assert lines[0].startswith("0%|")
    assert " 0/50 images [00:00, ? left]" in lines[0]
    assert 50 <= len(lines) <= 103
    assert "100%|##########| 50/50 images [" in lines[-1]


def test_the_time_left_leaves_out_what_came_before_the_first_call(monkeypatch):
    log_of(monkeypatch)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    clock = [0.0]
    with Progress(10, 10) as progress:
        clock[0] = 600.0  # loaded and compiled
        progress.drawn(1)
        assert "? left]" in str(progress._bar)
        clock[0] = 610.0
        progress.drawn(2)
        assert " 01:20 left]" in str(progress._bar)


def test_nothing_is_shown_where_nothing_is_missing(monkeypatch):
    log = log_of(monkeypatch)
    with Progress(3, 0) as progress:
        progress.drawn(0)
    assert log.getvalue() == ""


def on_screen(written):
    """The lines that a terminal shows: what follows a carriage return overwrites what stands there."""
    shown = []
    for line in written.split("\n"):
        cells = ""
        for part in line.split("\r"):
            cells = part + cells[len(part) :]
        shown.append(cells.rstrip())
    return shown


def test_messages_stand_on_lines_of_their_own_beside_it(monkeypatch):
    """As those of workers do, which have no bar and write to the same terminal."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(logging.root, "handlers", [])
    log_plainly("%(levelname)s: %(message)s")
    with Progress(10, 8) as progress:
        say("Compiling …", sys.stderr)
        progress.drawn(1)
        logging.warning("out of memory")
        progress.drawn(2)
    *messages, bar, end = on_screen(sys.stderr.getvalue())
    assert (messages, end) == (["Compiling …", "WARNING: out of memory"], "")
    assert bar.startswith(" 40%|")
