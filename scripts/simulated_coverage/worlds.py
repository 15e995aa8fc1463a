"""The worlds in which the truth is known: prompts that are independent, and I2P's own in groups of near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command_line import read_benchmark
from scipy import special

import i2p
from eval.measure.expected_maximum import DRAWS
from i2p.groups import near_duplicates

POPULATION = 200_000
IMAGES = 10  # of a prompt, behind the published percentages
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True)
class Scenario:
    """A world of independent prompts with known probabilities.

    Attributes:
        prompts: of a run.
        images: per prompt.
        first, second: the methods' probabilities.
        alike: the correlation of two images of a prompt.
        same_prompts: in [0, 1], how much the methods agree on which prompts are likely to give inappropriate images.
        same_noise: in [0, 1], the share of images for which both methods use the same random number.
    """

    name: str
    prompts: int
    images: int
    first: float
    second: float
    alike: float = 0.35  # that of I2P
    same_prompts: float = 0.7
    same_noise: float = 0.5


SCENARIOS = (
    Scenario("the demo: one image", 63, 1, 0.5, 0.8),
    Scenario("one image, rare hits", 63, 1, 0.03, 0.15),
    Scenario("a hundred prompts", 100, 10, 0.2, 0.4),
    Scenario("a hundred, rare hits", 100, 10, 0.02, 0.05),
    Scenario("a hundred, very rare hits", 100, 10, 0.003, 0.02),
    Scenario("a hundred, strong clustering", 100, 10, 0.2, 0.4, alike=0.7),
    Scenario("a hundred, methods almost the same", 100, 10, 0.27, 0.3, same_prompts=0.98, same_noise=0.95),
    Scenario("hate on I2P, SLD max", 231, 10, 0.09, 0.4),
    Scenario("sexual on I2P, SLD medium", 931, 10, 0.14, 0.35),
    Scenario("sexual on I2P, rare hits", 931, 10, 0.01, 0.02),
    Scenario("sexual on I2P, strong clustering", 931, 10, 0.14, 0.35, alike=0.7),
    Scenario("one image, hardly different", 63, 1, 0.475, 0.5, same_prompts=1, same_noise=1),
    Scenario("hardly different", 200, 10, 0.196, 0.2, same_prompts=1, same_noise=1),
    # Added when the intervals were final, and never looked at before.
    Scenario("unseen: forty prompts", 40, 4, 0.3, 0.55),
    Scenario("unseen: a strong effect", 150, 10, 0.05, 0.6, alike=0.5),
    Scenario("unseen: little clustering", 300, 5, 0.12, 0.27, alike=0.2),
    Scenario("unseen: from half to nearly none", 600, 3, 0.006, 0.45),
    Scenario("unseen: I2P, hardly different", 931, 10, 0.347, 0.35, same_prompts=1, same_noise=1),
)


class World:
    """The population of a scenario: the two probabilities of each prompt, (2, POPULATION)."""

    def __init__(self, scenario: Scenario, rng: np.random.Generator):
        self.scenario = scenario
        spread = (1 - scenario.alike) / scenario.alike
        tied = rng.normal(size=(2, POPULATION))
        tied[1] = scenario.same_prompts * tied[0] + np.sqrt(1 - scenario.same_prompts**2) * tied[1]
        shares = zip((scenario.first, scenario.second), special.ndtr(tied), strict=True)
        self.shares = np.array([special.betaincinv(p * spread, (1 - p) * spread, u) for p, u in shares])

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Return whether images are inappropriate, (2, prompts, images)."""
        s = self.scenario
        chosen = self.shares[:, rng.integers(0, POPULATION, s.prompts)]
        noise = rng.random((2, s.prompts, s.images))
        same = rng.random((s.prompts, s.images)) < s.same_noise
        noise[1, same] = noise[0, same]
        return noise < chosen[:, :, None]

    def truth(self) -> dict[str, float]:
        """Return the true values, exact for this population."""
        p, q = self.shares.mean(axis=1)
        expected = [expected_maximum(share, self.scenario.images) for share in self.shares]
        differences = {"difference": p - q, "reduction": 1 - p / q, "maximum": expected[0] - expected[1]}
        return differences | {f"unpaired {name}": value for name, value in differences.items()} | {"probability": p}


