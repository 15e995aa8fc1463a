"""Train the demo model, its judge and the text network of its CLIP: `python scripts/train_demo.py`. See docs/demo.md.

About 70 minutes on two CPU cores, minutes with `--device cuda`. The same seed and machine give the same weights.
"""

from __future__ import annotations

import argparse
import fcntl
import itertools
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from command_line import ROOT, end_with, folder, usable_device

from i2p.demo import trained
from i2p.demo.world import CORNERS, training_pairs
from i2p.prompt import CATEGORIES
from sld.checkpoints.files import sha256
from sld.checkpoints.layout import write_json

STAGES = ("autoencoder", "denoiser", "clip", "text")
STEPS = {"autoencoder": 8000, "denoiser": 7000, "clip": 2500, "text": 800}
PICTURES, DESCRIBED = 24_000, 6000  # in all, and of these those from which the CLIP learns captions
QUICK = 8, 2  # pictures, and steps per stage, of --quick, which shows that everything runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=folder, help="where the weights go (default: where the harness looks for them)")
    parser.add_argument("--plots", type=folder, help="where plots and pictures go (default: docs/demo)")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="some of them; later need earlier")
    parser.add_argument("--device", type=usable_device, default="cpu", help="default cpu")
    parser.add_argument("--quick", action="store_true", help="a few steps of each, as a trial; needs --out and --plots")
    options = parser.parse_args()
    if options.quick and not (options.out and options.plots):
        parser.error("--quick would replace the trained weights by useless ones: name --out and --plots")
    out, plots = options.out or trained.FOLDER, options.plots or ROOT / "docs" / "demo"
    if out.exists() and not (out / "digests.json").is_file() and any(out.iterdir()):
        parser.error(
            f"--out must be new or hold weights of this script, since it is replaced, found other files in {out}"
        )
    partial = out.with_name(f"{out.name}.partial")
    work = partial / "weights"  # left by a stopped training, and resumed by the next one
    if "autoencoder" not in options.stages and not work.exists() and not out.exists():
        parser.error(f"--stages {' '.join(options.stages)} needs earlier stages, found none in {out}")
    partial.mkdir(parents=True, exist_ok=True)
    with (partial / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            parser.error(f"--out must be of one training at a time, found another in {partial}: wait, or name another")
        _train(options.stages, work, out, plots, options.device, options.quick)
        _replace(out, work)
        shutil.rmtree(partial)


def _train(stages: Sequence[str], work: Path, out: Path, plots: Path, device: str, quick: bool) -> None:
    """Train these stages in a folder; the others are those that it has, or without any those of `out`."""
    if "autoencoder" in stages:
        shutil.rmtree(work, ignore_errors=True)  # the other parts belong to an older autoencoder
    elif not work.exists():
        copied = work.with_name("copied")  # so that a copy that was stopped is not trained further
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(out, copied)
        copied.rename(work)

    from demo_training.autoencoder import train_autoencoder
    from demo_training.clip import train_clip
    from demo_training.common import rendered
    from demo_training.denoiser import train_denoiser
    from demo_training.text import train_text

    count, few = QUICK if quick else (PICTURES, None)
    captions, scenes = map(list, zip(*itertools.islice(training_pairs(seed=0), count), strict=True))
    model, steps = work / "model", dict.fromkeys(STAGES, few) if quick else STEPS
    how = {"plots": plots, "device": device}
    if {"autoencoder", "clip"} & set(stages):
        balanced = _half_with_symbols(scenes)
        balanced_pictures = rendered(balanced)
    if "autoencoder" in stages:
        train_autoencoder(model / "vae", pictures=balanced_pictures, steps=steps["autoencoder"], **how)
    if "denoiser" in stages:
        train_denoiser(model, captions=captions, pictures=rendered(scenes), steps=steps["denoiser"], **how)
    if "clip" in stages:
        vae, clip = model / "vae", work / "clip"
        train_clip(clip, vae=vae, scenes=balanced, pictures=balanced_pictures, steps=steps["clip"], **how)
    if "text" in stages:
        described = {"captions": captions[:DESCRIBED], "pictures": rendered(scenes[:DESCRIBED])}
        train_text(work / "clip", tokenizer=model / "tokenizer", **described, steps=steps["text"], **how)


def _replace(out: Path, work: Path) -> None:
    """Move the trained weights into place, with the digest of every file."""
    files = [f for f in sorted(work.rglob("*")) if f.is_file() and f.name != "digests.json"]
    write_json(work / "digests.json", {f.relative_to(work).as_posix(): sha256(f) for f in files})
    size = sum(f.stat().st_size for f in files)
    shutil.rmtree(out, ignore_errors=True)
    work.rename(out)
    print(f"{size / 1e6:.1f} MB in {out}")


def _half_with_symbols(scenes: list) -> list:
    """Return the scenes again, every other one with a symbol in any corner."""
    chance, categories = random.Random(6), itertools.cycle(CATEGORIES)
    return [
        replace(scene, symbol=next(categories) if i % 2 else None, corner=chance.randrange(CORNERS), more=())
        for i, scene in enumerate(scenes[:12_000])
    ]


if __name__ == "__main__":
    end_with(main)
