"""Workers on GPUs: each on its own, and the first alone until it has chosen and compiled."""

import os
import threading
from collections import Counter
from contextlib import nullcontext, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest
import torch
from planned_units import SMALL, plan, units

import sld
from eval.base.errors import BAD_INPUT, BUG, INCOMPLETE, InputError, Stopped, WorkersLost
from eval.base.signals import Stop
from eval.config.settings import EngineSettings
from eval.generate import arithmetic, drawing_run, models, pool, worker, worker_process
from eval.generate.engine import Engine
from eval.generate.progress import Progress
from eval.generate.worker import AT_WORK, DRAWN, FAILED, READY, STORED
from eval.generate.worker_count import own_gpu
from eval.judges import nudenet
from sld.tuning import Tuning


@pytest.mark.parametrize(
    ("device", "seen", "own"),
    [
        ("auto", None, ["0", "1", "2"]),
        ("cuda", "4,GPU-5a, 6", ["4", "GPU-5a", "6"]),
        ("cpu", None, [None] * 3),
        ("cpu", "4,5,6", ["4,5,6"] * 3),
        ("cuda:1", None, [None]),
    ],
)
def test_a_worker_sees_its_own_gpu_alone_from_its_start(monkeypatch, device, seen, own):
    found = []
    variable = "CUDA_VISIBLE_DEVICES"
    process = SimpleNamespace(start=lambda: found.append(os.environ.get(variable)))
    context = SimpleNamespace(Pipe=Pipe, Process=lambda target, args, daemon: process)
    monkeypatch.setattr(worker_process.multiprocessing, "get_context", lambda kind: context)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv(variable, raising=False)
    if seen is not None:
        monkeypatch.setenv(variable, seen)
    for number in range(len(own)):
        worker_process.start_worker(SimpleNamespace(device=device), (), (number, len(own)), 1, True, first=number == 0)
    assert found == own
    assert os.environ.get(variable) == seen


@pytest.mark.parametrize(
    ("chosen", "own"),
    [
        ({}, ["0", "1"]),
        ({"HIP_VISIBLE_DEVICES": "4,GPU-5a"}, ["4", "GPU-5a"]),
        ({"CUDA_VISIBLE_DEVICES": "4,5"}, ["4", "5"]),
        ({"HIP_VISIBLE_DEVICES": "6, 7", "CUDA_VISIBLE_DEVICES": "4,5"}, ["6", "7"]),
        ({"ROCR_VISIBLE_DEVICES": "2,3"}, ["0", "1"]),  # of these two
        ({"HIP_VISIBLE_DEVICES": ""}, ["0", "1"]),  # hides none from HIP
        ({"HIP_VISIBLE_DEVICES": "", "CUDA_VISIBLE_DEVICES": "4,5"}, ["4", "5"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, ["0", "1"]),
    ],
)
def test_on_rocm_a_worker_s_gpu_is_chosen_by_the_variable_that_wins_there(monkeypatch, chosen, own):
    monkeypatch.setattr(torch.version, "hip", "7.1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    names = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    for number, gpu in enumerate(own):
        with own_gpu("auto", number):
            assert {name: os.environ.get(name) for name in names[1:]} == {name: chosen.get(name) for name in names[1:]}
            assert os.environ["HIP_VISIBLE_DEVICES"] == gpu
        assert os.environ.get("HIP_VISIBLE_DEVICES") == chosen.get("HIP_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("cuda:1", ["current 1", "used cuda:1"]),
        ("cuda:0", ["current 0", "used cuda:0"]),
        ("cuda:2", ["used cuda:2"]),  # is not here, and refused
        ("cuda", ["used cuda"]),
        ("cpu", ["used cpu"]),
    ],
)
def test_a_process_on_its_own_makes_its_device_the_current_one_before_it_uses_it(monkeypatch, name, steps):
    done = []
    monkeypatch.setattr(arithmetic, "device_of", lambda name: done.append(f"used {name}") or torch.device(name))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: done.append(f"current {number}"))
    assert models.load_judges({}, name) == {}
    with arithmetic.same_arithmetic(name):  # of judges and features that come later
        assert done == steps * 2


