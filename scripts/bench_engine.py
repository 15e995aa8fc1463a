"""The engine beside diffusers' Safe pipeline, end to end (drawn, judged and stored), with one optimisation per row.

    python scripts/bench_engine.py [--rounds 5] [--seconds 540] [--rows R2 shared …] [--out docs/benchmarks/…]

On a GPU with SD 1.x at 512 × 512 in float16 and CLIP ViT-L/14, random weights of the real architecture; on a CPU with
the demo model. The rows take turns within each round, so that other load on the machine affects all alike; each number
is a median over rounds, each ratio the median of the rounds' own ratios. The table is written after each round.
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
from engine_bench import harness, meter, table
from engine_bench.reference import Reference
from engine_bench.world import World, full, small

from eval.generate.engine import FUSED
from sld.tuning import Tuning, fastest_attention

METHODS = ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")
MOST = 48  # prompts of a round, of which a row takes the first ones
IMAGES = 8  # per prompt in the harness's rows; as many are compared with R2's labels


@dataclass
class Row:
    """A row of the table; `run(prompts, steps, folder)` takes one turn."""

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
        world = small(device) if device == "cpu" else full(device, work)
        rows = make_rows(world, arguments.batch, arguments.images, compile_too=arguments.compile)
        rows = [row for row in rows if not arguments.rows or row.key in arguments.rows]
        for row in rows:
            print(f"starting {row.name}", file=sys.stderr, flush=True)
            row.start_up += meter.seconds(lambda row=row: turn(row, world, 0, work, steps=1), device)
        peaks = []
        for number in range(arguments.rounds):
            for row in rows[number % len(rows) :] + rows[: number % len(rows)]:
                # A row that cannot finish in time is left for a longer run; the first round is always complete.
                if number and time.monotonic() + 1.1 * row.turns[0].seconds > deadline:
                    continue
                row.turns[number] = turn(row, world, number, work, steps=arguments.steps)
                print(f"{row.name}: {row.turns[number].seconds:.1f} s", file=sys.stderr, flush=True)
            peaks.append(meter.matrix_peak(device, getattr(torch, world.dtype)))
            text = table.to_markdown(
                rows, world, arguments.steps, statistics.median(peaks), command(arguments), arguments.out
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
    parser.add_argument("--images", type=int, default=IMAGES, help=f"images per prompt in our rows (default {IMAGES})")
    parser.add_argument(
        "--no-compile", dest="compile", action="store_false", help="leave torch.compile out of our rows"
    )
    parser.add_argument("--rows", nargs="+", help="keys of some rows, such as R2 shared")
    parser.add_argument("--threads", type=int, help="torch's threads on a CPU")
    parser.add_argument("--out", type=Path, help="where the table goes (default docs/benchmarks/engine_{cpu,gpu}.md)")
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.steps, arguments.images) < 1:
        parser.error("--rounds, --steps and --images have to be 1 or more")
    cpu = arguments.device == "cpu"
    arguments.batch = arguments.batch or (32 if cpu else 64)
    arguments.out = arguments.out or Path("docs/benchmarks") / f"engine_{'cpu' if cpu else 'gpu'}.md"
    return arguments


def command(arguments: argparse.Namespace) -> str:
    choices = f" --images {arguments.images}" if arguments.images != IMAGES else ""
    choices += "" if arguments.compile else " --no-compile"
    choices += f" --rows {' '.join(arguments.rows)}" if arguments.rows else ""
    numbers = f"--batch {arguments.batch} --steps {arguments.steps} --rounds {arguments.rounds}"
    return f"python scripts/bench_engine.py {numbers}{choices}"


def make_rows(world: World, batch_size: int, images: int, *, compile_too: bool) -> list[Row]:
    """Return the references, then the harness's rows, each with the optimisations of those before; lossy ones last."""
    rows = [
        reference_row("R1", "diffusers, one image at a time", world, 1, 2 if world.device == "cpu" else 1),
        reference_row("R2", "diffusers, ten images per prompt", world, 10, 10),
        reference_row("R3", "R2 compiled, channels-last", world, 10, 10, compiled=True),
    ]
    judges = world.judges()
    models: dict[tuple[bool, bool], tuple] = {}  # by layout and compilation, with the time to load them

    def model_for(tuning: Tuning) -> tuple:
        key = tuning.channels_last, tuning.compiled
        if key not in models:
            start = time.perf_counter()
            models[key] = world.model(), time.perf_counter() - start
        return models[key]

    def add(key: str, name: str, choice: harness.Choice, batches: int = 1) -> harness.Choice:
        model, loading = model_for(choice.tuning)

        def run(prompts: list, steps: int, folder: Path) -> meter.Run:
            return harness.run(choice, world, model, judges, prompts, images, METHODS, steps, folder)

        rows.append(Row(key, name, choice.kind, batches * choice.batch_size // images, run, loading))
        return choice

    first = batch_size if world.device == "cpu" else min(batch_size, 16)
    choice = add("unshared", f"ours, nothing shared, batch {first}", harness.Choice("", "rounding", first, share=False))
    choice = add("shared", "+ trajectories and states shared", replace(choice, kind="exact", share=True))
    choice = add("layout", "+ channels-last", replace(choice, kind="rounding", tuning=Tuning(channels_last=True)))
    if world.device != "cpu":
        model, _ = model_for(choice.tuning)
        model.tune(choice.tuning)
        best = fastest(model, world, batch_size)
        choice = add(
            "attention",
            f"+ {best} attention, the fastest here",
            replace(choice, tuning=replace(choice.tuning, attention=best)),
        )
    if compile_too:
        choice = add("compiled", "+ compiled", replace(choice, tuning=replace(choice.tuning, compiled=True)))
    if first != batch_size:
        choice = add("batch", f"+ batch {batch_size}", replace(choice, batch_size=batch_size))
    # A batch is judged while the next one is drawn, which only several batches show.
    choice = add("beside", "+ judging and writing beside", replace(choice, kind="exact", background=True), batches=3)
    add("reuse", "+ reuse 2", replace(choice, kind="lossy", reuse=2), batches=3)
    return rows


def reference_row(key: str, name: str, world: World, at_once: int, images: int, *, compiled: bool = False) -> Row:
    start = time.perf_counter()
    reference = Reference(world, at_once, compiled=compiled)

    def run(prompts: list, steps: int, folder: Path) -> meter.Run:
        return reference.run(prompts, images, METHODS, steps, folder)

    return Row(key, name, "reference" if not compiled else "rounding", 1, run, start_up=time.perf_counter() - start)


def fastest(model, world: World, rows: int) -> str:
    latents = torch.zeros(rows, *model.latent_shape(world.side, world.side)).to(model.device, model.dtype)
    timestep = torch.tensor(500, device=model.device)
    texts = [tensor.expand(rows, *tensor.shape[1:]) for tensor in model.encode([""], world.side, world.side)]
    run = lambda: model.predict(model.observe(latents, timestep), timestep, texts)  # noqa: E731
    return fastest_attention(run, model.device, FUSED) or "flash"


def turn(row: Row, world: World, number: int, work: Path, *, steps: int) -> meter.Run:
    """Take one turn with the prompts of this round, as many as the row needs, the same for all rows."""
    prompts = world.prompts(MOST * (number + 1))[MOST * number :][: row.prompts]
    with tempfile.TemporaryDirectory(dir=work) as folder:
        return row.run(prompts, steps, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
