"""Several worker processes for one run: each has a model on a device of its own, and gets its units from this process.

The workers write their scores themselves; only units and results go through the pipes. If a worker dies, just its
current batch is lost, and others draw it.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import wait

import sld
from eval.base.cores import usable_cores
from eval.base.errors import BAD_INPUT, BUG, InputError, WorkersLost
from eval.base.signals import Stop
from eval.base.words import counted
from eval.config.settings import Settings
from eval.generate.progress import Progress
from eval.generate.worker import AT_WORK, DRAWN, FAILED, READY, STORED
from eval.generate.worker_count import count_workers
from eval.generate.worker_process import WorkerProcess, start_worker
from eval.plan.batches import Pending
from eval.plan.later_judges import pictures_to_judge
from eval.plan.plan import Plan, Unit
from eval.store.rundir import RunDir
from sld.devices import device_type

log = logging.getLogger(__name__)

# A unit is given up after so many workers died with it, and a share of the kept pictures after as many that judged it:
# it may be the cause.
TRIES = 2


def make_missing(run: RunDir, plan: Plan, settings: Settings, methods: Sequence[sld.Method] = ()) -> None:
    """Draw, judge and store the missing images of this shard in several processes (`eval.generate.sources`).

    Raises:
        WorkersLost: some images could not be made because workers died, or none lived to open the run.
        InputError: the first that a worker raised.
        Stopped: a signal arrived.
        RuntimeError: the same, because workers failed with a bug.
    """
    from eval.generate.kept import pictures_to_redraw, set_aside

    count, stored = count_workers(settings.workers, settings.device), run.read_stored()
    redrawn = pictures_to_redraw(run, plan, settings.judges) if settings.verify else set()
    units = plan.missing(stored.drawn - redrawn)
    unjudged = pictures_to_judge(run.read_manifest(), stored, settings.judges)
    waiting = [key for key in unjudged if key in plan.shard_images and key not in redrawn]
    with Progress(len(plan.shard_images), plan.count_images(units) + len(waiting)) as progress, Stop() as stop:
        # Nothing is set aside before a worker has checked that this is the same run.
        pool = _Pool(progress, lambda u: counted(plan.count_images(u), "image"), lambda: set_aside(run, redrawn))
        try:
            pool.start(settings, methods, count, len(units), len(waiting))
            pool.share_out(units, plan, stop, judging=bool(waiting))
        finally:
            pool.end()
        stop.check()
        pool.check()


class _Pool:
    """The workers and the units of each."""

    def __init__(self, progress: Progress, in_images: Callable[[list[Unit]], str], on_ready: Callable[[], None]):
        self._progress, self._in_images = progress, in_images
        self._on_ready, self._opened = on_ready, False
        self._deaths: Counter[tuple[int, int]] = Counter()  # by unit
        self._starts: list[tuple[str, Callable[..., WorkerProcess]]] = []  # of the workers so far, by name
        self._lost: list[Unit] = []
        self._cause = ""
        self._bugs_only = True
        self._workers: list[WorkerProcess] = []
        self._unstarted: deque[Callable[..., WorkerProcess]] = deque()
        self._count = 0

    def start(self, settings: Settings, methods: Sequence[sld.Method], count: int, left: int, unjudged: int) -> None:
        """Start the workers; some seconds later they wait for units.

        Where choices are measured or compiled, one starts alone and the others when it is ready: they take over what
        it has chosen and compiled, and no two measure at a time. If it dies before that, the next one takes its place.

        Args:
            settings: of the run.
            methods: that a script brought.
            count: how many there are to be. It divides the cores, even if fewer start: on a CPU the last bits of
                pictures depend on the threads, so they must not depend on where the run was interrupted.
            left: how many units are to be made; no more workers start than these and `unjudged` together.
            unjudged: how many kept pictures are to be judged.
        """
        threads = max(1, usable_cores() // count)
        self._count = min(count, max(1, left + unjudged))
        places = ((number, self._count) for number in range(self._count))
        self._unstarted.extend(partial(start_worker, settings, methods, place, threads, left > 0) for place in places)
        self._start_others(1 if _chooses(settings) else self._count)

    def _start_others(self, most: int) -> None:
        for _ in range(min(most, len(self._unstarted))):
            start = self._unstarted.popleft()
            self._workers.append(start(first=not self._workers))
            self._starts.append((self._workers[-1].name, start))

    def _start_again(self, name: str) -> None:
        """Have a worker that died start once more, unless it has been started `TRIES` times."""
        starts = [start for started, start in self._starts if started == name]
        if len(starts) < TRIES:
            self._unstarted.append(starts[0])

    def share_out(self, units: Sequence[Unit], plan: Plan, stop: Stop, *, judging: bool = False) -> None:
        """Send units to waiting workers until all are stored, or until `stop` has a reason.

        One is waited for even if nothing is left to do: it tells whether the folder holds the run of these settings.
        With `judging`, each worker judges its share of the kept pictures before it is ready, and is waited for. If
        it dies before, it is started once more, since no other judges its share.
        """
        pending = Pending(units, self._count, plan)
        while self._workers and not stop.reason:
            at_work = any(w.units or (judging and not w.batch_size) for w in self._workers)
            if self._opened and not pending and not at_work:
                break
            for worker in self._workers:
                if worker.waiting and pending:
                    worker.give(pending.next(worker.batch_size, worker.largest, worker.calls))
            # With a timeout, because a signal is only noticed between two waits.
            for pipe in wait([worker.pipe for worker in self._workers], timeout=0.5):
                worker = next(w for w in self._workers if w.pipe is pipe)
                if not self._receive(worker):
                    self._workers.remove(worker)
                    units_left = self._retire(worker)
                    if judging and not worker.batch_size:
                        self._start_again(worker.name)
                    pending.put_back(units_left, len(self._workers) + len(self._unstarted))
                    self._start_others(1)  # others are left only if it was not ready yet
        self._lost += pending.units()

    def end(self) -> None:
        """Let every worker store its batch and end, and wait for it; a second ctrl-C kills them.

        Workers that are not ready yet are killed: they draw nothing, and what they have judged is stored.
        """
        self._unstarted.clear()
        loading = [worker for worker in self._workers if not worker.batch_size]
        try:
            for worker in self._workers:
                if worker in loading:
                    worker.process.kill()
                with contextlib.suppress(OSError):  # it has ended already
                    worker.pipe.send(None)
            for worker in self._workers:
                while self._receive(worker):
                    pass
                worker.process.join()
        except KeyboardInterrupt:
            for worker in self._workers:
                worker.process.kill()
            raise
        self._workers = [worker for worker in self._workers if worker not in loading]

    def check(self) -> None:
        """Raise the error of a worker, or `WorkersLost` if some units were not made or none has opened the run."""
        for worker in self._workers:
            self._lost += self._retire(worker)
        if self._lost or not self._opened:
            end = "before one had opened the run"
            if self._lost:
                end = f"and left {self._in_images(self._lost)} to be made"
            if self._bugs_only:
                raise RuntimeError(f"workers failed, the last with {self._cause}, {end}")
            raise WorkersLost(f"workers died, the last of {self._cause}, {end}: run the same command again to retry")

    def _receive(self, worker: WorkerProcess) -> bool:
        """Receive one message; return False if the worker has ended."""
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            return False
        if kind == READY:
            worker.batch_size, worker.largest, worker.calls = content
            worker.waiting = True
            self._start_others(len(self._unstarted))
            if not self._opened:
                self._opened = True
                self._on_ready()
        elif kind == AT_WORK:
            self._progress.drawn(content, worker.name)
        elif kind == DRAWN:
            worker.waiting = True
        elif kind == STORED:
            keys, states = content
            worker.units = [unit for unit in worker.units if _key(unit) not in keys]
            self._progress.count(states, worker.name)
        elif kind == FAILED:
            worker.failure = content
        return True

    def _retire(self, worker: WorkerProcess) -> list[Unit]:
        """Return the unfinished units of a worker that has ended; raise an error that all workers would have."""
        worker.process.join()
        if worker.failure is None and worker.process.exitcode == 0 and worker.batch_size and not worker.units:
            return []
        code, sentence = worker.failure or (BUG, worker.cause_of_end())
        if code != BUG:  # bad input, a full disk, a broken judge
            raise InputError(sentence) if code == BAD_INPUT else WorkersLost(sentence)
        self._progress.drawn(0, worker.name)
        left = f"with {self._in_images(worker.units)} left to do" if worker.batch_size else "before it was ready"
        log.warning("%s died (%s) %s.", worker.name, sentence, left)
        self._cause = sentence
        self._bugs_only &= worker.failure is not None
        self._deaths.update(_key(unit) for unit in worker.units)
        retried = [unit for unit in worker.units if self._deaths[_key(unit)] < TRIES]
        self._lost += [unit for unit in worker.units if unit not in retried]
        return retried


def _key(unit: Unit) -> tuple[int, int]:
    return unit.prompt.row, unit.image


def _chooses(settings: Settings) -> bool:
    """Return whether a worker measures or compiles before it is ready."""
    return settings.engine.compile is True or device_type(settings.device) == "cuda"
