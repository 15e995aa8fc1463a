"""A worker process as its parent sees it: how it starts, what it is given, and why it has ended."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import sld
from eval.base.command import safe_path
from eval.base.signals import signals_held_back
from eval.config.settings import Settings
from eval.generate.worker import work
from eval.generate.worker_count import own_gpu
from eval.plan.plan import Size, Unit


@dataclass(eq=False)
class WorkerProcess:
    """A worker and what it has.

    Attributes:
        name: for messages.
        process: of `multiprocessing`.
        pipe: to it.
        batch_size: rows of its denoiser calls; 0 until it is ready.
        largest: units of a batch by picture size.
        calls: of its denoiser, that a picture takes.
        waiting: whether it waits for a batch.
        units: sent to it and not stored yet.
        failure: the exit code and the sentence that it ended with, if it could tell.
    """

    name: str
    process: Any
    pipe: Connection
    batch_size: int = 0
    largest: dict[Size, int] = field(default_factory=dict)
    calls: int = 0
    waiting: bool = False
    units: list[Unit] = field(default_factory=list)
    failure: tuple[int, str] | None = None

    def give(self, batch: Sequence[Unit]) -> None:
        """Send it a batch."""
        self.units += batch
        self.waiting = False
        with contextlib.suppress(OSError):  # it has just died: its pipe ends, and its units go to others
            self.pipe.send(batch)

    def cause_of_end(self) -> str:
        """Return the signal or the exit code with which it ended."""
        code = self.process.exitcode
        with contextlib.suppress(ValueError):  # of an exit of its own, and a real-time signal, which has no name
            return signal.Signals(-code).name
        return f"exit code {code}"


def start_worker(
    settings: Settings, methods: Sequence[sld.Method], place: tuple[int, int], threads: int, draws: bool, *, first: bool
) -> WorkerProcess:
    """Start a worker (`eval.generate.worker.work`).

    Args:
        settings: of the run.
        methods: that a script brought.
        place: the number of the worker, and how many there are.
        threads: cores that it may use.
        draws: whether the run has anything to draw.
        first: whether no other is there yet; it compiles alone.
    """
    # Spawned, because a forked process can't use CUDA.
    context = multiprocessing.get_context("spawn")
    parent_pipe, worker_pipe = context.Pipe()
    arguments = settings, tuple(methods), place, threads, draws, first, worker_pipe
    process = context.Process(target=work, args=arguments, daemon=True)
    with safe_path(), own_gpu(settings.device, place[0]), signals_held_back():
        process.start()
    worker_pipe.close()
    return WorkerProcess(f"worker {place[0]}", process, parent_pipe)