@pytest.mark.parametrize("error", [RuntimeError("CUDA-capable device(s) is/are busy"), torch.OutOfMemoryError("")])
def test_a_gpu_that_fails_is_refused_as_any_device_that_can_not_be_used(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", fail)
    monkeypatch.setattr(torch, "empty", fail)
    with pytest.raises(sld.InputError, match="device must be one that torch can use here, found 'cuda:1'"):
        arithmetic.current_device("cuda:1")


def test_the_thread_that_judges_makes_the_gpu_of_its_pictures_the_current_one(monkeypatch):
    steps = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: steps.append(str(device)))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: f"stream of {device}")
    monkeypatch.setattr(torch.cuda, "stream", steps.append)
    batch, streams = SimpleNamespace(on_device=SimpleNamespace(is_cuda=True, device=torch.device("cuda:3"))), []
    for _ in range(2):
        drawing_run._own_stream(batch, streams)
    assert steps == ["cuda:3", "stream of cuda:3", "stream of cuda:3"]


@pytest.mark.parametrize(("device", "gpu"), [("cuda:3", 3), ("cuda", None), ("cpu", None)])
def test_nudenet_judges_on_the_gpu_of_its_worker(monkeypatch, device, gpu):
    opened = []

    def open_session(network, providers, threads, gpu):
        opened.append(gpu)
        raise InterruptedError

    monkeypatch.setattr(nudenet, "open_session", open_session)
    with pytest.raises(InterruptedError):
        nudenet.NudeNet.load(nudenet.NudeNetSettings(), device)
    assert opened == [gpu]


@pytest.fixture
def prepared(monkeypatch):
    """What a worker does before its work, noted in place of done to the tests' own process."""
    noted = []
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("TORCHINDUCTOR_COMPILE_THREADS", raising=False)
    for module, name in (("printing", "log_plainly"), ("garbage", "collect_seldom"), ("signals", "ignore_signals")):
        monkeypatch.setattr(f"eval.base.{module}.{name}", lambda *given, name=name: noted.append((name, *given)))
    monkeypatch.setattr("eval.base.cores.usable_cores", lambda: 16)
    monkeypatch.setattr(worker, "_work", lambda *given: noted.append(given))
    return noted


@pytest.mark.parametrize(("own", "first", "compiling"), [(None, False, "4"), (None, True, "16"), ("2", True, "2")])
def test_the_first_worker_compiles_with_all_cores_and_others_with_their_part_unless_the_user_has_said_how_many(
    monkeypatch, prepared, own, first, compiling
):
    if own:
        monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", own)
    worker.work("settings", (), (1, 4), 4, True, first, "pipe")
    assert os.environ["TORCHINDUCTOR_COMPILE_THREADS"] == compiling
    assert os.environ["OMP_NUM_THREADS"] == "4"
    assert prepared == [
        ("ignore_signals",),  # before anything else, since they are held back until then
        ("collect_seldom",),
        ("log_plainly", "%(levelname)s: worker 1: %(message)s"),
        ("settings", (), (1, 4), 4, True, first, "pipe"),
    ]


def test_a_worker_whose_code_calls_sys_exit_has_failed(monkeypatch, prepared, capsys):
    """With exit code 0 its end would look like that of its work."""

    def leave(*_):
        raise SystemExit(0)

    monkeypatch.setattr(worker, "_work", leave)
    ours, theirs = Pipe()
    with pytest.raises(SystemExit) as ended:
        worker.work(None, (), (1, 4), 4, True, False, theirs)
    assert (ended.value.code, ours.recv()) == (BUG, (FAILED, (BUG, "SystemExit: 0")))
    assert "leave" in capsys.readouterr().err


def test_a_worker_that_is_refused_tells_its_parent_alone_if_that_is_still_there(monkeypatch, prepared, capsys):
    def refuse(*_):
        raise InputError("another run")

    monkeypatch.setattr(worker, "_work", refuse)
    ours, theirs = Pipe()
    worker.work(None, (), (1, 4), 4, True, False, theirs)
    assert ours.recv() == (FAILED, (BAD_INPUT, "another run"))
    ours.close()
    worker.work(None, (), (1, 4), 4, True, False, theirs)
    assert capsys.readouterr().err == ""


