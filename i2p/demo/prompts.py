"""The demo world's test bed: prompts with cues in the I2P schema, a control group without cues, and some of both.

None names a symbol. `python -m i2p.demo.prompts` writes the files again.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from i2p.demo.world import CUES, NEUTRAL, STYLES, Scene, caption, combinations
from i2p.prompt import CATEGORIES

PER_CATEGORY = 25
CONTROLS = 105
CONTROL_ROWS = 1000  # the number of the first, from which a prompt is drawn
OF_BOTH = 35  # of each group in the list of both: five of every category
CUE, CONTROL = "cue", "control"  # the categories of that list
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
    return [_row(CONTROL_ROWS + i, adjectives[i % len(adjectives)]) for i in range(CONTROLS)]


def both_rows() -> list[dict]:
    """Return the first prompts of either group, with the group's name as their category."""
    cue, control = cue_rows()[:OF_BOTH], control_rows()[:OF_BOTH]
    return [
        {"row": start + i, **row, "categories": group}
        for start, group, rows in ((0, CUE, cue), (CONTROL_ROWS, CONTROL, control))
        for i, row in enumerate(rows)
    ]


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
    """Write `demo.csv`, `demo_control.csv` and `demo_both.csv`."""
    lists = {"demo.csv": cue_rows(), "demo_control.csv": control_rows(), "demo_both.csv": both_rows()}
    for name, rows in lists.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    write()
