"""The table of one call of the denoiser, and of the kernels that take its time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from engine_bench import meter
from engine_bench.one_call import CALLS, PICTURES, Measured
from engine_bench.world import World
from eval.base.words import counted

TOP = 14  # kernels that are named
HEADERS = (
    "tuning", "rows", "ms per call", "with cuDNN's search", "ms per row", "TFLOP/s", "of the peak", "decoder, ms",
    "starts after, s",
)  # fmt: skip
NOTE = f"""\
A call is the whole UNet for this many latent states, each with one text. *Of the peak* is the UNet's FLOP, counted,
beside those of one large matrix product measured here. Times are medians of {CALLS} calls. *With cuDNN's search* for
the fastest convolutions, which may differ between processes, so that no run does it. *Decoder* is per picture,
{PICTURES} at once. *Starts after* is from tuning to the end of the first call: compiling included, while every compiled
variant compiles. *Other options* for torch.compile are torch's own, with which some kernels are chosen by their time
meanwhile. The kernels are those of one call; where that takes longer than their sum, the device waits."""


def to_markdown(
    rows: Sequence[Measured], world: World, peak: float, flops: float, command: str, unfinished: str | None
) -> str:
    """Return the table.

    Args:
        rows: of it.
        world: that was measured.
        peak: FLOP/s of one large matrix product.
        flops: of one row of a call.
        command: that measured.
        unfinished: why rows are missing; None if none are.
    """
    lines = [
        "# One call of the denoiser",
        "",
        f"Written by `{command}`. Machine: {meter.machine(world.device)}.",
        f"Model: {world.name}, {world.dtype}, {flops / 1e12:.3g} TFLOP per row.",
        f"Matrix peak: {peak / 1e12:.3g} TFLOP/s.",
        "",
        f"| {' | '.join(HEADERS)} |",
        "|---|" + "---:|" * (len(HEADERS) - 1),
        *(_line(row, flops, peak) for row in rows if not row.failure),
        "",
        *(f"Failed: {row.variant}, {counted(row.variant.rows, 'row')} ({row.failure})." for row in rows if row.failure),
        *([f"Unfinished: {unfinished}."] if unfinished else []),
        NOTE,
        *_profiles(rows),
    ]
    return "\n".join(lines)


def _line(row: Measured, flops: float, peak: float) -> str:
    rate = row.variant.rows * flops / row.call
    cells = [
        str(row.variant),
        str(row.variant.rows),
        f"{row.call * 1e3:.1f}",
        f"{row.searched * 1e3:.1f}",
        f"{row.call / row.variant.rows * 1e3:.2f}",
        f"{rate / 1e12:.3g}",
        f"{rate / peak:.0%}",
        f"{row.picture * 1e3:.1f}",
        f"{row.start:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _profiles(rows: Sequence[Measured]) -> Iterator[str]:
    """Yield the kernels of the fastest variant, by time per row, uncompiled and compiled."""
    for compiled in (False, True):
        measured = [row for row in rows if not row.failure and row.variant.tuning.compiled is compiled]
        if not measured:
            continue
        row = min(measured, key=lambda row: row.call / row.variant.rows)
        total = sum(row.kernels.values())
        yield f"\n## {row.variant}, {counted(row.variant.rows, 'row')}: {total * 1e3:.1f} ms of kernels\n"
        yield from _shares("kind of kernel", row.kinds, total, len(row.kinds))
        yield ""
        yield from _shares("kernel", row.kernels, total, TOP)


def _shares(header: str, seconds_by_name: Counter, total: float, count: int) -> Iterator[str]:
    yield from (f"| {header} | ms | % |", "|---|---:|---:|")
    for name, seconds in seconds_by_name.most_common(count):
        yield f"| {name[:110].replace('|', '¦')} | {seconds * 1e3:.2f} | {seconds / total:.1%} |"