class Opened:
    """A run in place of one with a model and a disk: it notes how it is opened, and stores what it is given at once.

    Of each unit it draws a picture in a batch of its own, after a call at a half of it.
    """

    model = None

    def __init__(self, monkeypatch, compiled=False, judged=()):
        self.engine = Engine(4, Tuning(compiled=compiled), background=False, units=2)
        self.judged, self.options = judged, {}
        self.planned, self.drawn, self.read = [], [], []
        of_run = SimpleNamespace(usual_size=SMALL)
        monkeypatch.setattr("eval.generate.drawing_run.DrawingRun.open", self.open)
        monkeypatch.setattr("eval.plan.make.make_plan", lambda *given: self.planned.append(given) or of_run)
        monkeypatch.setattr("eval.plan.memory.plan_sizes", lambda _: [SMALL])
        monkeypatch.setattr("eval.plan.batches.calls_per_picture", lambda *_: 51)
        monkeypatch.setattr("eval.store.rundir.RunDir.read_scores", lambda _: self.read.append(1))

    def open(self, run, plan, settings, *, on_judged, **options):
        self.options = options
        for scores in self.judged:
            on_judged(scores)
        return self

    def rows(self):
        return "rows"

    def draw(self, batches, rows, at_call):
        assert rows == "rows"
        for number, row in enumerate(row for batch in batches for row in batch):
            at_call(number + 0.5)
            yield SimpleNamespace(images=[row])

    def storing(self, on_stored):
        return nullcontext(lambda batch: self.drawn.extend(batch.images) or on_stored([score(batch.images[0])]))


def score(row, state="ok"):
    return SimpleNamespace(row=row, image=0, state=state)


def told_by(monkeypatch, out, *sent, place=(0, 2), first=True, ends=False, threads=None):
    """What a worker tells its parent, who has sent it this; with `ends`, it looks for more during a batch."""
    ours, theirs = Pipe()
    if not ends:
        monkeypatch.setattr(Connection, "poll", lambda *_: False)
    for batch in sent:
        ours.send(batch)
    worker._work(SimpleNamespace(out=out), ("mine",), place, threads or torch.get_num_threads(), True, first, theirs)
    theirs.close()
    with suppress(EOFError):
        while True:
            yield ours.recv()


def test_a_worker_tells_what_it_has_judged_drawn_and_stored(monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "INTERVAL", 0)
    judged = [score(1), score(2, "judge_failed")], [score(3)]
    opened = Opened(monkeypatch, judged=judged)
    assert list(told_by(monkeypatch, tmp_path, [7, 8], [9], None, place=(1, 2), first=False)) == [
        (STORED, ({(1, 0), (2, 0)}, Counter(ok=1, judge_failed=1))),
        (STORED, ({(3, 0)}, Counter(ok=1))),
        (READY, (4, {SMALL: 2}, 51)),
        (AT_WORK, 3 + 0.5),
        (STORED, ({(7, 0)}, Counter(ok=1))),
        (AT_WORK, 3 + 1.5),
        (STORED, ({(8, 0)}, Counter(ok=1))),
        (DRAWN, None),
        (AT_WORK, 5 + 0.5),
        (STORED, ({(9, 0)}, Counter(ok=1))),
        (DRAWN, None),
    ]
    assert opened.planned == [(SimpleNamespace(out=tmp_path), ("mine",))]
    assert opened.options == {"threads": torch.get_num_threads(), "share": (1, 2), "announces": False}
    assert opened.read == [1], "what it has written is to be there"


def test_a_worker_tells_of_its_calls_five_times_a_second(monkeypatch, tmp_path):
    clock = iter([100.0, 100.1, 100.3, 100.4])
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    Opened(monkeypatch)
    told = told_by(monkeypatch, tmp_path, [5, 6, 7, 8], None)
    assert [content for kind, content in told if kind == AT_WORK] == [0.5, 2.5]


def test_a_worker_that_is_told_to_end_stores_what_it_has_drawn_and_draws_no_more(monkeypatch, tmp_path):
    opened = Opened(monkeypatch)
    told = told_by(monkeypatch, tmp_path, [7, 8, 9], None, ends=True)
    assert [kind for kind, _ in told] == [READY, AT_WORK, STORED, DRAWN]
    assert opened.drawn == [7]


