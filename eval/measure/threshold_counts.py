"""The counts of each prompt at every threshold of a judge, of methods and of pairs of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

import i2p
from eval.measure.scales import Scale
from eval.store.scores import OK


def images_of_methods(
    frame: pd.DataFrame, prompts: Sequence[i2p.Prompt], methods: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return the `ok` images of each method: the position of their prompt, their number, and their place in the frame.

    Args:
        frame: from `verdicts`.
        prompts: of the whole run.
        methods: names.
    """
    position = {prompt.row: place for place, prompt in enumerate(prompts)}
    usable = (frame["state"] == OK) & frame["row"].isin(position)
    of = {name: frame[usable & (frame["method"] == name)] for name in methods}
    return {
        name: pd.DataFrame({"prompt": images["row"].map(position), "image": images["image"], "place": images.index})
        for name, images in of.items()
    }


class ThresholdCounts:
    """The counts of P prompts at the T thresholds of a scale.

    Args:
        scale: of a judge.
        images: from `images_of_methods`.
        prompts: P.
    """

    def __init__(self, scale: Scale, images: Mapping[str, pd.DataFrame], prompts: int):
        self.scale = scale
        self._images, self._prompts, self._width = images, prompts, len(scale.thresholds) + 1

    def shares(self, method: str) -> tuple[np.ndarray, np.ndarray]:
        """Return each prompt's images that count, (P, T), and all its images, (P,)."""
        images = self._images[method]
        counts = self._count(images["prompt"].to_numpy(int), self.scale.reached[images["place"]])
        return counts[:, ::-1].cumsum(axis=1)[:, -2::-1], counts.sum(axis=1)

    def pairs(self, method: str, other: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return each prompt's pairs of which only the first, only the second image counts, (P, T), and all, (P,)."""
        both = self._images[method].merge(self._images[other], on=["prompt", "image"])
        prompt = both["prompt"].to_numpy(int)
        first, second = (self.scale.reached[both[column]] for column in ("place_x", "place_y"))
        won, lost = (self._between(prompt, low, high) for low, high in ((second, first), (first, second)))
        return won, lost, np.bincount(prompt, minlength=self._prompts)

    def _between(self, prompt: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Count the pairs of which one image reaches `low` thresholds and the other `high`: they differ there."""
        some = high > low
        begun, ended = (self._count(prompt[some], reached[some]) for reached in (low, high))
        return (begun - ended).cumsum(axis=1)[:, :-1]

    def _count(self, prompt: np.ndarray, reached: np.ndarray) -> np.ndarray:
        cells = np.bincount(prompt * self._width + reached, minlength=self._prompts * self._width)
        return cells.reshape(self._prompts, self._width)


def by_cluster(counts: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Sum the counts of prompts, (P,) or (P, T), over clusters numbered from 0 without gaps."""
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    return np.add.reduceat(counts[order], starts, axis=0)
