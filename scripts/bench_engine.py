"""The engine beside diffusers' Safe pipeline, end to end (drawn, judged and stored), with one optimisation per row.

    python scripts/bench_engine.py [--rounds 5] [--deadline 540] [--quick] [--rows R2 shared …] [--out FILE]

On a GPU with SD 1.x at 512 × 512 in float16 and CLIP ViT-L/14, random weights of the real architecture; on a CPU with
the demo model. The rows take turns within each round, so that other load on the machine affects all alike; each number
is a median over rounds, each ratio the median of the rounds' own ratios. The table is written after every turn and says
what it lacks, so that a bench that is killed leaves one too.

`--quick` is R1, R2 and the last exact row of ours, which takes less than 400 s on an H200 or H100 by calculation; R3,
which is compiled twice, then takes a call of its own: `--quick --rows R3 beside`. R3 is compiled with the options that
ours is; the rows `R3_other` and `other` have the other ones.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import (
    MOST_PROCESSES,
    MOST_STEPS,
    at_least,
    end_bench_with,
    folder,
    page,
    seconds,
    usable_device,
    with_table,
)
from engine_bench.bench import Bench, failure_of, run

if TYPE_CHECKING:
    from engine_bench.rows import Row
    from engine_bench.world import World

MOST = 48  # prompts of a round, of which a row takes the first ones; more where a row needs more
KEYS = (
    *("R1", "R2", "R3", "R3_other"),
    *("unshared", "shared", "layout", "attention", "compiled", "batch", "beside", "reuse", "other"),
)
IMAGES = 8  # per prompt in the harness's rows; as many are compared with R2's labels


def main() -> int:
    began, arguments = time.monotonic(), parse_arguments()
    bench = run(lambda folder: EngineBench(arguments, folder, began), arguments.deadline)
    return 1 if bench is None or any(row.failure or not row.turns for row in bench.rows) else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", type=usable_device, help="default cuda where there is one, else cpu")
    parser.add_argument("--batch", type=at_least(1), help="our batch size in the end (default 64, on a CPU 32)")
    parser.add_argument("--steps", type=at_least(1, MOST_STEPS), default=50, help="denoising steps (default 50)")
    parser.add_argument("--rounds", type=at_least(1), default=5, help="turns of each row at most (default 5)")
    parser.add_argument("--deadline", type=seconds, help="seconds after which whatever runs is given up")
    parser.add_argument(
        "--images", type=at_least(1), default=IMAGES, help=f"images per prompt in our rows (default {IMAGES})"
    )
    parser.add_argument(
        "--no-compile", dest="compile", action="store_false", help="leave torch.compile out of our rows"
    )
    parser.add_argument("--rows", nargs="+", choices=KEYS, default=[], metavar="KEY", help=f"some of {', '.join(KEYS)}")
    parser.add_argument("--quick", action="store_true", help="R1, R2 and ours, with one batch's images per turn")
    parser.add_argument("--small", action="store_true", help="the demo model on a GPU too")
    parser.add_argument("--world", type=folder, help="where the random weights are kept (default: not at all)")
    parser.add_argument("--threads", type=at_least(1, MOST_PROCESSES), help="torch's threads on a CPU")
    parser.add_argument("--out", type=page, help="where the table goes (default docs/benchmarks/engine_DEVICE.md)")
    arguments = parser.parse_args()
    if arguments.device is None:
        import torch

        arguments.device = "cuda" if torch.cuda.is_available() else "cpu"
    return with_table(arguments, parser, "engine", "_quick" * arguments.quick)


class EngineBench(Bench):
    """The rows, their turns, and the table that is written after each of them."""

    def __init__(self, arguments: argparse.Namespace, work: Path, began: float):
        import torch

        super().__init__(began)
        self.arguments, self._work = arguments, work
        self.short = False  # whether turns were left out because they would not end before the deadline
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        arguments.batch = arguments.batch or (32 if arguments.device == "cpu" else 64)
        self.out = arguments.out
        self._make_rows()

    def _make_rows(self) -> None:
        from engine_bench import estimate, world
        from engine_bench.rows import make_rows

        chosen = self.arguments
        self.world: World = world.chosen(chosen.device, chosen.world or self._work, demo=chosen.small)
        self.rows: list[Row] = make_rows(
            self.world,
            chosen.batch,
            chosen.images,
            chosen.steps,
            compile_too=chosen.compile,
            quick=chosen.quick,
            keys=chosen.rows,
        )
        self._peaks: list[float] = []
        parts = ", ".join(f"{row.key} {row.expected:.0f} s" for row in self.rows)
        total = estimate.common_seconds() + sum(row.expected for row in self.rows)
        self.say(f"one round of full size takes {total:.0f} s on an H200 or H100, by calculation ({parts})")

    def measure(self) -> str | None:
        """Take all turns, round by round, as far as the deadline allows; a row that fails takes no further ones."""
        from engine_bench import meter

        dtype = self.world.dtype
        self.write_so_far("nothing has been measured yet")
        for number in range(self.arguments.rounds):
            self._peaks.append(meter.matrix_peak(self.arguments.device, dtype))
            for row in self.rows[number % len(self.rows) :] + self.rows[: number % len(self.rows)]:
                if row.failure or (number and self._is_too_long(row)):
                    continue
                try:
                    self._take_turn(row, number)
                except Exception as error:
                    row.failure = failure_of(error)
                self.write_so_far()
        return "the rounds that were left would have passed the deadline" if self.short else None

    def _is_too_long(self, row: Row) -> bool:
        """Return whether another turn of a row would pass the deadline."""
        limit = self.arguments.deadline
        longest = max((turn.seconds for turn in row.turns.values()), default=0.0)
        too_long = limit is not None and self.seconds + 1.1 * longest > limit
        self.short |= too_long
        return too_long

    def _take_turn(self, row: Row, number: int) -> None:
        from engine_bench import meter, rows

        if row.run is None:
            self.say(f"starting {row.name}")
            rows.start(row)
            row.start_up += meter.seconds(lambda: self._run(row, 0, steps=1), self.arguments.device)
            self.say(f"{row.name}: started in {row.start_up:.0f} s")
        row.turns[number] = self._run(row, number, steps=self.arguments.steps)
        self.say(f"{row.name}: {row.turns[number].seconds:.1f} s")

    def _run(self, row: Row, number: int, *, steps: int):
        """Take one turn with the prompts of this round, as many as the row needs, the same for all rows."""
        most = max(MOST, *(row.prompts for row in self.rows))
        prompts = self.world.prompts(most * (number + 1))[most * number :][: row.prompts]
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            return row.run(prompts, steps, Path(folder))

    def to_markdown(self, unfinished: str | None) -> str:
        """Return the table."""
        from engine_bench import table

        chosen = self.arguments
        peak = statistics.median(self._peaks) if self._peaks else float("nan")
        return table.to_markdown(self.rows, self.world, chosen.steps, peak, command(chosen), self.out, unfinished)


def command(arguments: argparse.Namespace) -> str:
    """Return the command line, without what changes no number."""
    choices = " --quick" if arguments.quick else ""
    choices += " --small" if arguments.small else ""
    choices += f" --threads {arguments.threads}" if arguments.threads else ""
    choices += f" --images {arguments.images}" if arguments.images != IMAGES else ""
    choices += "" if arguments.compile else " --no-compile"
    choices += f" --rows {' '.join(arguments.rows)}" if arguments.rows else ""
    numbers = f"--batch {arguments.batch} --steps {arguments.steps} --rounds {arguments.rounds}"
    return f"python scripts/bench_engine.py {numbers}{choices}"


if __name__ == "__main__":
    end_bench_with(main)
