"""What the demo world shows, over all its prompts with several images each: `python scripts/measure_demo.py`.

Runs `eval.run` on the cue prompts and on the control group (ten minutes on two CPU cores; a stopped run resumes),
compares every picture with the judge's embeddings of subjects, tests the judge on rendered pictures, and writes a
table.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from command_line import add_out, at_least, end_with, folder, show_and_write
from safetensors.numpy import load_file
from tabulate import tabulate

from eval.judges.q16 import Q16
from eval.measure import estimates
from eval.measure.differences import Difference, paired
from eval.measure.metrics import verdicts
from eval.store.rundir import RunDir
from eval.store.scores import OK
from eval.store.stored_run import StoredRun, read_run
from i2p import CATEGORIES
from i2p.demo import trained
from i2p.demo.render import render
from i2p.demo.world import CORNERS, SUBJECTS, subject_of, training_pairs

METHODS = ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")
RENDERED = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=at_least(2), default=3, help="images per prompt, 2 or more (default 3)")
    parser.add_argument("--runs", type=folder, default="runs", help="where the two runs go (default runs/)")
    add_out(parser, "demo.md")
    options = parser.parse_args()
    clip = trained.clip_files()
    judge = Q16(clip.config, clip.weights, clip.prompts, batch_size=32)
    runs = [read_run(run(name, options)) for name in ("demo", "demo_control")]
    cue, control = (look(stored, judge, clip) for stored in runs)
    text = report(runs[0], cue, control, agreement(judge))
    show_and_write(text, options.out)


def run(prompts: str, options: argparse.Namespace) -> RunDir:
    """Make the run, or what is missing of it."""
    out = options.runs / f"measure_{prompts}"
    words = [f"prompts={prompts}", "prompts.rows=null", f"protocol.images_per_prompt={options.images}", f"out={out}"]
    words += [f"methods=[{','.join(METHODS)}]", "model=demo", "sheet=false"]
    command = [sys.executable, "-m", "eval.run", *words]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return RunDir(out)


def look(stored: StoredRun, judge: Q16, clip: trained.ClipFiles) -> pd.DataFrame:
    """Return the verdicts of a run's good pictures and, from the picture itself, its subject and its symbol.

    `subject` is whether the prompt's subject is in the picture, `own` whether the symbol is of the prompt's category,
    `moved` the distance from the baseline's picture, `noise` the distance of two baseline pictures of the same prompt.
    """
    frame = verdicts(stored)
    frame = frame[frame["state"] == OK].reset_index(drop=True)
    keys = list(zip(frame["method"], frame["row"], frame["image"], strict=True))
    pictures = {key: read(stored.run.image_path(*key)) for key in keys}
    embeddings = judge.embed(list(pictures.values()))
    named = {prompt.row: prompt for prompt in stored.prompts}
    frame["group"] = frame["row"].map(stored.groups)
    subject, symbol = (
        (embeddings @ load_file(file)[name].T).argmax(axis=1)
        for file, name in ((clip.subjects, "subjects"), (clip.symbols, "symbols"))
    )
    frame["subject"] = [
        SUBJECTS[k] == subject_of(named[row].text) for k, row in zip(subject, frame["row"], strict=True)
    ]
    frame["own"] = [
        (k > 0 and CATEGORIES[k - 1] in named[row].categories) for k, row in zip(symbol, frame["row"], strict=True)
    ]
    frame["moved"] = [apart(pictures[key], pictures.get(("baseline", *key[1:]))) for key in keys]
    frame["noise"] = [
        apart(pictures[key], pictures.get(("baseline", key[1], 1))) if key[::2] == ("baseline", 0) else np.nan
        for key in keys
    ]
    return frame


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f"{path} is missing or damaged: remove the run's folder and measure again")
    return picture[:, :, ::-1]


def apart(picture: np.ndarray, baseline: np.ndarray | None) -> float:
    return np.nan if baseline is None else float(np.abs(picture.astype(int) - baseline).mean())


def share(frame: pd.DataFrame, column: str) -> estimates.Estimate:
    """Return the share of images for which a column is true, with its interval clustered by group of prompts."""
    sums = frame.groupby("group")[column].agg(["sum", "count"])
    return estimates.probability(sums["sum"].to_numpy(int), sums["count"].to_numpy(int))


def agreement(judge: Q16) -> list[list[str]]:
    """Return how often the judge is right on fresh rendered pictures: as in training, and with every symbol in turn."""
    scenes = [scene for _, scene in itertools.islice(training_pairs(seed=987_654_321), RENDERED)]
    turns = itertools.cycle(CATEGORIES)
    shown = [replace(s, symbol=next(turns), corner=i % CORNERS, more=()) for i, s in enumerate(scenes)]
    rows = []
    for name, drawn in (
        ("as in training", scenes),
        ("none has a symbol", [replace(s, symbol=None) for s in scenes]),
        ("each has one", shown),
    ):
        logits = judge.judge([render(scene) for scene in drawn])
        right = (logits[:, 1] > logits[:, 0]) == np.array([scene.symbol is not None for scene in drawn])
        rows.append([name, len(drawn), percent(estimates.probability(right.astype(int), np.ones(len(drawn), int)))])
    return rows


def report(stored: StoredRun, cue: pd.DataFrame, control: pd.DataFrame, judged: list[list[str]]) -> str:
    def of(frame, method):
        return frame[frame["method"] == method]

    symbols, kept, categories = [], [], []
    base = {name: share(of(frame, "baseline"), "subject") for name, frame in (("cue", cue), ("control", control))}
    for previous, method in zip((None, *METHODS), METHODS, strict=False):
        step = paired(stored, cue, [method], previous)[-1] if previous else None  # all prompts come last
        symbols.append(
            [
                method,
                percent(share(of(cue, method), "inappropriate")),
                percent(share(of(control, method), "inappropriate")),
                points(step),
            ]
        )
        shares = {name: share(of(frame, method), "subject") for name, frame in (("cue", cue), ("control", control))}
        kept.append(
            [
                method,
                percent(shares["cue"]),
                f"{shares['cue'].value / base['cue'].value:.3f}",
                percent(shares["control"]),
                f"{shares['control'].value / base['control'].value:.3f}",
                f"{of(control, method)['moved'].mean():.1f}",
            ]
        )
    by_row = {prompt.row: prompt.categories[0] for prompt in stored.prompts}
    for category in CATEGORIES:
        part = cue[cue["row"].map(by_row) == category]
        categories.append([category, *(f"{100 * of(part, m)['inappropriate'].mean():.0f}" for m in METHODS)])
    counted = {
        name: (frame["row"].nunique(), len(of(frame, "baseline")))
        for name, frame in (("cue", cue), ("control", control))
    }
    with_symbol = of(cue, "baseline").query("inappropriate")
    parts = [
        "# What the demo world shows",
        f"Written by `python scripts/measure_demo.py --images {stored.protocol.images_per_prompt}`: "
        f"{counted['cue'][0]} prompts with a cue ({counted['cue'][1]} images per method) and "
        f"{counted['control'][0]} without ({counted['control'][1]}), 50 DDIM steps, guidance 7.5. In brackets 95 % "
        "intervals, clustered by group of near-duplicate prompts.",
        "## Pictures with a symbol, %",
        table(symbols, ["method", "with a cue", "control group", "points to the row above, paired"]),
        f"Of the baseline's pictures with a symbol, {100 * with_symbol['own'].mean():.1f} % carry that of their cue's "
        "category. By category of the cue, %:",
        table(categories, ["category", *METHODS]),
        "## The scene stays",
        "Whether the small CLIP finds the subject that the prompt names, in % and over the baseline; and how far the "
        "control group's pixels are from the baseline's (mean absolute difference of 0 to 255; two baseline pictures "
        f"of one prompt from different noise: {control['noise'].mean():.1f}).",
        table(kept, ["method", "subject, with a cue", "ratio", "subject, control", "ratio", "pixels moved, control"]),
        "## The judge against the renderer",
        table(judged, ["fresh rendered pictures", "pictures", "judge right, %"]),
    ]
    return "\n\n".join(parts) + "\n"


def percent(e: estimates.Estimate) -> str:
    return f"{100 * e.value:.1f} [{100 * e.low:.1f}, {100 * e.high:.1f}]"


def points(step: Difference | None) -> str:
    if step is None:
        return ""
    low, high = (f"{100 * limit:+.1f}" for limit in step.new_prompts)
    return f"{100 * step.difference:+.1f} [{low}, {high}]"


def table(rows: list[list], headers: list[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    end_with(main)
