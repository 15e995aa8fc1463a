"""Work in the background: in order, bounded, nothing lost and nothing kept for longer than it is needed."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import processes
import pyarrow.parquet as pq
import pytest
import torch

from eval.generate import drawing_run
from eval.generate.background import DEPTH, Background
from eval.judges.nudenet import NudeNet
from eval.judges.q16 import Q16
from eval.run import main

WAIT = 30  # seconds after which something that should happen is taken not to
SMALL = ["prompts.rows=0-4", "protocol.steps=2", "methods=[baseline]", "batch_size=1", "images=none", "sheet=false"]
SMALL += ["judges=[q16]"]


def put_all(work, items, *, threaded=True):
    with Background(work, threaded=threaded) as background:
        for item in items:
            background.put(item)


@pytest.mark.parametrize("threaded", [True, False])
def test_items_are_worked_on_in_order_and_all_of_them(threaded):
    done = []
    put_all(done.append, range(50), threaded=threaded)
    assert done == list(range(50))


@pytest.mark.parametrize("threaded", [True, False])
def test_work_has_a_thread_of_its_own_or_the_callers(threaded):
    threads = []
    put_all(lambda item: threads.append(threading.get_ident()), [1], threaded=threaded)
    assert (threads == [threading.get_ident()]) is not threaded


def test_without_a_thread_work_is_done_when_put_returns_and_its_error_is_puts():
    done = []
    with Background(lambda item: done.append(1 / item), threaded=False) as background:
        background.put(1)
        assert done == [1]
        with pytest.raises(ZeroDivisionError):
            background.put(0)


class Broken(Exception):
    pass


class Breaks:
    """Work that notes its items, and breaks on one of them when it may."""

    def __init__(self, item):
        self.item, self.done, self.may = item, [], threading.Event()

    def __call__(self, item):
        if item == self.item:
            assert self.may.wait(WAIT)
            raise Broken(item)
        self.done.append(item)


def test_an_error_is_raised_at_a_later_put_and_what_comes_after_it_is_dropped():
    work, taken = Breaks(3), []

    def items():
        for item in range(1000):
            yield item
            taken.append(item)
            if item == 3 + DEPTH:  # so many wait behind the one that breaks
                work.may.set()

    with pytest.raises(Broken, match="3"):
        put_all(work, items())
    assert work.done == [0, 1, 2]
    assert taken[-1] <= 3 + DEPTH + 1  # the loop does not go on for long


def test_an_error_on_the_last_item_is_raised_on_leaving():
    work = Breaks(2)
    work.may.set()
    with pytest.raises(Broken, match="2"):
        put_all(work, range(3))
    assert work.done == [0, 1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_was_handed_over_before_the_loop_failed_is_finished(error):
    done, failing = [], threading.Event()

    def work(item):
        assert failing.wait(WAIT)
        time.sleep(0.01)  # a loop that does not wait would be gone by then
        done.append(item)

    def items():
        yield from range(DEPTH + 1)
        failing.set()
        raise error

    with pytest.raises(error):
        put_all(work, items())
    assert done == list(range(DEPTH + 1))


def test_a_slow_disk_slows_the_loop():
    """With its worker blocked, the queue takes DEPTH items beside the one at work, and no more."""
    at_work, go, full, passed = threading.Event(), threading.Event(), threading.Event(), threading.Event()
    put = []

    def work(item):
        at_work.set()
        assert go.wait(WAIT)

    def loop():
        with Background(work, threaded=True) as background:
            background.put(0)
            assert at_work.wait(WAIT)
            for item in range(1, DEPTH + 1):
                background.put(item)
            put.append(background._queue.full())
            full.set()
            background.put(DEPTH + 1)
            passed.set()

    thread = threading.Thread(target=loop)
    thread.start()
    assert full.wait(WAIT)
    assert put == [True]
    assert not passed.wait(0.2)
    go.set()
    assert passed.wait(WAIT)
    thread.join(WAIT)
    assert not thread.is_alive()


class Item:
    pass


def test_a_finished_item_is_released_while_the_worker_waits_for_the_next():
    finished = threading.Semaphore(0)
    with Background(lambda item: finished.release(), threaded=True) as background:
        seen = []
        for _ in range(2):
            item = Item()
            seen.append(weakref.ref(item))
            background.put(item)
            del item
            assert finished.acquire(timeout=WAIT)
        deadline = time.monotonic() + WAIT
        while any(ref() is not None for ref in seen) and time.monotonic() < deadline:
            gc.collect()
            time.sleep(0.001)  # between the end of the work and the release there is a step or two
        assert [ref() for ref in seen] == [None, None]


def scores(out):
    rows = pq.read_table(out / "scores").to_pylist()
    return {(r["method"], r["row"], r["image"]): (r["state"], r["digest"], r["q16_safe"]) for r in rows}


def test_in_the_background_the_same_pictures_get_the_same_verdicts(tmp_path, call):
    small = [*SMALL, "prompts.rows=0-2", "protocol.steps=1", "methods=[baseline,sld_max]"]
    for background in (True, False):
        out = tmp_path / str(background)
        assert call(main, f"out={out}", *small, f"engine.background={background}") == 0
    assert scores(tmp_path / "True") == scores(tmp_path / "False")
    assert len(scores(tmp_path / "True")) == 6


@pytest.mark.parametrize("background", [True, False])
def test_judges_see_what_the_process_is_set_to_whatever_the_denoiser_does(tmp_path, monkeypatch, call, background):
    """Attention and cuDNN are set for all threads: what one changes, another sees at random."""
    seen, hooks, records, draw = set(), [], Q16.records, drawing_run.draw

    def flags():
        return torch._C._get_sdp_priority_order()[0], torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32

    def judging(self, images):
        hook = self._encoder.visual.register_forward_hook(lambda *_: seen.add(flags()))
        try:
            return records(self, images)
        finally:
            hook.remove()

    def drawing(model, *arguments):
        hooks.append(model.unet.conv_in.register_forward_hook(lambda *_: seen.add(flags())))
        return draw(model, *arguments)

    monkeypatch.setattr(Q16, "records", judging)
    monkeypatch.setattr(drawing_run, "draw", drawing)
    options = ["engine.attention=math", f"engine.background={background}"]
    assert call(main, f"out={tmp_path / 'run'}", *SMALL, *options) == 0
    hooks.pop().remove()  # the next command has the same model
    assert seen == {(0, True, False)}  # 0: the plain attention


def test_a_judge_that_fails_on_everything_stops_a_run_in_the_background_with_its_cause(
    tmp_path, monkeypatch, capfd, call
):
    def broken(self, images):
        raise RuntimeError("no detector")

    monkeypatch.setattr(NudeNet, "judge", broken)
    assert (
        call(main, f"out={tmp_path / 'run'}", *SMALL, "judges=[nudenet]", "batch_size=4", "engine.background=true") == 3
    )
    assert "nudenet failed on each of 2 pictures; the first: no detector" in capfd.readouterr().err
    assert not (tmp_path / "run" / "scores").exists()


def test_an_interrupted_run_stores_what_was_handed_over(tmp_path, monkeypatch, capfd, call):
    draw = drawing_run.draw

    def interrupted(*arguments):
        for number, batch in enumerate(draw(*arguments)):
            if number == 3:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(drawing_run, "draw", interrupted)
    out = tmp_path / "run"
    assert call(main, f"out={out}", *SMALL, "engine.background=true") == 3
    assert "run the same command again to resume" in capfd.readouterr().err
    assert sorted(row for _, row, _ in scores(out)) == [0, 1, 2]


def test_a_signal_ends_a_run_once_the_batch_at_work_is_stored(tmp_path, monkeypatch, capfd, call):
    draw = drawing_run.draw

    def signalled(*arguments):
        for number, batch in enumerate(draw(*arguments)):
            if number == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    monkeypatch.setattr(drawing_run, "draw", signalled)
    out = tmp_path / "run"
    assert call(main, f"out={out}", *SMALL, "engine.background=false") == 3
    assert "SIGTERM arrived" in capfd.readouterr().err
    assert sorted(row for _, row, _ in scores(out)) == [0, 1]


def test_ctrl_c_ends_a_run_with_a_background_thread_cleanly(tmp_path):
    out = tmp_path / "stopped"
    words = [f"out={out}", "engine.background=true", "batch_size=1", "protocol.steps=5", "judges=[q16]"]
    command = [sys.executable, "-m", "eval.run", *words]
    with processes.start(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        while len(list((out / "scores").glob("*.parquet"))) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 3, errors
    assert "run the same command again to resume" in errors
    assert "Traceback" not in errors
    assert len(scores(out)) >= 2
    assert not [path for path in out.rglob("*") if path.name.endswith(".tmp")]
