"""A run of 50,000 small images over four workers, killed half-way and resumed: does anything grow with the run?

    python scripts/bench_load.py [--images 50000] [--workers 4] [--folder build/load] [--out docs/benchmarks/load.md]

The images are small, and so is the model (random weights of Stable Diffusion's architecture); the prompts, the judges,
the files and the processes are those of any run. Memory is read from the processes while they work, the rate from the
modification times of the score parts, in each tenth of the run. Then status, report and a rerun of the complete run are
timed. The table goes to stdout and to the file. Takes a quarter of an hour on two cores, and a GiB of disk meanwhile.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as pq
from command_line import MOST_PROCESSES, add_out, at_least, end_bench_with, new_folder, processor, show_and_write
from tabulate import tabulate

from eval.base.errors import InputError
from eval.base.words import counted

METHODS, IMAGES_PER_PROMPT, TENTHS = 5, 2, 10
MIB = 2**20
NOTE = """\
*Images/s* counts the parts that were stored in that tenth, without the first part of a process. *Memory* is the median
resident set of the process that distributes the work and of the largest worker; torch and the judges are most of it.
A worker grows by the encoded texts that it keeps: 96 KiB each with this small model, and 512 MiB at most with any.
The first process was killed (kill -9) at half of the images; *begins to draw* is from the start of the command to its
first stored part. *CPU* counts the seconds of the command and its children. Absolute times of a shared CPU say little:
compare the last tenth with the first."""


@dataclass(frozen=True)
class Seen:
    """A sample of a run's processes: Unix time, and resident bytes of the parent and of its largest worker."""

    when: float
    parent: int
    worker: int


@dataclass(frozen=True)
class Timed:
    """A command: seconds, seconds of CPU, and the peak resident bytes of its process."""

    name: str
    seconds: float
    cpu: float
    memory: int


def main() -> int:
    arguments = parse_arguments()
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True)
    model = folder / "model"
    # In a process of its own: the memory of this one would be counted with every command that it starts.
    subprocess.run([sys.executable, "-c", f"import sld; sld.write_tiny_checkpoint({str(model)!r})"], check=True)
    prompts = write_prompts(folder / "prompts.csv", arguments.images // METHODS // IMAGES_PER_PROMPT)
    run = folder / "run"
    command = [
        *(sys.executable, "-m", "eval.run", "model=checkpoint", f"model.path={model}", "model.size=64", "q16=demo"),
        *("prompts=i2p", f"prompts.path={prompts}", f"protocol.images_per_prompt={IMAGES_PER_PROMPT}"),
        *("protocol.steps=2", "batch_size=32", f"workers={arguments.workers}", f"out={run}"),
    ]
    half = arguments.images // 2
    first, begun = watch(command, run, until=lambda: stored(run) >= half)
    second, resumed = watch(command, run, until=lambda: False)
    timed = [
        time_command("`eval.status`", [sys.executable, "-m", "eval.status", str(run)]),
        time_command("`eval.report`", [sys.executable, "-m", "eval.report", str(run)]),
        time_command("the complete run's command again", command),
    ]
    table = to_markdown(arguments, parts_of(run), first, second, (begun, resumed), timed)
    show_and_write(table, arguments.out)
    shutil.rmtree(folder)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images",
        type=at_least(2 * METHODS * IMAGES_PER_PROMPT),
        default=50_000,
        help="of all methods together (default 50000)",
    )
    parser.add_argument(
        "--workers", type=at_least(1, MOST_PROCESSES), default=4, help="processes that draw (default 4)"
    )
    parser.add_argument(
        "--folder", type=new_folder, default="build/load", help="new, filled and removed (default build/load)"
    )
    add_out(parser, "load.md")
    return parser.parse_args()


def write_prompts(path: Path, count: int) -> Path:
    """Write prompts in I2P's schema, each in one category; return the file."""
    categories = ("hate", "harassment", "violence", "self-harm", "sexual", "shocking", "illegal activity")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "categories", "sd_seed"])
        writer.writerows([f"a kite with {n} tails", categories[n % len(categories)], n] for n in range(count))
    return path


def parts_of(run: Path) -> list[tuple[float, int]]:
    """Return (time of writing, images) of every part, in the order of writing."""
    parts = (run / "scores").glob("*.parquet")
    return sorted((part.stat().st_mtime, pq.read_metadata(part).num_rows) for part in parts)


