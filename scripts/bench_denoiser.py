"""One call of the denoiser: its time by layout, attention, compilation and rows, and the kernels that take it.

    python scripts/bench_denoiser.py [--rows 16 32 64 128] [--deadline 240] [--world FOLDER] [--out FILE]

On a GPU with SD 1.x at 512 × 512 in float16, random weights of the real architecture; on a CPU, or with `--small`, the
demo model. Uncompiled code is measured in this process, compiled variants in processes of their own, all of which
compile at once; whoever measures holds a lock. The table is written after every variant.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

TOP = 14  # kernels that are named
HEADERS = (
    "tuning", "rows", "ms per call", "with cuDNN's search", "ms per row", "TFLOP/s", "of the peak", "decoder, ms",
    "starts after, s",
)  # fmt: skip
NOTE = """\
A call is the whole UNet for this many latent states, each with one text. *Of the peak* is the UNet's FLOP, counted,
beside those of one large matrix product measured here. Times are medians of {calls} calls. *With cuDNN's search* for
the fastest convolutions, which may differ between processes, so that no run does it. *Decoder* is per picture,
{pictures} at once. *Starts after* is from tuning to the end of the first call: compiling included, while every compiled
variant compiles. The kernels are those of one call; where that takes longer than their sum, the device waits."""


def main() -> int:
    began, arguments = time.monotonic(), parse_arguments()
    from engine_bench.deadline import OutOfTime, deadline

    unfinished, bench = None, None
    with tempfile.TemporaryDirectory() as folder:
        try:
            with deadline(arguments.deadline):
                bench = Bench(arguments, Path(folder), began)
                bench.measure()
        except OutOfTime:
            unfinished = f"the deadline of {arguments.deadline:g} s passed"
        finally:
            for child in multiprocessing.active_children():
                child.kill()
        if bench is None:
            print(f"Nothing was measured: {unfinished} before anything was loaded.", file=sys.stderr)
            return 1
        print(bench.write(unfinished))
    return 1 if unfinished or any(row.failure for row in bench.rows) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="default cuda")
    parser.add_argument("--rows", nargs="+", type=int, default=[16, 32, 64, 128], help="of an uncompiled call")
    parser.add_argument("--compiled-rows", nargs="*", type=int, default=[64, 128], help="of a compiled call")
    parser.add_argument("--small", action="store_true", help="the demo model on a GPU too")
    parser.add_argument("--deadline", type=float, help="seconds after which whatever runs is given up")
    parser.add_argument("--world", type=Path, help="where the random weights are kept (default: not at all)")
    parser.add_argument("--out", type=Path, help="where the table goes (default docs/benchmarks/denoiser_DEVICE.md)")
    arguments = parser.parse_args()
    if min([*arguments.rows, *arguments.compiled_rows]) < 1:
        parser.error("--rows and --compiled-rows have to be 1 or more")
    return arguments


class Bench:
    """The variants, what was measured of them, and the table."""

    def __init__(self, arguments: argparse.Namespace, work: Path, began: float):
        from engine_bench import meter, world

        self.arguments, self._began = arguments, began
        folder = arguments.world or work
        folder.mkdir(parents=True, exist_ok=True)
        small = arguments.device == "cpu" or arguments.small
        self.world = world.small(arguments.device) if small else world.full(arguments.device, folder)
        if arguments.out is None:
            name = "cpu" if arguments.device == "cpu" else meter.machine(arguments.device).partition(",")[0]
            file = f"denoiser_{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.md"
            arguments.out = Path(__file__).resolve().parents[1] / "docs" / "benchmarks" / file
        self.rows: list = []
        self.peak = self.flops = float("nan")

    def measure(self) -> None:
        """Measure everything; the compiled variants start first and end last."""
        import torch
        from engine_bench import meter

        context = multiprocessing.get_context("spawn")
        lock = context.Lock()
        variants = list(self._compiled())
        threads = str(max(1, len(os.sched_getaffinity(0)) // (len(variants) + 1)))
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = threads
        with ProcessPoolExecutor(
            max(1, len(variants)), mp_context=context, initializer=_take, initargs=(lock,)
        ) as pool:
            waiting = [pool.submit(_measure_alone, self.world, variant) for variant in variants]
            self._say(f"{len(variants)} variants compile, with {threads} threads each")
            with lock:
                self.peak = meter.matrix_peak(self.arguments.device, self.world.dtype)
            self._measure_uncompiled(lock)
            torch.cuda.empty_cache()
            for done in as_completed(waiting):
                self._add(done.result())

    def _measure_uncompiled(self, lock) -> None:
        from engine_bench import harness, one_call

        from sld.tuning import ATTENTION, Tuning

        model = self.world.model()
        self.flops = sum(harness.flops_of_a_row(model, self.world))
        most = max(self.arguments.compiled_rows or self.arguments.rows)
        rows = min(64, most)
        measure = functools.partial(one_call.measure, self.world, model, alone=lock)
        for name in (None, *ATTENTION[:-1]):
            self._add(_tried(measure, one_call.Variant(Tuning(attention=name), rows)))
        calls = {row.variant.tuning.attention: row.call for row in self.rows if not row.failure}
        best = min(calls, key=calls.get)
        for rows in self.arguments.rows:
            self._add(_tried(measure, one_call.Variant(Tuning(True, best), rows)))

    def _compiled(self) -> Iterator:
        import torch
        from engine_bench import harness, one_call

        from sld.tuning import Tuning

        names = ("flash",) if self.arguments.device == "cpu" else ("cudnn", "flash")
        for rows in self.arguments.compiled_rows:
            first = rows == self.arguments.compiled_rows[0]
            for name in names if first else names[:1]:
                yield one_call.Variant(Tuning(True, name, True, compiled_decoder=first), rows)
            if first:
                yield one_call.Variant(Tuning(False, names[0], True), rows)
                other = tuple(harness.other_options(torch.device(self.arguments.device)).items())
                yield one_call.Variant(Tuning(True, names[0], True), rows, other)

    def _add(self, row) -> None:
        self.rows.append(row)
        self._say(f"{row.variant}, {row.variant.rows} rows: {row.failure or f'{row.call * 1e3:.1f} ms'}")
        self.write(f"written after {time.monotonic() - self._began:.0f} s; no later table was written")

    def write(self, unfinished: str | None) -> str:
        """Write the table, whole or not at all, and return it."""
        from engine_bench import meter, one_call

        lines = [
            "# One call of the denoiser",
            "",
            f"Written by `python scripts/bench_denoiser.py`. Machine: {meter.machine(self.arguments.device)}.",
            f"Model: {self.world.name}, {self.world.dtype}. Matrix peak: {self.peak / 1e12:.3g} TFLOP/s. One row:",
            f"{self.flops / 1e12:.3g} TFLOP.",
            "",
            f"| {' | '.join(HEADERS)} |",
            "|---|" + "---:|" * (len(HEADERS) - 1),
            *(self._line(row) for row in self.rows if not row.failure),
            "",
            *(f"Failed: {row.variant}, {row.variant.rows} rows ({row.failure})." for row in self.rows if row.failure),
            *([f"Unfinished: {unfinished}."] if unfinished else []),
            NOTE.format(calls=one_call.CALLS, pictures=one_call.PICTURES),
            *self._profiles(),
        ]
        text = "\n".join(lines) + "\n"
        out = self.arguments.out
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(f"{out.name}.{os.getpid()}")
        partial.write_text(text, encoding="utf-8")
        partial.replace(out)
        return text

    def _line(self, row) -> str:
        rate = row.variant.rows * self.flops / row.call
        decoder = "–" if row.picture is None else f"{row.picture * 1e3:.1f}"
        cells = [
            str(row.variant),
            str(row.variant.rows),
            f"{row.call * 1e3:.1f}",
            f"{row.searched * 1e3:.1f}",
            f"{row.call / row.variant.rows * 1e3:.2f}",
            f"{rate / 1e12:.3g}",
            f"{rate / self.peak:.0%}",
            decoder,
            f"{row.start:.0f}",
        ]
        return f"| {' | '.join(cells)} |"

    def _profiles(self) -> Iterator[str]:
        """Yield the kernels of the fastest variant, by time per row, uncompiled and compiled."""
        for compiled in (False, True):
            rows = [row for row in self.rows if not row.failure and row.variant.tuning.compiled is compiled]
            if not rows:
                continue
            row = min(rows, key=lambda row: row.call / row.variant.rows)
            total = sum(row.kernels.values())
            yield f"\n## {row.variant}, {row.variant.rows} rows: {total * 1e3:.1f} ms of kernels\n"
            yield from _shares("kind of kernel", row.kinds, total, len(row.kinds))
            yield ""
            yield from _shares("kernel", row.kernels, total, TOP)

    def _say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:.0f} s] {text}", file=sys.stderr, flush=True)


def _shares(header: str, counter, total: float, count: int) -> Iterator[str]:
    yield from (f"| {header} | ms | % |", "|---|---:|---:|")
    for name, seconds in counter.most_common(count):
        yield f"| {name[:110].replace('|', '¦')} | {seconds * 1e3:.2f} | {seconds / total:.1%} |"


_lock = None


def _take(lock) -> None:
    global _lock
    _lock = lock


def _measure_alone(world, variant):
    from engine_bench import one_call

    return _tried(lambda variant: one_call.measure(world, world.model(), variant, _lock), variant)


def _tried(measure, variant):
    from engine_bench import one_call

    try:
        return measure(variant)
    except Exception as error:
        traceback.print_exc()
        return one_call.Measured(variant, failure=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


if __name__ == "__main__":
    sys.exit(main())