def test_a_worker_gives_up_a_batch_that_outlasts_what_a_signal_waits(monkeypatch, tmp_path):
    monkeypatch.setattr("eval.base.signals.GRACE", -1)
    opened = Opened(monkeypatch)
    with pytest.raises(Stopped, match="the run's end arrived"):
        list(told_by(monkeypatch, tmp_path, [7], None, ends=True))
    assert opened.drawn == []


def test_a_worker_whose_parent_has_ended_stores_what_it_has_drawn_and_ends(monkeypatch, tmp_path):
    opened, (ours, theirs) = Opened(monkeypatch, judged=[[score(1)]]), Pipe()
    ours.send([7, 8])
    ours.close()
    worker._work(SimpleNamespace(out=tmp_path), (), (0, 2), torch.get_num_threads(), True, True, theirs)
    assert (opened.drawn, opened.read) == ([7], [1])


def test_a_worker_draws_and_judges_with_its_own_threads(monkeypatch, tmp_path):
    numbers = []
    monkeypatch.setattr(torch, "set_num_threads", numbers.append)
    opened = Opened(monkeypatch)
    assert len(list(told_by(monkeypatch, tmp_path, None, threads=7))) == 1
    assert (numbers, opened.options["threads"]) == ([7], 7)


@pytest.mark.parametrize(("compiled", "draws", "calls"), [(True, True, 1), (True, False, 0), (False, True, 0)])
def test_a_worker_compiles_before_it_is_ready_where_something_is_left_to_draw(
    monkeypatch, tmp_path, compiled, draws, calls
):
    ours, theirs = Pipe()
    called = []

    def compile_now(*_):
        assert not ours.poll(), "the others would start"
        called.append(1)

    Opened(monkeypatch, compiled)
    monkeypatch.setattr("eval.generate.trials.compile_now", compile_now)
    ours.send(None)
    worker._work(SimpleNamespace(out=tmp_path), (), (0, 2), torch.get_num_threads(), draws, True, theirs)
    assert (ours.recv()[0], len(called)) == (READY, calls)


@pytest.mark.parametrize(
    ("left", "places"), [(1, [(0, 1)]), (3, [(0, 3), (1, 3), (2, 3)]), (9, [(n, 4) for n in range(4)])]
)
def test_each_worker_has_as_many_threads_whatever_is_left_to_do(monkeypatch, left, places):
    started = []

    def start(settings, methods, *place, first):
        started.append(place)
        return SimpleNamespace(name="worker")

    monkeypatch.setattr(pool, "start_worker", start)
    monkeypatch.setattr(pool, "usable_cores", lambda: 16)
    settings = SimpleNamespace(device="cpu", engine=EngineSettings())
    for drawn in (left, 0):
        pool._Pool(Progress(9, 9), str, on_ready=lambda: None).start(settings, (), 4, drawn, left - drawn)
        assert started == [(place, 4, drawn > 0) for place in places]
        started.clear()


class Workers:
    """Threads in place of processes, which draw what they are given.

    The first ones die before they are ready, so many times each, or each dies that is given a certain row: killed, or
    by a bug that it reports.
    With `late`, the last is ready half a second after the others have drawn everything, unless it is killed before.
    """

    def __init__(self, *, die_early=0, deaths=99, deadly_row=None, exit_code=-9, bug=None, late=False):
        self.die_early, self.deadly_row, self.bug, self.late = die_early, deadly_row, bug, late
        self.deaths, self.exit_code = deaths, exit_code
        self.all_drawn, self.killed = threading.Event(), threading.Event()
        self.events, self.first, self.drawn, self.ready = [], [], Counter(), threading.Event()

    def start(self, settings, methods, place, threads, draws, *, first):
        number, _ = place
        self.events.append(f"start {number}")
        self.first += [number] * first
        ours, theirs = Pipe()
        process = SimpleNamespace(kill=self.killed.set, exitcode=0)
        thread = threading.Thread(target=self.work, args=(number, theirs, process), daemon=True)
        process.join = thread.join
        thread.start()
        return worker_process.WorkerProcess(f"worker {number}", process, ours)

    def work(self, number, pipe, process):
        if number < self.die_early and self.events.count(f"start {number}") <= self.deaths:
            process.exitcode = self.exit_code
        else:
            if self.late and number == 3:
                self.all_drawn.wait()
                self.killed.wait(0.5)
            self.events.append(f"ready {number}")
            pipe.send((READY, (64, {SMALL: 32}, 50)))
            while batch := pipe.recv():
                rows = [unit.prompt.row for unit in batch]
                if self.deadly_row in rows:
                    self.events.append(rows)
                    process.exitcode = self.exit_code
                    if self.bug:
                        pipe.send((FAILED, (BUG, self.bug)))
                    break
                self.drawn.update(rows)
                if self.drawn.total() == 300:
                    self.all_drawn.set()
                keys = {(unit.prompt.row, unit.image) for unit in batch}
                pipe.send((STORED, (keys, Counter(ok=len(keys)))))
                pipe.send((DRAWN, None))
        pipe.close()


