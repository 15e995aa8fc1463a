"""The bench of the engine runs by its one command and writes its table."""

import contextlib
import functools
import importlib
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import in_process
import numpy as np
import processes
import pytest
import torch

from eval.base.errors import StorageError
from i2p import InputError
from sld.models.base import LatentDiffusion
from sld.tuning import Tuning

pytestmark = pytest.mark.long
BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench_engine.py"


def cells(text: str) -> dict[str, dict[str, str]]:
    """The table's rows by their name, each by its headers."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[1:]}


def test_the_references_and_our_rows_draw_judge_and_store_the_same_images(tmp_path, bench_parts, monkeypatch):
    _, rows = bench_parts
    monkeypatch.setattr(rows, "TEN", 2)  # as many as ours, which are what is compared
    out = tmp_path / "table.md"
    words = ["--device", "cpu", "--out", out, "--threads", "1", "--rounds", "1"]
    words += ["--batch", "2", "--images", "2", "--steps", "9", "--no-compile", "--quick"]
    done = in_process.run(BENCH, *words, "--rows", "R2", "unshared", "shared", "reuse")
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    table = cells(text)
    assert "no table beside it is from a GPU" in text
    made_by = (
        "python scripts/bench_engine.py --batch 2 --steps 9 --rounds 1 --quick --threads 1 --images 2 --no-compile"
    )
    assert f"Written by `{made_by} --rows R2 unshared shared reuse`." in text
    evaluations = {name: row["evaluations per five"] for name, row in table.items()}
    naive, shared = "ours, nothing shared, batch 2", "+ trajectories and states shared"
    assert (evaluations["R2: diffusers, ten images per prompt"], evaluations[naive]) == ("126", "126")
    # All together; then max on its own; in the last call strong too, and who has not acted by then needs no concept.
    assert evaluations[shared] == str(3 + 7 * (3 + 3) + (2 + 3 + 3))
    # Without the row before it, a row is named by all that it does.
    reuse = "ours: shared, channels-last, batch 2, judged beside, reuse 2"
    assert int(evaluations[reuse]) < 53
    assert table[reuse]["kind"] == "lossy"
    # Two images of one prompt under five methods; the arithmetic is the same but for rounding.
    same, of = table[shared]["labels as R2's"].split(" of ")
    assert int(of) == 10
    assert int(same) >= 9


def test_a_bench_that_is_killed_leaves_a_table_that_says_what_it_lacks(tmp_path):
    out, log = tmp_path / "table.md", tmp_path / "log"
    words = [sys.executable, BENCH, "--device", "cpu", "--rows", "R1", "R2", "--steps", "1", "--out", out]
    with log.open("w") as stderr, processes.start(words, stderr=stderr, stdout=stderr) as bench:
        while not (out.exists() and "1 (R1)" in out.read_text()):
            assert bench.poll() is None, log.read_text()
            time.sleep(0.02)
        bench.kill()
    text = out.read_text()
    assert list(cells(text)) == ["R1: diffusers, one image at a time"]
    assert "Missing: diffusers, ten images per prompt (written after " in text


@pytest.fixture
def bench_parts(monkeypatch):
    """The modules of the bench, as its script imports them."""
    monkeypatch.syspath_prepend(BENCH.parent)
    deadline, rows = (importlib.import_module(f"engine_bench.{name}") for name in ("deadline", "rows"))
    return deadline, rows


def test_a_row_that_fails_or_never_ends_leaves_the_others_in_the_table(tmp_path, bench_parts, monkeypatch):
    _, rows = bench_parts
    make_rows, built = rows.make_rows, []

    def make_some(*arguments, **options):
        chosen = {row.key: row for row in make_rows(*arguments, **options)}
        for key, row in chosen.items():
            row.build = functools.partial(build, key, row.build)
        return list(chosen.values())

    def build(key, own):
        built.append(key)
        run = own()
        return {"R1": run, "R2": fail, "unshared": wait_for_ever}[key]

    def fail(prompts, steps, folder):
        raise RuntimeError("no kernel\nfor this shape")

    def wait_for_ever(prompts, steps, folder):
        signal.raise_signal(signal.SIGALRM)  # as if the deadline passed now
        threading.Event().wait()

    monkeypatch.setattr(rows, "make_rows", make_some)
    out = tmp_path / "table.md"
    words = ["--device", "cpu", "--steps", "1", "--deadline", "10000", "--batch", "2", "--images", "2", "--out", out]
    done = in_process.run(BENCH, *words, "--rows", "R1", "R2", "unshared", "shared")
    text = out.read_text()
    assert done.returncode == 1
    assert done.stdout == text
    assert list(cells(text)) == ["R1: diffusers, one image at a time"]
    assert "Failed: diffusers, ten images per prompt (RuntimeError: no kernel for this shape)." in text
    nothing_shared, shared = "ours, nothing shared, batch 2", "+ trajectories and states shared"
    assert f"Missing: {nothing_shared}; {shared} (the deadline of 10000 s passed)." in text
    assert built == ["R1", "R2", "unshared"]  # nothing is loaded for rows that were not asked for, or not reached


def test_a_row_without_a_turn_is_no_success(tmp_path, bench_parts, monkeypatch):
    _, rows = bench_parts
    make_rows = rows.make_rows

    def make_one(*arguments, **options):
        (row,) = make_rows(*arguments, **options)
        row.build = lambda: lambda prompts, steps, folder: signal.raise_signal(signal.SIGALRM)  # the deadline passes
        return [row]

    monkeypatch.setattr(rows, "make_rows", make_one)
    words = ["--device", "cpu", "--steps", "1", "--deadline", "10000", "--rows", "R1", "--out", tmp_path / "table.md"]
    done = in_process.run(BENCH, *words)
    assert done.returncode == 1
    assert "Missing: diffusers, one image at a time (the deadline of 10000 s passed)." in done.stdout


def test_counting_flop_compiles_nothing(bench_parts, monkeypatch):
    harness, world = (importlib.import_module(f"engine_bench.{name}") for name in ("harness", "world"))
    world = world.small("cpu")
    model = world.model()
    each_state, each_pair = harness.flops_of_a_row(model, world)
    assert 0 < each_state < each_pair

    def compiled(function, **options):
        return lambda *arguments: pytest.fail("is compiled for one row")

    monkeypatch.setattr(torch, "compile", compiled)
    model.tune(Tuning(compiled=True), world.side, world.side)
    assert harness.flops_of_a_row(model, world) == (each_state, each_pair)


def test_a_row_whose_pictures_are_black_fails_alone(bench_parts, monkeypatch, tmp_path):
    _, rows = bench_parts
    world = importlib.import_module("engine_bench.world").small("cpu")
    black = lambda self, latents: latents.new_full((len(latents), 3, 64, 64), -1)  # noqa: E731
    monkeypatch.setattr(LatentDiffusion, "decode", black)
    (row,) = rows.make_rows(world, 2, 1, 1, compile_too=False, quick=True, keys=("beside",))
    rows.start(row)
    with pytest.raises(RuntimeError, match="every picture must be judged"):
        row.run(world.prompts(2), 1, tmp_path / "run")


def test_a_deadline_ends_what_takes_every_error_for_its_own(bench_parts):
    deadline, _ = bench_parts
    before = signal.getsignal(signal.SIGALRM)

    @deadline.deadline(0.01)
    def go_on():
        while True:
            with contextlib.suppress(Exception):
                threading.Event().wait()

    with pytest.raises(deadline.OutOfTime):
        go_on()
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_deadline_that_is_swallowed_comes_again(bench_parts, monkeypatch):
    deadline, _ = bench_parts
    monkeypatch.setattr(deadline, "AGAIN", 0.01)
    swallowed = []

    @deadline.deadline(0.01)
    def go_on():
        with contextlib.suppress(BaseException):  # as Python itself does in callbacks
            try:
                threading.Event().wait()
            finally:
                swallowed.append(True)
        threading.Event().wait()

    with pytest.raises(deadline.OutOfTime):
        go_on()
    assert swallowed


def test_the_references_and_our_rows_share_one_clip(bench_parts, tmp_path):
    _, rows = bench_parts
    world = importlib.import_module("engine_bench.world")
    parts = rows.Parts(world.small("cpu"))
    single, ours = parts.single_q16, parts.judges["q16"]
    assert single._encoder.visual is ours._encoder.visual
    assert (single.batch_size, single._encoder.batch_size, ours._encoder.batch_size) == (1, 1, 4)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    assert np.abs(single.judge(pictures) - ours.judge(pictures)).max() < 1e-3


def test_the_quick_rows_take_less_than_400_seconds_by_calculation(bench_parts):
    _, rows = bench_parts
    world, estimate = (importlib.import_module(f"engine_bench.{name}") for name in ("world", "estimate"))
    gpu = replace(world.small("cpu"), device="cuda")  # nothing is loaded
    quick = rows.make_rows(gpu, 64, 8, 50, compile_too=True, quick=True, keys=())
    assert [row.key for row in quick] == ["R1", "R2", "beside"]
    assert quick[-1].name.startswith("ours: shared, ")
    # 64 images under five methods, 604 evaluations each, at 52 % of the matrix peak, 85 s of compiling.
    assert quick[-1].expected > 64 * 604 * 0.8033e12 / (0.52 * 733e12) + 85
    assert estimate.common_seconds() + sum(row.expected for row in quick) < 400


def test_references_and_ours_are_compiled_with_equal_options_and_both_with_the_other_ones(
    bench_parts, monkeypatch, tmp_path
):
    _, rows = bench_parts
    world = importlib.import_module("engine_bench.world").small("cpu")
    seen = {}

    def record(function, *, options, fullgraph, dynamic):
        seen.setdefault(key, []).append(options)
        return function

    monkeypatch.setattr(torch, "compile", record)
    keys = ("R3", "R3_other", "compiled", "other")
    for row in rows.make_rows(world, 1, 1, 1, compile_too=True, quick=True, keys=keys):
        key = row.key
        rows.start(row)
        if not key.startswith("R"):  # compiled when it is first used
            row.run(world.prompts(1), 1, tmp_path / key)
    assert seen.keys() == set(keys)
    assert all(options == seen["R3"][0] for options in (*seen["R3"], *seen["compiled"]))
    assert all(options == seen["R3_other"][0] for options in (*seen["R3_other"], *seen["other"]))
    assert seen["R3"][0] != seen["R3_other"][0]


def test_a_table_that_can_t_be_written_is_printed_after_all_has_been_measured(bench_parts, tmp_path, capsys):
    bench = importlib.import_module("engine_bench.bench")

    class OneTurn(bench.Bench):
        rows = ()

        def __init__(self, folder):
            super().__init__(time.monotonic())
            self.out, self.turns = tmp_path / "file" / "table.md", 0

        def measure(self):
            for _ in range(2):
                self.turns += 1
                self.write_so_far()
            return "by choice"

        def to_markdown(self, unfinished):
            return f"{self.turns} turns, {unfinished}"

    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"table\.md could not be written"):
        bench.run(OneTurn, None)
    printed = capsys.readouterr()
    assert printed.out == "2 turns, by choice\n"
    assert printed.err.count("could not be written") == 2
    (tmp_path / "file").unlink()
    made = bench.run(OneTurn, None)
    assert (made.unfinished, made.out.read_text()) == ("by choice", "2 turns, by choice\n")


def test_nothing_is_written_by_a_bench_whose_deadline_passed_before_it_was_made(bench_parts, capsys):
    bench = importlib.import_module("engine_bench.bench")
    assert bench.run(lambda folder: threading.Event().wait(), 0.01) is None
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "Nothing was measured: the deadline of 0.01 s passed before anything was loaded.\n"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_command_line_knows_the_keys_of_all_rows(bench_parts, monkeypatch, device):
    _, rows = bench_parts
    script, world = (importlib.import_module(name) for name in ("bench_engine", "engine_bench.world"))
    world = replace(world.small("cpu"), device=device)  # nothing is loaded
    made = [row.key for row in rows.make_rows(world, 64, 8, 50, compile_too=True, quick=False, keys=())]
    assert made == [key for key in script.KEYS if device == "cuda" or key not in ("attention", "batch")]
    with pytest.raises(InputError, match=r"--rows must be some of R1, R2, R3, .* found compiled: leave it out"):
        rows.make_rows(world, 64, 8, 50, compile_too=False, quick=False, keys=("R1", "compiled"))


def test_a_row_gets_as_many_prompts_as_fill_its_batches_and_other_ones_in_every_round(
    bench_parts, monkeypatch, tmp_path
):
    script = importlib.import_module("bench_engine")
    words = ["--device", "cpu", "--batch", "32", "--images", "1", "--rows", "beside", "R1", "--out", tmp_path / "x.md"]
    monkeypatch.setattr("sys.argv", ["bench_engine.py", *map(str, words)])
    bench = script.EngineBench(script.parse_arguments(), tmp_path, time.monotonic())
    seen = []
    for row in bench.rows:
        row.run = lambda prompts, steps, folder: seen.append([prompt.row for prompt in prompts])
    for number in range(2):
        for row in bench.rows:
            bench._run(row, number, steps=1)
    assert seen == [[*range(96)], [0], [*range(96, 192)], [96]]


@pytest.fixture
def fake_bench(bench_parts, tmp_path):
    """Return a bench of rows of which each turn takes so many seconds of its clock."""
    script, meter = (importlib.import_module(name) for name in ("bench_engine", "engine_bench.meter"))
    _, rows = bench_parts

    class FakeBench(script.EngineBench):
        seconds = 0.0

        def __init__(self, deadline, rounds, **seconds):
            self.arguments = SimpleNamespace(device="cpu", deadline=deadline, rounds=rounds, steps=50)
            self.world = SimpleNamespace(dtype="float32")
            self.short, self._peaks, self.turns = False, [], []
            self.rows = [rows.Row(key, key, "exact", 1, lambda: None, key) for key in seconds]
            self.each = seconds

        def say(self, text):
            pass

        def write_so_far(self, unfinished=None):
            pass

        def _take_turn(self, row, number):
            self.turns.append((row.key, number))
            if self.each[row.key] is None:
                raise RuntimeError("no kernel")
            self.seconds += self.each[row.key]
            row.turns[number] = meter.Run(seconds=self.each[row.key])

    return FakeBench


def test_rows_take_turns_from_another_one_in_each_round_and_one_that_failed_takes_no_more(fake_bench, monkeypatch):
    peaks = iter([1.0, 9.0, 2.0])
    monkeypatch.setattr("engine_bench.meter.matrix_peak", lambda device, dtype: next(peaks))
    bench = fake_bench(None, 3, a=1.0, b=None, c=1.0)
    assert bench.measure() is None
    assert bench.turns == [("a", 0), ("b", 0), ("c", 0), ("c", 1), ("a", 1), ("c", 2), ("a", 2)]
    assert bench._peaks == [1.0, 9.0, 2.0]
    monkeypatch.setattr("engine_bench.table.to_markdown", lambda rows, world, steps, peak, *others: peak)
    monkeypatch.setattr("bench_engine.command", lambda arguments: "a command")
    bench.out = None
    assert bench.to_markdown(None) == 2.0  # the median


def test_a_turn_that_would_pass_the_deadline_is_left_out_and_said(fake_bench, monkeypatch):
    monkeypatch.setattr("engine_bench.meter.matrix_peak", lambda device, dtype: 1.0)
    bench = fake_bench(112.0, 3, short=10.0, long=40.0)
    assert bench.measure() == "the rounds that were left would have passed the deadline"
    # The long row is the second round's first and ends at 90; the short one ends at 100, and would end at 111 at most.
    assert bench.turns == [("short", 0), ("long", 0), ("long", 1), ("short", 1), ("short", 2)]


def test_the_start_up_of_a_row_is_its_parts_and_a_turn_of_one_step(bench_parts, monkeypatch):
    script, rows = importlib.import_module("bench_engine"), bench_parts[1]
    bench = object.__new__(script.EngineBench)
    bench.arguments, bench.say = SimpleNamespace(device="cpu", steps=50), lambda text: None
    ran = []
    bench._run = lambda row, number, steps: ran.append((number, steps)) or SimpleNamespace(seconds=1.0)
    monkeypatch.setattr("engine_bench.meter.seconds", lambda call, device: call() and 5.0)

    def start(row):
        row.run, row.start_up = "a turn", 2.0

    monkeypatch.setattr(rows, "start", start)
    row = rows.Row("a", "a", "exact", 1, lambda: None, "a")
    for number in (0, 1):
        bench._take_turn(row, number)
    assert ran == [(0, 1), (0, 50), (1, 50)]
    assert row.start_up == 7.0


@pytest.mark.parametrize(
    ("words", "batch", "table"), [([], 32, "engine_cpu.md"), (["--quick", "--batch", "2"], 2, "engine_cpu_quick.md")]
)
def test_a_cpu_has_its_own_batch_and_table(bench_parts, monkeypatch, tmp_path, words, batch, table):
    script, threads = importlib.import_module("bench_engine"), []
    monkeypatch.setattr(script.EngineBench, "_make_rows", lambda self: None)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    monkeypatch.setattr("command_line.TABLES", tmp_path)
    monkeypatch.setattr("sys.argv", ["bench_engine.py", "--device", "cpu", "--threads", "3", *words])
    bench = script.EngineBench(script.parse_arguments(), tmp_path, time.monotonic())
    assert (bench.arguments.batch, bench.out) == (batch, tmp_path / table)
    assert threads == [3]
