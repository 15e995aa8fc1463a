"""How long commands take to answer, and where the time of the demo goes.

    python scripts/bench_answer.py [--repeats 5] [--folder build/answer] [--out docs/benchmarks/answer.md]

Each command is a process of its own. In each round every command runs once, and so does `import torch`, whose seconds
say how fast the machine was meanwhile. Seconds are of CPU, of all cores together, since a shared machine's clock says
little. The demo is drawn once, in this process, with a clock on each of its parts. The tables go to stdout and to the
file. Takes five minutes on two cores.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command_line import add_out, at_least, end_bench_with, new_folder, processor, show_and_write
from tabulate import tabulate

from eval.base.words import counted

TORCH = "python -c 'import torch'"
# The parts of the demo: what is printed, and the function that it is, as module, attributes.
PARTS = {
    "loading the judges (open_clip and onnxruntime are imported)": ("eval.generate.models", "load_judges"),
    "loading the model (diffusers and transformers are imported)": ("eval.generate.models", "load_model"),
    "UNet: stages that see no text": ("sld.models.base", "LatentDiffusion.observe"),
    "UNet: the rest": ("sld.models.base", "LatentDiffusion.predict"),
    "decoder": ("sld.models.base", "LatentDiffusion.decode"),
    "NudeNet": ("eval.judges.nudenet", "NudeNet.judge"),
    "encoding PNG": ("eval.generate.drawing_run", "encode_png"),
    "report": ("eval.run", "_report"),
}
DRAWN, LOADED = "the same, its figures drawn anew", "the same, its model loaded all the same"
FORGOTTEN = {DRAWN: "cache/figures-*.json", LOADED: "cache/*.json"}  # files that are removed before such a command
NOTE = """\
*Ratio* is to `import torch` in the same round. A report of the numbers that the last one had reads its figures; *its
figures drawn anew* is a report of other numbers or names. A complete run loads no model where settings, files, program
and machine are those of its last opening (docs/running.md, "A complete run"); *its model loaded all the same* is the
same command after the files in `cache/` have been removed, as any rerun was before there was one."""


def main() -> int:
    arguments = parse_arguments()
    folder = arguments.folder.absolute()
    folder.mkdir(parents=True)
    demo = folder / "demo"
    parts = draw_demo(demo)
    commands = {
        TORCH: ["-c", "import torch"],
        "`--help`": ["-m", "eval.run", "--help"],
        "a mistyped key": ["-m", "eval.run", "modell=demo"],
        "a wrong `out=`": ["-m", "eval.run", f"out={demo / 'manifest.json' / 'run'}"],
        "a wrong `prompts.path=`": ["-m", "eval.run", "prompts=i2p", f"prompts.path={folder}/none.csv"],
        "a wrong `model.path=`": ["-m", "eval.run", "model=checkpoint", f"model.path={folder}/none"],
        "a wrong run in `eval.report`": ["-m", "eval.report", f"{folder}/none"],
        "`eval.status` of the demo": ["-m", "eval.status", str(demo)],
        "`eval.report` of the demo": ["-m", "eval.report", str(demo)],
        DRAWN: ["-m", "eval.report", str(demo)],
        "`eval.run` of the complete demo": ["-m", "eval.run", f"out={demo}"],
        LOADED: ["-m", "eval.run", f"out={demo}"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(arguments.repeats):
        for name, words in commands.items():
            for file in demo.glob(FORGOTTEN.get(name, "nothing")):
                file.unlink()
            seconds[name].append(cpu_seconds(words))
    text = to_markdown(arguments, seconds, parts)
    show_and_write(text, arguments.out)
    shutil.rmtree(folder)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=at_least(1), default=5, help="rounds, of which medians are taken (default 5)")
    parser.add_argument(
        "--folder", type=new_folder, default="build/answer", help="new, filled and removed (default build/answer)"
    )
    add_out(parser, "answer.md")
    return parser.parse_args()


def cpu_seconds(words: list[str]) -> float:
    """Run Python with these words, and return the seconds of CPU that it and its threads took."""
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, *words], **streams)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 2):  # 2: a refusal
        raise SystemExit(f"python {' '.join(words)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def draw_demo(out: Path) -> list[tuple[str, float]]:
    """Draw the demo in this process; return (name, seconds of CPU) of its parts, which add up to all of it."""
    taken = dict.fromkeys(PARTS, 0.0)
    for name, part in PARTS.items():
        place, attribute = located(part)
        setattr(place, attribute, clocked(getattr(place, attribute), name, taken))
    # Importing the modules above is the first part: what a run imports before it loads anything, torch above all.
    imports = time.process_time()
    from eval.run import main as run

    sys.argv = ["eval.run", f"out={out}"]
    try:
        run()
    except SystemExit as end:
        if end.code:
            raise
    rest = time.process_time() - imports - sum(taken.values())
    return [
        ("imports before that, torch above all", imports),
        *taken.items(),
        ("all the rest, such as Q16, guidance and the schedulers", rest),
    ]


def located(part: tuple[str, str]) -> tuple[Any, str]:
    """Return the module or class that has the function of a part, and its name there."""
    *owner, attribute = part[1].split(".")
    return functools.reduce(getattr, owner, importlib.import_module(part[0])), attribute


def clocked(function: Callable, name: str, taken: dict[str, float]) -> Callable:
    """Return the function with a clock: what a call takes is added to `taken[name]`, in seconds of CPU."""

    @functools.wraps(function)
    def clocked(*arguments, **options):
        begin = time.process_time()
        try:
            return function(*arguments, **options)
        finally:
            taken[name] += time.process_time() - begin

    return clocked


def to_markdown(arguments: argparse.Namespace, seconds: dict[str, list[float]], parts: list[tuple[str, float]]) -> str:
    """Return the two tables with the notes needed to read them."""
    rows = []
    for name, taken in seconds.items():
        ratios = [one / torch for one, torch in zip(taken, seconds[TORCH], strict=True)]
        rows.append([name, f"{statistics.median(taken):.2f}", f"{statistics.median(ratios):.2f}"])
    total = sum(taken for _, taken in parts)
    shares = [[name, f"{taken:.1f}", f"{100 * taken / total:.0f}"] for name, taken in parts]
    layout: dict[str, Any] = {"tablefmt": "github", "disable_numparse": True}
    return "\n\n".join(
        [
            "# Time to answer",
            f"Written by `python scripts/bench_answer.py --repeats {arguments.repeats}`. Machine: {machine()}. Seconds "
            "of CPU, medians.",
            tabulate(rows, ["command", "CPU, s", "ratio"], colalign=("left", "right", "right"), **layout),
            NOTE,
            "## Where the time of the demo goes",
            f"The first `python -m eval.run`, 315 pictures: {total:.0f} seconds of CPU.",
            tabulate(shares, ["part", "CPU, s", "%"], colalign=("left", "right", "right"), **layout),
        ]
    )


def machine() -> str:
    """Return processor and cores."""
    threads = os.environ.get("OMP_NUM_THREADS")
    limit = f", OMP_NUM_THREADS={threads}" if threads else ""
    return f"{processor()}, {counted(os.cpu_count(), 'core')}{limit}"


if __name__ == "__main__":
    end_bench_with(main)
