"""The NudeNet judge beside the `nudenet` package, on the same pictures: equal results, and how much faster.

    python scripts/bench_nudenet.py [--images 24] [--rounds 9] [--out docs/benchmarks/nudenet.md]

Each core count is measured in a fresh process that is pinned to that many cores before onnxruntime is imported. The
detectors take turns, so that other work on the machine disturbs all of them alike; medians over the rounds are
reported, and ratios are medians of each round's own ratio. The table goes to stdout and to the file.
"""

import argparse
import gc
import itertools
import multiprocessing
import os
import platform
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from command_line import add_out, at_least, end_bench_with, processor, show_and_write

from eval.base.words import counted

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")
OURS, DEFAULT, ONE_THREAD = "i2p-bench", "nudenet, as installed", "nudenet, one inference thread"
NOTE = f"""\
"{DEFAULT}" is `NudeDetector()`, called picture by picture; its session starts one inference thread per core of the
*machine* and pins them itself, also to cores that the process was pinned away from: where its CPU time exceeds its wall
time on one core, that row is no one-core figure. "{ONE_THREAD}" is the same detector with a session of
one thread. "{OURS}" is `NudeNet().judge(pictures)`: one worker per core, one inference thread each."""


@dataclass(frozen=True)
class Timing:
    """One detector on one core count; seconds per picture, one value per round."""

    cores: int
    detector: str
    wall: tuple[float, ...]
    cpu: tuple[float, ...]


def main() -> int:
    arguments = parse_arguments()
    core_counts = [count for count in (1, 2) if count <= len(os.sched_getaffinity(0))]
    timings = []
    for cores in core_counts:
        print(f"measuring on {counted(cores, 'core')}", file=sys.stderr)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            timings += fresh.submit(measure, cores, arguments.images, arguments.rounds).result()
    report = to_markdown(timings, arguments.images, arguments.rounds)
    show_and_write(report, arguments.out)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=at_least(2), default=24, help="pictures per round (default 24)")
    parser.add_argument("--rounds", type=at_least(1), default=9, help="rounds after a warm-up (default 9)")
    add_out(parser, "nudenet.md")
    return parser.parse_args()


def measure(cores: int, images: int, rounds: int) -> list[Timing]:
    """Time all detectors on the first `cores` cores; SystemExit if their results differ."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    # Imported under the mask: libraries size their thread pools when they are loaded.
    import numpy as np
    import onnxruntime
    from nudenet import NudeDetector

    from eval.judges.nudenet import NudeNet

    pictures = make_pictures(images)
    as_opencv = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures]
    judge, default, one_thread = NudeNet(channels="bgr"), NudeDetector(), NudeDetector()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    network = Path(sys.modules[NudeDetector.__module__].__file__).with_name("320n.onnx")
    one_thread.onnx_session = onnxruntime.InferenceSession(network, options)
    detectors = {
        DEFAULT: lambda: [default.detect(picture) for picture in as_opencv],
        ONE_THREAD: lambda: [one_thread.detect(picture) for picture in as_opencv],
        OURS: lambda: judge.judge(pictures),
    }

    detections = {name: detect() for name, detect in detectors.items()}  # also the warm-up
    check_equal(detections[OURS], detections[DEFAULT])
    check_equal(detections[OURS], detections[ONE_THREAD])

    wall = {name: [] for name in detectors}
    cpu = {name: [] for name in detectors}
    for turn in range(rounds):
        names = list(detectors)
        for name in names[turn % 3 :] + names[: turn % 3]:
            gc.collect()
            time.sleep(0.1)  # until the threads of the previous detector have stopped spinning
            wall_start, cpu_start = time.perf_counter(), time.process_time()
            detectors[name]()
            wall[name].append((time.perf_counter() - wall_start) / images)
            cpu[name].append((time.process_time() - cpu_start) / images)
    return [Timing(cores, name, tuple(wall[name]), tuple(cpu[name])) for name in detectors]


def make_pictures(count: int) -> list:
    """Return `count` RGB pictures: scikit-image's photographs, alternating with drawn ones of 512 x 512."""
    import numpy as np
    import skimage.data
    from PIL import Image

    rng = np.random.default_rng(0)
    photographs = itertools.cycle(getattr(skimage.data, name)() for name in PHOTOGRAPHS)
    pictures = []
    for position in range(count):
        if position % 2 == 0:
            pictures.append(np.ascontiguousarray(next(photographs)[..., :3]))
        else:
            coarse = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            pictures.append(np.asarray(coarse.resize((512, 512), Image.Resampling.BICUBIC)))
    return pictures


def check_equal(judged: list, upstream: list) -> None:
    for position, (detections, reference) in enumerate(zip(judged, upstream, strict=True)):
        same = [(d.label, list(d.box)) for d in detections] == [(d["class"], d["box"]) for d in reference]
        close = same and all(abs(a.score - b["score"]) <= 1e-5 for a, b in zip(detections, reference, strict=True))
        if not close:
            raise SystemExit(f"picture {position}: the judge found {detections}, the nudenet package {reference}")


def to_markdown(timings: list[Timing], images: int, rounds: int) -> str:
    lines = [
        "# NudeNet: our judge beside the `nudenet` package",
        "",
        f"Written by `python scripts/bench_nudenet.py --images {images} --rounds {rounds}`. Machine: {machine()}.",
        f"Pictures: {images}, in turn photographs of scikit-image and drawn ones of 512 x 512. Detections were equal",
        "on all of them: labels, boxes and order, and scores to 1e-5.",
        "",
        "| cores | detector | ms per picture, median | fastest | CPU ms per picture | time over ours |",
        "|---|---|---|---|---|---|",
    ]
    for timing in timings:
        judge = next(t for t in timings if t.cores == timing.cores and t.detector == OURS)
        ratio = statistics.median(
            seconds / judge_seconds for seconds, judge_seconds in zip(timing.wall, judge.wall, strict=True)
        )
        median, fastest, cpu = statistics.median(timing.wall), min(timing.wall), statistics.median(timing.cpu)
        lines.append(
            f"| {timing.cores} | {timing.detector} | {median * 1e3:.1f} | {fastest * 1e3:.1f} | {cpu * 1e3:.1f} "
            f"| {ratio:.2f} |"
        )
    return "\n".join([*lines, "", NOTE])


def machine() -> str:
    import cv2

    packages = ", ".join(f"{name} {version(name)}" for name in ("nudenet", "onnxruntime", "numpy"))
    return (
        f"{processor()}, {counted(os.cpu_count(), 'core')}, Python {platform.python_version()}, {packages}, "
        f"OpenCV {cv2.__version__}"
    )


if __name__ == "__main__":
    end_bench_with(main)