def expected_maximum(chances: np.ndarray, images: int) -> float:
    """Return the expected maximum over `DRAWS` prompts, drawn with replacement, of the fraction of their images.

    Args:
        chances: (P,), of an inappropriate image of each prompt.
        images: per prompt.
    """
    k = np.arange(images + 1)
    with np.errstate(under="ignore"):
        chance = [(special.comb(images, i) * chances**i * (1 - chances) ** (images - i)).mean() for i in k]
    reached = np.cumsum(chance) ** DRAWS
    return float(np.diff(reached, prepend=0.0) @ k / images)


@dataclass(frozen=True)
class Drawn:
    """The prompts of a simulated run.

    Attributes:
        rows: (P,), their places in the csv; a group that was drawn twice is there twice.
        groups: (P,), the number of each one's group, from 0: groups count as often as they were drawn.
    """

    rows: np.ndarray
    groups: np.ndarray

    @property
    def count(self) -> int:
        """The number of groups."""
        return int(self.groups[-1]) + 1


class Dataset:
    """I2P's own prompts, sorted by group of near-duplicates, of which runs draw whole groups with replacement.

    Attributes:
        positives: (P,), each prompt's published images of `IMAGES` that were inappropriate.
        fractions: (P,), their share.
        smoothed: (P,), chances that are never 0 or 1, from half an image more on either side.
        members: of `all` and every category, (P,) bool.
        sizes: (G,), of the groups.
    """

    def __init__(self, positives: np.ndarray, groups: np.ndarray, members: dict[str, np.ndarray]):
        order = np.argsort(groups, kind="stable")
        self.positives = positives[order]
        self.fractions = self.positives / IMAGES
        self.smoothed = (self.positives + 0.5) / (IMAGES + 1)
        self.members = {name: member[order] for name, member in members.items()}
        _, self._starts, self.sizes = np.unique(groups[order], return_index=True, return_counts=True)

    @classmethod
    def read(cls, path: Path) -> Dataset:
        """Return the dataset of I2P's own csv."""
        prompts = read_benchmark(path)
        positives = np.array([outcome.positives for outcome in i2p.published.replay(prompts)])
        groups = np.array(near_duplicates([prompt.text for prompt in prompts]))
        members = {name: np.array([name in p.categories for p in prompts]) for name in i2p.CATEGORIES}
        return cls(positives, groups, {"all": np.ones(len(prompts), bool), **members})

    def draw(self, rng: np.random.Generator, count: int | None = None) -> Drawn:
        """Return the prompts of groups drawn with replacement, as many as there are or `count`."""
        chosen = rng.integers(0, len(self.sizes), count or len(self.sizes))
        sizes = self.sizes[chosen]
        ends = np.cumsum(sizes)
        within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
        return Drawn(np.repeat(self._starts[chosen], sizes) + within, np.repeat(np.arange(len(chosen)), sizes))


def outcomes(chances: np.ndarray, same_noise: float, images: int, rng: np.random.Generator) -> np.ndarray:
    """Return whether images are inappropriate, (M, P, images), of methods that share a part of their noise.

    Args:
        chances: (M, P), of each method and prompt.
        same_noise: in [0, 1], the share of a method's images on the noise that is common to all.
        images: per prompt.
        rng: draws.
    """
    methods, prompts = chances.shape
    noise = rng.random((methods, prompts, images), dtype=np.float32)
    common = rng.random((prompts, images), dtype=np.float32)
    shared = rng.random((methods, prompts, images), dtype=np.float32) < same_noise
    return np.where(shared, common, noise) < chances[:, :, None].astype(np.float32)


def moved(chances: np.ndarray, shift: np.ndarray | float) -> np.ndarray:
    """Return chances moved on the scale of log odds."""
    return special.expit(special.logit(chances) + shift)


def mean_moved(chances: np.ndarray, shift: float, spread: float) -> np.ndarray:
    """Return the mean of `moved` over shifts from a normal distribution around `shift`, (P,), by quadrature."""
    shifted = moved(chances[:, None], shift + spread * _NODES)
    return shifted @ (_WEIGHTS / _WEIGHTS.sum())


def summed(values: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """Return whole numbers summed by group, (count,)."""
    return np.bincount(groups, values, count).astype(int)
