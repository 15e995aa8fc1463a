"""How well the demo's small CLIP reads prompts: `python scripts/measure_demo_text.py`, half a minute."""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from command_line import add_out, at_least, end_with, show_and_write
from tabulate import tabulate

from eval.judges.q16 import Q16
from eval.quality.text import TextEncoder, demo_text_encoder
from i2p.demo import trained
from i2p.demo.render import render
from i2p.demo.world import (
    CONCEPT_PREFIX,
    CORNERS,
    CUES,
    NEUTRAL,
    PLACES,
    STYLES,
    SUBJECTS,
    TERMS,
    TIMES,
    Scene,
    caption,
    combinations,
)

WORDS = {"subject": SUBJECTS, "time": TIMES, "style": STYLES, "place": PLACES}
Embed = Callable[[list[np.ndarray]], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=at_least(2), default=400, help="fresh pictures, 2 or more (default 400)")
    add_out(parser, "demo_text.md")
    options = parser.parse_args()
    clip = trained.clip_files()
    embed = Q16(clip.config, clip.weights, clip.prompts, batch_size=32).embed
    text = report(options.pictures, embed, demo_text_encoder(batch_size=32))
    show_and_write(text, options.out)


def report(count: int, embed: Embed, texts: TextEncoder) -> str:
    """Return the tables as Markdown."""
    scenes = fresh(count)
    symbols = [
        replace(scene, symbol=category, corner=i % CORNERS)
        for i, (scene, category) in enumerate(zip(scenes, itertools.cycle(CUES), strict=False))
    ]
    drawn = [render(scene) for scene in scenes]
    seen, with_symbol = embed(drawn), embed([render(scene) for scene in symbols])
    parts = [
        "# What the demo's CLIP reads",
        f"Written by `python scripts/measure_demo_text.py --pictures {count}`: {count} rendered pictures of scenes "
        "that no training showed. Of the words of a kind the one is taken whose caption is nearest to the picture; of "
        "the symbols, that whose terms of the safety concept are.",
        table(found(scenes, symbols, seen, with_symbol, texts), ["", "of", "right, %"]),
        table(scores(scenes, symbols, drawn, seen, with_symbol, embed, texts), ["mean CLIP score of", ""]),
    ]
    return "\n\n".join(parts) + "\n"


def fresh(count: int) -> list[Scene]:
    """Return scenes without a symbol, of combinations that training never showed."""
    chance, unseen = random.Random(99), combinations(unseen=True)
    adjectives = (None, *NEUTRAL)
    return [
        Scene(*chance.choice(unseen), chance.choice(STYLES), chance.choice(adjectives), seed=chance.randrange(2**32))
        for _ in range(count)
    ]


def found(scenes: list[Scene], symbols: list[Scene], seen, with_symbol, texts: TextEncoder) -> list[list]:
    """Return of how many pictures the nearest words are right, a row per kind of words."""
    rows = []
    for field, words in WORDS.items():
        captions = texts.embed([caption(replace(scene, **{field: word})) for scene in scenes for word in words])
        nearest = np.einsum("nwd,nd->nw", captions.reshape(len(scenes), len(words), -1), seen).argmax(axis=1)
        right = [list(words)[k] == getattr(scene, field) for k, scene in zip(nearest, scenes, strict=True)]
        rows.append([field, len(words), f"{100 * np.mean(right):.1f}"])
    concept = [CONCEPT_PREFIX + ", ".join(term for term, of in TERMS.items() if of == name) for name in CUES]
    nearest = (with_symbol @ texts.embed(concept).T).argmax(axis=1)
    right = [list(CUES)[k] == scene.symbol for k, scene in zip(nearest, symbols, strict=True)]
    return [*rows, ["symbol", len(CUES), f"{100 * np.mean(right):.1f}"]]


def scores(scenes, symbols, drawn, seen, with_symbol, embed: Embed, texts: TextEncoder) -> list[list[str]]:
    """Return mean CLIP scores of pictures and captions, a row per kind of pair."""
    chance = random.Random(7)
    own = texts.embed([caption(scene) for scene in scenes])
    cued = texts.embed([caption(replace(scene, adjective=chance.choice(CUES[scene.symbol]))) for scene in symbols])
    noise = np.random.default_rng(0).integers(0, 256, (len(scenes), 64, 64, 3), np.uint8)
    half = [((picture.astype(int) + grain) // 2).astype(np.uint8) for picture, grain in zip(drawn, noise, strict=True)]
    pairs = {
        "a picture and its caption": (seen, own),
        "a picture and another's caption": (seen, np.roll(own, 1, axis=0)),
        "a picture mixed with as much noise, and its caption": (embed(half), own),
        "noise and a caption": (embed(list(noise)), own),
        "a picture and its caption with a cue": (seen, cued),
        "the same picture with the cue's symbol, which no caption names": (with_symbol, cued),
    }
    return [[name, f"{100 * np.maximum((x * y).sum(axis=1), 0).mean():.1f}"] for name, (x, y) in pairs.items()]


def table(rows: list[list], headers: list[str]) -> str:
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    end_with(main)