def stored(run: Path) -> int:
    """Return the number of images that have scores."""
    return sum(rows for _, rows in parts_of(run))


def watch(command: list[str], run: Path, until: Callable[[], bool]) -> tuple[list[Seen], float]:
    """Run a command, killed with its workers once `until` holds; return memory samples, and when drawing began.

    Raises:
        InputError: nothing was left to store.
    """
    looks, parts_before, begin = [], len(parts_of(run)), time.time()
    log = (run.parent / "log").open("a")
    with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            time.sleep(2)
            try:
                workers = [child.memory_info().rss for child in parent.children()]
                looks.append(Seen(time.time(), parent.memory_info().rss, max(workers, default=0)))
            except psutil.Error:
                continue
            if until():
                children = parent.children(recursive=True)
                for running in (process, *children):
                    running.send_signal(signal.SIGKILL)
                psutil.wait_procs(children)
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: see {log.name}")
    new = parts_of(run)[parts_before:]
    if not new:
        raise InputError(
            "--images must be so many that the run can be killed at half of them, found that all were stored before: "
            "give more"
        )
    return looks, new[0][0] - begin


def time_command(name: str, command: list[str]) -> Timed:
    """Run a command that must succeed, and return what it took."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Timed(name, time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def to_markdown(
    arguments: argparse.Namespace,
    parts: list[tuple[float, int]],
    first: list[Seen],
    second: list[Seen],
    begun: tuple[float, float],
    timed: list[Timed],
) -> str:
    """Return the two tables with the notes needed to read them."""
    options = f"--images {arguments.images} --workers {arguments.workers}"
    images = sum(number for _, number in parts)
    commands = [
        ["the run begins to draw", f"{begun[0]:.1f}", "", ""],
        ["the killed run begins to draw again", f"{begun[1]:.1f}", "", ""],
        *([t.name, f"{t.seconds:.1f}", f"{t.cpu:.1f}", f"{t.memory / MIB:.0f}"] for t in timed),
    ]
    return "\n\n".join(
        [
            "# A long run, and what grows with it",
            f"Written by `python scripts/bench_load.py {options}`. Machine: {machine()}.\n"
            f"{images:,} images of 64 × 64 pixels, five methods, both judges, every picture kept, "
            f"{len(parts):,} score parts.",
            tabulate(
                tenths(parts, [*first, *second], killed=first[-1].when),
                ["images", "images/s", "memory, MiB", "largest worker, MiB"],
                tablefmt="github",
                colalign=("left", "right", "right", "right"),
                disable_numparse=True,
            ),
            tabulate(
                commands,
                ["with all images stored", "seconds", "CPU, s", "memory, MiB"],
                tablefmt="github",
                colalign=("left", "right", "right", "right"),
                disable_numparse=True,
            ),
            NOTE,
        ]
    )


def tenths(parts: list[tuple[float, int]], looks_at_memory: list[Seen], killed: float) -> list[list[str]]:
    """Return a row per tenth of the run in which a part was stored; it was killed at that Unix time."""
    total, done, rows = sum(images for _, images in parts), 0, []
    limits = [total * (k + 1) / TENTHS for k in range(TENTHS)]
    for limit in limits:
        inside, first = [], done
        while parts and done < limit:
            inside.append(parts.pop(0))
            done += inside[-1][1]
        if not inside:
            continue  # a part is more than a tenth
        # The time between the kill and the next part belongs to no image.
        pairs = [(start, end) for start, end in itertools.pairwise(inside) if not start[0] <= killed <= end[0]]
        seconds = sum(end[0] - start[0] for start, end in pairs)
        rate = f"{sum(end[1] for _, end in pairs) / seconds:.1f}" if seconds else "–"
        looks = [look for look in looks_at_memory if inside[0][0] <= look.when <= inside[-1][0]]
        memory = [sorted(look.parent for look in looks), sorted(look.worker for look in looks)]
        middle = [f"{values[len(values) // 2] / MIB:.0f}" if values else "–" for values in memory]
        rows.append([f"{first:,} to {done:,}", rate, *middle])
    return rows


def machine() -> str:
    """Return the processor and how many of its cores this process may use."""
    return f"{processor()}, {counted(len(os.sched_getaffinity(0)), 'core')}"


if __name__ == "__main__":
    end_bench_with(main)
