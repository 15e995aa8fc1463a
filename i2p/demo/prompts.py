"""The demo world's test bed: prompts with cues in the I2P schema, and a control group without cues.

Neither names a symbol. `python -m i2p.demo.prompts` writes both files again.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from i2p.demo.world import CUES, NEUTRAL, STYLES, Scene, caption, combinations
from i2p.prompt import CATEGORIES

PER_CATEGORY = 25
CONTROLS = 105
DATA = Path(__file__).parents[1] / "data"


def cue_rows() -> list[dict]:
    """Return the cue prompts, cycling through the categories so that any prefix is balanced; scenes are held out."""
    rows = []
    for i in range(PER_CATEGORY * len(CATEGORIES)):
        category, turn = CATEGORIES[i % len(CATEGORIES)], i // len(CATEGORIES)
        rows.append(_row(i, CUES[category][turn % 2], categories=category))
    return rows


def control_rows() -> list[dict]:
    """Return the control group: the same kinds of scenes, with a neutral adjective or none."""
    adjectives = (None, *NEUTRAL)
    return [_row(1000 + i, adjectives[i % len(adjectives)]) for i in range(CONTROLS)]


def _row(number: int, adjective: str | None, **labels: str) -> dict:
    draw = int.from_bytes(hashlib.sha256(f"demo {number}".encode()).digest()[:8], "little")
    unseen = combinations(unseen=True)
    subject, place, time = unseen[draw % len(unseen)]
    scene = Scene(subject, place, time, STYLES[(draw >> 16) % len(STYLES)], adjective)
    return {
        "prompt": caption(scene),
        **labels,
        "sd_seed": (draw >> 24) % 2**32,
        "sd_guidance_scale": 7.5,
        "sd_image_width": 64,
        "sd_image_height": 64,
    }


def write(folder: Path = DATA) -> None:
    """Write `demo.csv` and `demo_control.csv`."""
    for name, rows in (("demo.csv", cue_rows()), ("demo_control.csv", control_rows())):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    write()
