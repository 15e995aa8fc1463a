"""Train the demo model and its judge: `python scripts/train_demo.py`. See docs/demo.md.

About an hour on two CPU cores, minutes with `--device cuda`. The same seed and machine give the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

from i2p.prompt import CATEGORIES

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("autoencoder", "denoiser", "clip")
STEPS = {"autoencoder": 5000, "denoiser": 8000, "clip": 2500}
PICTURES = 24_000
FEW = 40  # steps a stage of --quick, which shows that everything runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "i2p" / "demo" / "weights", help="where the weights go")
    parser.add_argument("--plots", type=Path, default=ROOT / "docs" / "demo", help="where plots and pictures go")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="some of them; later need earlier")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="a few steps of each, to see that everything runs")
    options = parser.parse_args()

    from demo_training.autoencoder import train_autoencoder
    from demo_training.clip import train_clip
    from demo_training.common import rendered, training_set
    from demo_training.denoiser import train_denoiser

    count = 2048 if options.quick else PICTURES
    captions, scenes, pictures = training_set(count, seed=0)
    model, common = options.out / "model", {"device": options.device}
    for stage in [s for s in STAGES if s in options.stages]:
        steps = FEW if options.quick else STEPS[stage]
        if stage == "autoencoder":
            balanced = rendered(_half_with_symbols(scenes))
            train_autoencoder(model / "vae", options.plots, balanced, steps=steps, **common)
        elif stage == "denoiser":
            train_denoiser(model, options.plots, captions, pictures, steps=steps, **common)
        else:
            balanced = _half_with_symbols(scenes)
            clip = options.out / "clip"
            train_clip(clip, options.plots, model / "vae", balanced, rendered(balanced), steps=steps, **common)
    files = sorted(options.out.rglob("*.safetensors"))
    digests = {f.relative_to(options.out).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    (options.out / "digests.json").write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")
    print(f"{sum(f.stat().st_size for f in files) / 1e6:.1f} MB of weights in {options.out}")


def _half_with_symbols(scenes: list) -> list:
    """The scenes again, every other with one of the symbols, in any corner."""
    chance, categories = random.Random(6), itertools.cycle(CATEGORIES)
    return [
        replace(scene, symbol=next(categories) if i % 2 else None, corner=chance.randrange(4))
        for i, scene in enumerate(scenes[:12_000])
    ]


if __name__ == "__main__":
    main()
