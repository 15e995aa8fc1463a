"""A worker process of a run: it draws the units that it receives, and reports what it has stored.

Nothing heavy is imported before the work begins. Only the parent handles the signals that end a run, and lets the
workers finish their batch.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection

import sld
from eval.config.settings import Settings

# The kinds of messages of a worker.
READY, AT_WORK, DRAWN, STORED, FAILED = "ready", "at work", "drawn", "stored", "failed"
INTERVAL = 0.2  # seconds between two messages that tell how much of a batch is drawn


def work(
    settings: Settings,
    methods: Sequence[sld.Method],
    place: tuple[int, int],
    threads: int,
    draws: bool,
    first: bool,
    pipe: Connection,
) -> None:
    """Draw batches of units from the pipe until None arrives or it ends.

    Args:
        settings: of the run.
        methods: that a script brought.
        place: the number of the worker, and how many there are. Of GPUs it sees its own alone.
        threads: cores that it may use.
        draws: whether the run has anything to draw; otherwise kept pictures are judged, and nothing is compiled.
        first: whether no other was there at its start: it compiles on all cores, and says that it does.
        pipe: to the parent.
    """
    from eval.base.cores import usable_cores
    from eval.base.errors import BUG, explain
    from eval.base.garbage import collect_seldom
    from eval.base.printing import log_plainly, say
    from eval.base.signals import ignore_signals

    ignore_signals()
    collect_seldom()
    log_plainly(f"%(levelname)s: worker {place[0]}: %(message)s")
    os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(usable_cores() if first else threads))
    try:
        _work(settings, methods, place, threads, draws, first, pipe)
    except (Exception, SystemExit) as error:  # the latter would seem to be the end of its work
        with contextlib.suppress(OSError):
            pipe.send((FAILED, explain(error)))
        if explain(error)[0] == BUG:
            say(traceback.format_exc().rstrip(), sys.stderr)
            sys.exit(BUG)


def _work(
    settings: Settings,
    methods: Sequence[sld.Method],
    place: tuple[int, int],
    threads: int,
    draws: bool,
    first: bool,
    pipe: Connection,
) -> None:
    import torch

    from eval.base.signals import Stop
    from eval.generate.drawing_run import DrawingRun
    from eval.generate.trials import compile_now
    from eval.plan.batches import calls_per_picture, units_at
    from eval.plan.make import make_plan
    from eval.plan.memory import plan_sizes
    from eval.store.rundir import RunDir

    torch.set_num_threads(threads)
    run, plan = RunDir(settings.out), make_plan(settings, methods)
    lock = threading.Lock()

    def send(kind: str, content) -> None:
        # Called from the background thread too. A parent that has ended is noticed at the next `recv`.
        with lock, contextlib.suppress(OSError):
            pipe.send((kind, content))

    def stored(scores) -> None:
        keys = {(score.row, score.image) for score in scores}
        send(STORED, (keys, Counter(score.state for score in scores)))

    finished = 0  # pictures that this worker has judged later, or drawn

    def judged(scores) -> None:
        nonlocal finished
        finished += len(scores)
        stored(scores)

    opened = DrawingRun.open(run, plan, settings, threads=threads, share=place, on_judged=judged, announces=first)
    engine, rows, stop, told = opened.engine, opened.rows(), Stop(), 0.0

    def at_call(drawn: float) -> None:
        nonlocal told
        if (now := time.monotonic()) - told > INTERVAL:
            told = now
            send(AT_WORK, finished + drawn)
        if pipe.poll():  # the only message during a batch is that the run is to end
            stop.request("the run's end")
        stop.at_call()

    # Before it is ready, since others start then, and find what this one has compiled.
    if engine.tuning.compiled and draws:
        compile_now(opened.model, plan, engine.tuning, engine.batch_size)
    largest = {size: units_at(size, plan.usual_size, engine.units) for size in plan_sizes(plan)}
    send(READY, (engine.batch_size, largest, calls_per_picture(opened.model, plan)))
    with opened.storing(stored) as store:
        while units := _next(pipe):
            pictures = 0
            for batch in opened.draw([units], rows, at_call):
                pictures += len(batch.images)
                store(batch)
                if stop.reason:
                    break
            finished += pictures
            send(DRAWN, None)
    run.read_scores()  # checks that everything written is there


def _next(pipe: Connection):
    try:
        return pipe.recv()
    except (EOFError, OSError):  # the parent has ended: store the rest and end too
        return None