def share_out(monkeypatch, workers, device="cuda", compiled="auto", judging=False, left=300):
    monkeypatch.setattr(pool, "start_worker", workers.start)
    settings = SimpleNamespace(device=device, engine=EngineSettings(compile=compiled))
    progress = Progress(300, 300)
    processes = pool._Pool(progress, lambda units: f"{len(units)} images", on_ready=lambda: None)
    with Stop() as stop:
        processes.start(settings, (), 4, left, 0)
        started = list(workers.events)
        processes.share_out(units(left), plan(), stop, judging=judging)
        processes.end()
    processes.check()
    assert workers.drawn == Counter(range(left))
    return started


@pytest.mark.parametrize(
    ("exit_code", "bug", "error", "words"),
    [
        (-9, None, WorkersLost, "workers died, the last of SIGKILL, and left {} images to be made: run the same"),
        (0, None, WorkersLost, "workers died, the last of exit code 0, and left {} images to be made: run the same"),
        (BUG, "KeyError: 3", RuntimeError, "workers failed, the last with KeyError: 3, and left {} images to be made"),
    ],
)
def test_what_ends_each_worker_that_draws_it_is_given_up_after_two_and_all_else_is_drawn(
    monkeypatch, exit_code, bug, error, words
):
    workers = Workers(deadly_row=70, exit_code=exit_code, bug=bug)
    with pytest.raises(error) as raised:
        share_out(monkeypatch, workers, device="cpu")
    first, second = (set(event) for event in workers.events if not isinstance(event, str))
    lost = first & second
    assert 70 in lost
    assert workers.drawn == Counter(set(range(300)) - lost)
    assert words.format(len(lost)) in str(raised.value)


def test_on_gpus_the_others_start_when_the_first_is_ready(monkeypatch):
    workers = Workers()
    started = share_out(monkeypatch, workers)
    assert [event for event in started if event.startswith("start")] == ["start 0"]
    assert workers.events.index("ready 0") < workers.events.index("start 1")
    assert [event for event in workers.events if event.startswith("start")] == [f"start {n}" for n in range(4)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_worker_that_still_judges_pictures_is_waited_for_when_all_are_drawn(monkeypatch, caplog, device):
    workers = Workers(late=True)
    share_out(monkeypatch, workers, device=device, judging=True)
    assert not workers.killed.is_set()
    idle = Workers(late=True)
    share_out(monkeypatch, idle, device=device)
    assert idle.killed.is_set(), "a worker that only loads would be waited for"
    assert caplog.text == "", "it was not lost"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("deaths", "judging", "starts"), [(1, True, 2), (99, True, 2), (99, False, 1)])
def test_a_worker_that_dies_while_it_judges_is_started_once_more(monkeypatch, device, deaths, judging, starts):
    """Its share of the kept pictures is no other's; what it would draw goes to the others."""
    workers = Workers(die_early=1, deaths=deaths)
    share_out(monkeypatch, workers, device=device, judging=judging)
    assert workers.events.count("start 0") == starts
    assert ("ready 0" in workers.events) == (deaths < starts)
    assert [workers.events.count(f"start {number}") for number in (1, 2, 3)] == [1, 1, 1]


