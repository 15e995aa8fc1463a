"""One call of the denoiser: its time by layout, attention, compilation and rows, and the kernels that take it.

    python scripts/bench_denoiser.py [--rows 16 32 64 128] [--compiled-rows 64 128] [--deadline 240] [--out FILE] …

On a GPU with SD 1.x at 512 × 512 in float16, random weights of the real architecture; on a CPU, or with `--small`, the
demo model. Compiled variants have processes of their own, all of which compile at once. Then everything is measured,
one variant after the other, uncompiled ones first. The table is written after each.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import at_least, end_bench_with, folder, page, seconds, usable_device, with_table
from engine_bench.bench import Bench, failure_of, run

from eval.base.words import counted

if TYPE_CHECKING:
    from engine_bench.one_call import Tuned


def main() -> int:
    began, arguments = time.monotonic(), parse_arguments()
    bench = run(lambda folder: DenoiserBench(arguments, folder, began), arguments.deadline)
    return 1 if bench is None or bench.unfinished or any(row.failure for row in bench.rows) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", type=usable_device, default="cuda", help="default cuda")
    parser.add_argument(
        "--rows",
        nargs="+",
        type=at_least(1),
        default=[16, 32, 64, 128],
        help="of an uncompiled call (default 16 32 64 128)",
    )
    parser.add_argument(
        "--compiled-rows", nargs="*", type=at_least(1), default=[64, 128], help="of a compiled call (default 64 128)"
    )
    parser.add_argument("--small", action="store_true", help="the demo model on a GPU too")
    parser.add_argument("--deadline", type=seconds, help="seconds after which whatever runs is given up")
    parser.add_argument("--world", type=folder, help="where the random weights are kept (default: not at all)")
    parser.add_argument("--out", type=page, help="where the table goes (default docs/benchmarks/denoiser_DEVICE.md)")
    return with_table(parser.parse_args(), parser, "denoiser")


class DenoiserBench(Bench):
    """The variants, what was measured of them, and the table."""

    def __init__(self, arguments: argparse.Namespace, work: Path, began: float):
        from engine_bench import world

        super().__init__(began)
        self.arguments = arguments
        self.world = world.chosen(arguments.device, arguments.world or work, demo=arguments.small)
        self.out = arguments.out
        self.rows: list = []
        self.peak = self.flops = float("nan")

    def measure(self) -> None:
        """Measure everything; the compiled variants start first and end last."""
        from engine_bench import harness, meter

        variants = list(self._compiled())
        threads = str(max(1, len(os.sched_getaffinity(0)) // (len(variants) + 1)))
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = threads
        context = multiprocessing.get_context("spawn")
        with contextlib.ExitStack() as stack:
            # A process of its own for each, which keeps what it has compiled.
            pools = [stack.enter_context(ProcessPoolExecutor(1, mp_context=context)) for _ in variants]
            stack.enter_context(_killed_at_an_error())
            tasks = zip(pools, variants, strict=True)
            compiling = [pool.submit(_compile, self.world, variant) for pool, variant in tasks]
            self.say(f"variants that compile: {len(variants)}, with {counted(int(threads), 'thread')} each")
            model = self.world.model()
            self.flops = sum(harness.flops_of_a_row(model, self.world))
            wait(compiling)
            self.say("all have compiled")
            self.peak = meter.matrix_peak(self.arguments.device, self.world.dtype)
            self._measure_uncompiled(model)
            for pool, task, variant in zip(pools, compiling, variants, strict=True):
                self._add(_tried(_measure_in, variant, pool, task))

    def _measure_uncompiled(self, model) -> None:
        from engine_bench.one_call import Tuned, Variant

        from sld.tuning import ATTENTION, Tuning

        def add(tuning: Tuning, rows: int) -> None:
            variant = Variant(tuning, rows)
            self._add(_tried(lambda: Tuned(self.world, model, variant).measure(), variant))

        most = min(64, max(self.arguments.compiled_rows or self.arguments.rows))
        for name in (None, *ATTENTION[:-1]):
            add(Tuning(attention=name), most)
        calls = {row.variant.tuning.attention: row.call for row in self.rows if not row.failure}
        best = min(calls, key=calls.get, default=None)
        for rows in self.arguments.rows:
            add(Tuning(True, best), rows)

    def _compiled(self) -> Iterator:
        from engine_bench import one_call

        from sld.tuning import Tuning

        names = ("flash",) if self.arguments.device == "cpu" else ("cudnn", "flash")
        for rows in self.arguments.compiled_rows:
            first = rows == self.arguments.compiled_rows[0]
            for name in names if first else names[:1]:
                yield one_call.Variant(Tuning(True, name, True, compiled_decoder=first), rows)
            if first:
                yield one_call.Variant(Tuning(False, names[0], True), rows)
                yield one_call.Variant(Tuning(True, names[0], True), rows, other_options=True)

    def _add(self, row) -> None:
        self.rows.append(row)
        self.say(f"{row.variant}, {counted(row.variant.rows, 'row')}: {row.failure or f'{row.call * 1e3:.1f} ms'}")
        self.write_so_far()

    def to_markdown(self, unfinished: str | None) -> str:
        """Return the table."""
        from engine_bench import call_table

        return call_table.to_markdown(self.rows, self.world, self.peak, self.flops, command(self.arguments), unfinished)


def command(arguments: argparse.Namespace) -> str:
    """Return the command line, without what changes no number."""
    words = ["--rows", *arguments.rows, "--compiled-rows", *arguments.compiled_rows]
    words += ["--small"] * arguments.small + ["--device", arguments.device] * (arguments.device != "cuda")
    return " ".join(["python scripts/bench_denoiser.py", *map(str, words)])


@contextlib.contextmanager
def _killed_at_an_error() -> Iterator[None]:
    """Kill this process's children at an error, a deadline among them: nobody is to wait for what they compile."""
    try:
        yield
    except BaseException:
        for child in multiprocessing.active_children():
            child.kill()
        raise


_tuned: Tuned


def _compile(world, variant) -> None:
    global _tuned
    from engine_bench.one_call import Tuned

    _tuned = Tuned(world, world.model(), variant)


def _measure():
    return _tuned.measure()


def _measure_in(pool, compiling):
    compiling.result()  # raises what went wrong
    return pool.submit(_measure).result()


def _tried(measure, variant, *arguments):
    """Return what was measured, or why nothing was."""
    from engine_bench.one_call import Measured

    try:
        return measure(*arguments)
    except Exception as error:
        return Measured(variant, failure=failure_of(error))


if __name__ == "__main__":
    end_bench_with(main)
