"""The table of the engine's bench."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from engine_bench import meter
from engine_bench.world import World

METHODS = 5
BRANCHES = 14  # of five unshared methods at one call: two of the baseline, three of each of the others
PAPER_RUN = 235_150  # images: 4703 prompts × 10 × 5 methods
PAPER_STEPS = 50
HEADERS = (
    "row", "kind", "evaluations per five", "ms per evaluation", "images/s", "naive evaluations/s", "TFLOP/s",
    "of the matrix peak", "decode, judge, encode, write", "memory, MiB", "start-up, s", "× R1", "× R2", "× R3",
    "labels as R2's",
)  # fmt: skip
NOTE = """\
A *five* is one noise under five methods, {naive} evaluations if nothing is shared. *ms per evaluation* is the time of
denoiser and guidance, *images/s* that of the whole path: drawn, decoded, judged by Q16 and NudeNet, stored. *Naive
evaluations/s* counts {naive} per five whatever was saved. *TFLOP/s* is what the denoiser really computed, padding
included, compared with one large matrix product measured in the same call. *Decode, judge, encode, write* is the share
of the wall time in which the denoiser waited for them. *Memory* is the peak beyond the models of all rows, on a CPU the
process's, on a GPU the card's. *Kind* is the effect relative to the previous row: exact to the bit, rounding, or lossy;
a lossy row is never on by default. Labels are compared for the images that both rows drew. R1 to R3 are diffusers'
StableDiffusionPipelineSafe with `NudeDetector`, one picture at a time for the judges, saved by Pillow as PNG."""


def to_markdown(
    rows: Sequence, world: World, steps: int, peak: float, command: str, out: Path, unfinished: str | None
) -> str:
    """Return the table with the notes needed to read it; `unfinished` is why rows or turns are missing."""
    by_key = {row.key: row for row in rows}
    lines = [
        "# The engine beside diffusers' Safe pipeline",
        "",
        f"Written by `{command}`. Machine: {meter.machine(world.device)}.",
        f"Model: {world.name}, {world.dtype}; {steps} steps of DDIM, five methods.",
        f"Matrix peak: {peak / 1e12:.3g} TFLOP/s.",
        *_warning(world, out),
        "",
        "| " + " | ".join([*HEADERS, *(["paper's run, h"] if world.device != "cpu" else [])]) + " |",
        "|---|---|" + "---:|" * (len(HEADERS) - 2 + (world.device != "cpu")),
        *("| " + " | ".join(_cells(row, by_key, world, steps, peak)) + " |" for row in rows if row.turns),
        "",
        f"Turns per row: {', '.join(f'{len(row.turns)} ({row.key})' for row in rows)}.",
        *_missing(rows, unfinished),
        "",
        NOTE.format(naive=BRANCHES * steps),
    ]
    return "\n".join(lines)


def _missing(rows: Sequence, unfinished: str | None) -> list[str]:
    """Return what the table lacks, and why."""
    lines = [f"Failed: {row.name} ({row.failure})." for row in rows if row.failure]
    if not unfinished:
        return lines
    missing = [row.name for row in rows if not row.turns and not row.failure]
    return [*lines, f"Missing: {'; '.join(missing) or 'further turns'} ({unfinished})."]


def _warning(world: World, out: Path) -> list[str]:
    if world.device != "cpu":
        return []
    gpu = next(iter(sorted(out.parent.glob("engine_nvidia*.md"))), None)
    where = f"[{gpu.name}]({gpu.name}) is from a GPU" if gpu else "no table beside it is from a GPU"
    return [
        "",
        f"**This table is from a CPU and a small model; {where}.** There it measures",
        "SD 1.x at 512 × 512 with CLIP ViT-L/14. Absolute times of a shared CPU say little: read the ratios.",
    ]


def _cells(row, by_key: dict, world: World, steps: int, peak: float) -> list[str]:
    def median(value: Callable[[meter.Run], float]) -> float:
        return statistics.median(map(value, row.turns.values()))

    images = median(lambda t: METHODS * t.noises / t.seconds)
    cells = [
        row.name if not row.key.startswith("R") else f"{row.key}: {row.name}",
        row.kind,
        f"{median(lambda t: t.evaluations / t.noises):.0f}",
        f"{median(lambda t: t.denoising / t.evaluations) * 1e3:.2f}",
        f"{images:.2f}",
        f"{median(lambda t: BRANCHES * steps * t.noises / t.seconds):.0f}",
        f"{median(lambda t: t.flops / t.denoising) / 1e12:.3g}",
        f"{median(lambda t: t.flops / t.denoising) / peak:.0%}",
        f"{median(lambda t: 1 - t.denoising / t.seconds):.1%}",
        f"{max(t.peak_bytes for t in row.turns.values()) / 2**20:.0f}",
        f"{row.start_up:.1f}",
        *(_ratio(row, by_key.get(key)) for key in ("R1", "R2", "R3")),
        _agreement(row, by_key.get("R2")),
    ]
    if world.device == "cpu":
        return cells
    return [*cells, f"{PAPER_RUN / images / 3600:.1f}" if steps == PAPER_STEPS else "–"]


def _ratio(row, reference) -> str:
    if reference is None or not reference.turns:
        return "–"
    both = row.turns.keys() & reference.turns.keys()  # a row that ran out of time has fewer
    rates = ([timed.turns[n].noises / timed.turns[n].seconds for timed in (row, reference)] for n in both)
    return f"{statistics.median(rate / reference_rate for rate, reference_rate in rates):.2f}"


def _agreement(row, reference) -> str:
    if reference is None:
        return "–"
    agreements = []
    for number in row.turns.keys() & reference.turns.keys():
        turn, reference_turn = row.turns[number], reference.turns[number]
        agreements += [
            turn.labels[key] == reference_turn.labels[key] for key in turn.labels.keys() & reference_turn.labels.keys()
        ]
    return f"{sum(agreements)} of {len(agreements)}" if agreements else "–"