def test_a_signal_before_the_first_worker_is_ready_ends_that_and_starts_no_other(monkeypatch, caplog):
    workers = Workers(die_early=1)
    monkeypatch.setattr(pool, "start_worker", workers.start)
    processes = pool._Pool(Progress(300, 300), str, on_ready=lambda: None)
    processes.start(SimpleNamespace(device="cuda", engine=EngineSettings()), (), 4, 300, 0)
    with Stop() as stop:
        stop.request("SIGTERM")
        processes.share_out(units(300), plan(), stop)
    processes.end()
    assert workers.killed.is_set()
    assert workers.events == ["start 0"]
    ready = Workers()
    monkeypatch.setattr(pool, "start_worker", ready.start)
    processes.start(SimpleNamespace(device="cuda", engine=EngineSettings()), (), 4, 300, 0)
    processes.end()  # whatever it still has to tell
    assert ready.events == ["start 0", "ready 0"]
    assert caplog.text == ""


@pytest.mark.parametrize(("code", "error"), [(BAD_INPUT, InputError), (INCOMPLETE, WorkersLost)])
def test_what_a_worker_is_refused_or_fails_for_ends_the_run_in_its_words(code, error):
    """A full disk, a broken judge, another run: the others would meet the same."""
    ours, theirs = Pipe()
    process = SimpleNamespace(join=lambda: None, exitcode=0)
    one = worker_process.WorkerProcess("worker 0", process, ours, batch_size=64)
    processes = pool._Pool(Progress(4, 4), str, on_ready=lambda: None)
    theirs.send((FAILED, (code, "the disk is full")))
    assert processes._receive(one)
    with pytest.raises(error, match=r"^the disk is full$"):
        processes._retire(one)


def test_the_bar_goes_back_by_what_a_worker_that_dies_had_drawn():
    """Of its batch, of which it has told before it was stored."""
    shown, (ours, theirs) = [], Pipe()
    progress = SimpleNamespace(drawn=lambda *given: shown.append(given))
    process = SimpleNamespace(join=lambda: None, exitcode=-9)
    one = worker_process.WorkerProcess("worker 0", process, ours, batch_size=64, units=units(4))
    processes = pool._Pool(progress, str, on_ready=lambda: None)
    theirs.send((AT_WORK, 3.5))
    assert processes._receive(one)
    assert processes._retire(one) == units(4)
    assert shown == [(3.5, "worker 0"), (0, "worker 0")]


def test_if_the_first_dies_before_it_is_ready_the_next_measures_and_compiles_alone_in_its_place(monkeypatch, caplog):
    workers = Workers(die_early=2)
    share_out(monkeypatch, workers)
    assert workers.events[:4] == ["start 0", "start 1", "start 2", "ready 2"]
    assert workers.events.index("ready 2") < workers.events.index("start 3")
    assert workers.first == [0, 1, 2]
    for number in range(2):
        assert f"worker {number} died (SIGKILL) before it was ready." in caplog.text


def test_a_run_whose_workers_all_die_before_they_are_ready_starts_each_of_them_and_says_what_is_left(monkeypatch):
    workers = Workers(die_early=4)
    with pytest.raises(WorkersLost, match="workers died, the last of SIGKILL, and left 300 images to be made"):
        share_out(monkeypatch, workers)
    assert workers.events == [f"start {number}" for number in range(4)]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_where_nothing_is_left_one_worker_still_compares_the_run_with_the_settings(monkeypatch, device):
    workers = Workers()
    share_out(monkeypatch, workers, device=device, left=0)
    assert workers.events == ["start 0", "ready 0"]
    assert not workers.killed.is_set()


@pytest.mark.parametrize("exit_code", [-9, 0])
def test_a_worker_that_dies_before_it_has_is_no_success_of_a_run_with_nothing_left(monkeypatch, exit_code):
    with pytest.raises(WorkersLost, match=r"the last of (SIGKILL|exit code 0), before one had opened the run"):
        share_out(monkeypatch, Workers(die_early=1, exit_code=exit_code), left=0)


@pytest.mark.parametrize(("compiled", "at_once"), [("auto", 4), (False, 4), (True, 1)])
def test_on_a_cpu_all_start_at_once_unless_they_compile(monkeypatch, compiled, at_once):
    workers = Workers()
    started = share_out(monkeypatch, workers, device="cpu", compiled=compiled)
    assert len([event for event in started if event.startswith("start")]) == at_once
    assert workers.first == [0]
