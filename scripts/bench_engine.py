"""Our engine beside diffusers' Safe pipeline, one optimisation a row, end to end: drawn, judged and stored.

    python scripts/bench_engine.py [--rounds 5] [--seconds 540] [--rows R2 shared …] [--out docs/benchmarks/…]

On a GPU with SD 1.x at 512 × 512 in float16 and CLIP ViT-L/14, random weights of the real architecture; on a CPU with
the demo model. The rows take turns within each round, so that whatever else the machine does disturbs all alike; each
number is a median over rounds, each ratio the median of the rounds' own ratios. The table is written after each round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from engine_bench import meter, ours, table, world
from engine_bench.reference import Reference
from engine_bench.world import World

from eval.generate.engine import FUSED
from sld.tuning import Tuning, fastest_attention

METHODS = ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")
MOST = 48  # prompts of a round, of which a row takes the first ones
IMAGES = 8  # of a prompt in our rows, and of these as many are compared with R2's labels


@dataclass
class Row:
    """A row of the table: `run(prompts, steps, folder)` is one turn of it."""

    key: str
    name: str
    kind: str
    prompts: int
    run: Callable[[list, int, Path], meter.Run]
    start_up: float = 0.0
    turns: dict[int, meter.Run] = field(default_factory=dict)  # by round


def main() -> int:
    arguments = parse_arguments()
    device = arguments.device
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    deadline = time.monotonic() + arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        here = world.small(device) if device == "cpu" else world.full(device, work)
        rows = make_rows(here, arguments.batch)
        rows = [row for row in rows if not arguments.rows or row.key in arguments.rows]
        for row in rows:
            print(f"starting {row.name}", file=sys.stderr, flush=True)
            row.start_up += meter.seconds(lambda row=row: turn(row, here, 0, work, steps=1), device)
        peaks = []
        for number in range(arguments.rounds):
            for row in rows[number % len(rows) :] + rows[: number % len(rows)]:
                # A row that could not end in time is left for a longer run; the first round is always whole.
                if number and time.monotonic() + 1.1 * row.turns[0].seconds > deadline:
                    continue
                row.turns[number] = turn(row, here, number, work, steps=arguments.steps)
                print(f"{row.name}: {row.turns[number].seconds:.1f} s", file=sys.stderr, flush=True)
            peaks.append(meter.matrix_peak(device, getattr(torch, here.dtype)))
            text = table.to_markdown(
                rows, here, arguments.steps, statistics.median(peaks), command(arguments), arguments.out
            )
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, help="our batch size in the end (default 64, on a CPU 32)")
    parser.add_argument("--steps", type=int, default=50, help="denoising steps (default 50)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each row at most (default 5)")
    parser.add_argument(
        "--seconds", type=float, default=1e9, help="stop taking turns then; each row has one in any case"
    )
    parser.add_argument("--rows", nargs="+", help="keys of some rows, such as R2 shared")
    parser.add_argument("--threads", type=int, help="torch's threads on a CPU")
    parser.add_argument("--out", type=Path, help="where the table goes (default docs/benchmarks/engine_{cpu,gpu}.md)")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.steps < 1:
        parser.error("--rounds and --steps have to be 1 or more")
    cpu = arguments.device == "cpu"
    arguments.batch = arguments.batch or (32 if cpu else 64)
    arguments.out = arguments.out or Path("docs/benchmarks") / f"engine_{'cpu' if cpu else 'gpu'}.md"
    return arguments


def command(arguments: argparse.Namespace) -> str:
    rows = f" --rows {' '.join(arguments.rows)}" if arguments.rows else ""
    numbers = f"--batch {arguments.batch} --steps {arguments.steps} --rounds {arguments.rounds}"
    return f"python scripts/bench_engine.py {numbers}{rows}"


def make_rows(here: World, batch_size: int) -> list[Row]:
    """The references, then our engine, each row with all that the rows before it have; lossy ones come last."""
    rows = [
        reference_row("R1", "diffusers, one image at a time", here, 1, 2 if here.device == "cpu" else 1),
        reference_row("R2", "diffusers, ten images per prompt", here, 10, 10),
        reference_row("R3", "R2 compiled, channels-last", here, 10, 10, compiled=True),
    ]
    judges = here.judges()
    models: dict[tuple[bool, bool], tuple] = {}  # one for each layout, and one that is compiled; with its load time

    def model_for(tuning: Tuning) -> tuple:
        key = tuning.channels_last, tuning.compiled
        if key not in models:
            start = time.perf_counter()
            models[key] = here.model(), time.perf_counter() - start
        return models[key]

    def add(key: str, name: str, choice: ours.Choice, batches: int = 1) -> ours.Choice:
        model, loading = model_for(choice.tuning)

        def run(prompts: list, steps: int, folder: Path) -> meter.Run:
            return ours.run(choice, here, model, judges, prompts, IMAGES, METHODS, steps, folder)

        rows.append(Row(key, name, choice.kind, batches * choice.batch_size // IMAGES, run, loading))
        return choice

    first = batch_size if here.device == "cpu" else min(batch_size, 16)
    now = add("unshared", f"ours, nothing shared, batch {first}", ours.Choice("", "rounding", first, share=False))
    now = add("shared", "+ trajectories and states shared", replace(now, kind="exact", share=True))
    now = add("layout", "+ channels-last", replace(now, kind="rounding", tuning=Tuning(channels_last=True)))
    if here.device != "cpu":
        model, _ = model_for(now.tuning)
        model.tune(now.tuning)
        best = fastest(model, here, batch_size)
        now = add(
            "attention",
            f"+ {best} attention, the fastest here",
            replace(now, tuning=replace(now.tuning, attention=best)),
        )
    now = add("compiled", "+ compiled", replace(now, tuning=replace(now.tuning, compiled=True)))
    if first != batch_size:
        now = add("batch", f"+ batch {batch_size}", replace(now, batch_size=batch_size))
    # A batch is judged while the next one is drawn, so it takes several to show.
    now = add("beside", "+ judging and writing beside", replace(now, kind="exact", beside=True), batches=3)
    add("reuse", "+ reuse 2", replace(now, kind="lossy", reuse=2), batches=3)
    return rows


def reference_row(key: str, name: str, here: World, at_once: int, images: int, *, compiled: bool = False) -> Row:
    start = time.perf_counter()
    reference = Reference(here, at_once, compiled=compiled)

    def run(prompts: list, steps: int, folder: Path) -> meter.Run:
        return reference.run(prompts, images, METHODS, steps, folder)

    return Row(key, name, "reference" if not compiled else "rounding", 1, run, start_up=time.perf_counter() - start)


def fastest(model, here: World, rows: int) -> str:
    latents = torch.zeros(rows, *model.latent_shape(here.side, here.side)).to(model.device, model.dtype)
    timestep, texts = torch.tensor(500, device=model.device), model.encode([""]).expand(rows, -1, -1)
    run = lambda: model.predict(model.observe(latents, timestep), timestep, texts)  # noqa: E731
    return fastest_attention(run, model.device, FUSED) or "flash"


def turn(row: Row, here: World, number: int, work: Path, *, steps: int) -> meter.Run:
    """One turn, on prompts of this round's own: the same for all rows, as many as a row needs."""
    prompts = here.prompts(MOST * (number + 1))[MOST * number :][: row.prompts]
    with tempfile.TemporaryDirectory(dir=work) as folder:
        return row.run(prompts, steps, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
