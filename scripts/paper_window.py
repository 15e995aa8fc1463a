"""A window of the paper's run: the one command on SD 1.x's architecture, and how long the whole run would take.

    python scripts/paper_window.py [--seconds 330] [--world FOLDER] [--prompts CSV] [--small] [--out FILE] [KEY=VALUE …]

It starts `python -m eval.run experiment=paper` with random weights, which cost as much as trained ones, and ends it
when the window is over. The rate is that of the parts that were stored after the first, so that loading, choosing and
compiling don't count; they are a time of their own. On an H200 where nothing has been compiled yet it takes some three
minutes until the first part is stored, and 40 s for each further one. The table is written after every part. Without
`--prompts` the texts are those of the demo world, as many as I2P has. `--small` is the demo model and the demo's
prompts instead.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from command_line import (
    ROOT,
    end_bench_with,
    folder,
    page,
    seconds,
    show_and_write,
    usable_device,
    with_table,
    write_for_now,
)

PROMPTS = 4703
IMAGES = 235_150  # of the paper's run: ten images per prompt under five methods
NOTE = """\
*Begins to draw* is from the start of the command to its first batch: imports, loading, choosing and compiling. *Begins
to store* is to the end of that batch. *Images/s* counts the batches stored after it. The weights are random, so its
numbers are of speed only."""


@dataclass(frozen=True)
class Window:
    """What a run did within a window.

    Attributes:
        parts: that were stored: seconds from the command's start to the end of each, and its images.
        chosen: seconds until it was chosen how the model runs, after which it draws; None if that was not reached.
        exit_code: of a run that ended within the window; None if it would have gone on.
    """

    parts: tuple[tuple[float, int], ...] = ()
    chosen: float | None = None
    exit_code: int | None = None

    def __str__(self) -> str:
        if self.exit_code is not None:
            return f"the run has ended with exit code {self.exit_code}"
        images = sum(images for _, images in self.parts)
        return f"images that are stored: {images}" if images else "it begins to draw"

    @property
    def rate(self) -> float | None:
        """Images per second of the parts after the first; None if there are none, or they came at once."""
        seconds = self.parts[-1][0] - self.parts[0][0] if self.parts else 0.0
        return sum(images for _, images in self.parts[1:]) / seconds if seconds > 0 else None

    @property
    def whole_run(self) -> float | None:
        """Seconds of the whole run, if it goes on like this."""
        if self.rate is None:
            return None
        first, images = self.parts[0]
        return first + (IMAGES - images) / self.rate


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # so that the run is ended too
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        words = command(arguments, Path(folder))
        window, text = Window(), ""
        for window in watch(words, Path(folder) / "run", began + arguments.seconds):
            if window.chosen:
                text = to_markdown(window, words, arguments.device, Path(folder) / "run")
                write_for_now(text, arguments.out)
    if window.exit_code is None and not window.rate:
        print("Fewer than two batches were stored, so there is no rate: give it more --seconds.", file=sys.stderr)
    if text:
        show_and_write(text, arguments.out)
    return 0 if window.rate and not window.exit_code else 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=seconds, default=330.0, help="of the window, start-up included (default 330)")
    parser.add_argument("--device", type=usable_device, default="cuda", help="default cuda")
    parser.add_argument("--small", action="store_true", help="the demo model, judge and prompts")
    parser.add_argument("--world", type=folder, help="where the random weights are kept (default: not at all)")
    parser.add_argument("--prompts", type=Path, help="I2P's csv")
    parser.add_argument("--out", type=page, help="where the table goes (default docs/benchmarks/paper_window_….md)")
    parser.add_argument("keys", nargs="*", help="further words of the command, such as batch_size=64")
    return with_table(parser.parse_args(), parser, "paper_window")


def command(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Return the words of the run, whose weights and prompts are written first.

    Raises:
        InputError: the file of prompts can't be used.
    """
    words = ["experiment=paper", f"device={arguments.device}", f"out={folder}/run"]
    if arguments.small:
        words += ["model=demo", "prompts=demo", "q16=demo"]
    else:
        from engine_bench.world import full

        import i2p

        if arguments.prompts:
            i2p.read_prompts(path=arguments.prompts)  # refused before 5 GB of weights are written
        world = full(arguments.device, (arguments.world or folder).absolute())  # the run has a folder of its own
        words += ["model=checkpoint", f"model.path={world.folder}"]
        words += [f"q16.{key}={value}" for key, value in world.clip.items()]
        prompts = arguments.prompts or write_prompts(folder / "prompts.jsonl")
        words.append(f"prompts.path={prompts.absolute()}")
    return [sys.executable, "-m", "eval.run", *words, *arguments.keys]


def write_prompts(path: Path) -> Path:
    """Write as many prompts as I2P has, with the texts of the demo world in turn."""
    import i2p

    with i2p.sources.SHIPPED["demo"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = (
        {"prompt": rows[n % len(rows)]["prompt"], "categories": rows[n % len(rows)]["categories"], "sd_seed": n}
        for n in range(PROMPTS)
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def watch(words: list[str], out: Path, end: float) -> Iterator[Window]:
    """Run the command until `end`, and yield what it has done whenever it is more, and when it has ended."""
    from eval.store.rundir import RunDir

    started, seen = time.time(), Window()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(words, cwd=ROOT, env=environment, start_new_session=True, stdout=2) as run:
        try:
            while time.monotonic() < end and seen.exit_code is None:
                time.sleep(0.2)
                exit_code = run.poll()  # before the parts, which are complete then
                parts = tuple((written - started, images) for written, images in RunDir(out).parts())
                chosen = seen.chosen or (time.time() - started if engines_of(out) else None)
                now = Window(max(parts, seen.parts, key=len), chosen, exit_code)
                if now != seen:
                    print(f"[{time.time() - started:.0f} s] {now}", file=sys.stderr)
                    yield (seen := now)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)


def engines_of(run: Path) -> list[dict]:
    """Return how the model runs, as the run has stored it for each kind of device; empty before that is chosen."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((run / "engine").glob("*.json"))]


def to_markdown(window: Window, words: list[str], device: str, run: Path) -> str:
    """Return the table of a window."""
    from engine_bench import meter

    rate, whole = window.rate, window.whole_run
    chosen = ", ".join(map(json.dumps, engines_of(run)))
    shown = [re.sub(r"=/\S*/", "=…/", word) for word in words[1:]]
    cells = [
        f"{window.chosen:.0f}",
        f"{window.parts[0][0]:.0f}" if window.parts else "–",
        str(len(window.parts)),
        str(sum(images for _, images in window.parts)),
        "–" if rate is None else f"{rate:.2f}",
        "–" if whole is None else f"{whole / 3600:.1f}",
    ]
    ended = (
        [] if window.exit_code is None else [f"The run ended within the window, with exit code {window.exit_code}.", ""]
    )
    return "\n".join(
        [
            "# A window of the paper's run",
            "",
            f"Written by `python scripts/paper_window.py`, which ran `python {' '.join(shown)}`.",
            f"Machine: {meter.machine(device)}. Chosen: {chosen}.",
            "",
            f"| begins to draw, s | begins to store, s | batches | images | images/s | {IMAGES:,} images, h |",
            "|---:|---:|---:|---:|---:|---:|",
            f"| {' | '.join(cells)} |",
            "",
            *ended,
            NOTE,
        ]
    )


if __name__ == "__main__":
    end_bench_with(main)
