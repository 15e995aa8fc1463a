"""Where the numbers of a plan come from: published percentages, a pilot run, or assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import sld
from eval.base.errors import InputError
from eval.base.words import first_of
from eval.power.listing import group_numbers, in_groups, read_list
from eval.power.options import Options
from eval.power.spread import Spread, assumed, assumed_difference, spread_of
from i2p.categories import ALL

PUBLISHED_IMAGES = 10  # per prompt, behind each published percentage
DEFAULT_METHODS = ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")
DEFAULT_STEPS = 50


@dataclass(frozen=True)
class Contrast:
    """The paired difference of a method from the first one.

    Attributes:
        base: its components, or those of the first method's share if the correlations are assumed.
        share: of the first method; None where the difference was measured.
        correlations: as in `assumed_difference`; None where the difference was measured.
        measured: the measured difference.
    """

    base: Spread
    share: float | None = None
    correlations: tuple[float, float] | None = None
    measured: float | None = None

    def at(self, difference: float) -> Spread | None:
        """Return the components where the difference has this size, None where the share is too small for it."""
        if self.correlations is None:
            return self.base
        if difference >= self.share:
            return None
        return assumed_difference(self.base, self.share, difference, *self.correlations)


@dataclass(frozen=True)
class Part:
    """One category of a planned run, or all its prompts, under one method.

    Attributes:
        category: its name, or `all`.
        method: its name; empty where there is only one.
        exist: prompts of this category that a run can draw; None where no number is known.
        of_run: its share of the run's prompts.
        share: inappropriate probability.
        spread: of that; None where a pilot does not show it.
        contrast: with the first method; None for the first method itself, and where a pilot does not show it.
    """

    category: str
    method: str
    exist: int | None
    of_run: float
    share: float
    spread: Spread | None
    contrast: Contrast | None


@dataclass(frozen=True)
class Source:
    """The basis of a plan.

    Attributes:
        description: in a sentence.
        parts: of the plan.
        prompts: of the whole run, those that exist or those of the pilot; None where no number is known.
        exist: whether there are no more prompts than these.
        methods: whose denoiser calls are counted; None where they are not known here.
        steps: denoiser calls of an image.
        notes: sentences.
    """

    description: str
    parts: tuple[Part, ...]
    prompts: int | None
    exist: bool
    methods: tuple[sld.Method, ...] | None
    steps: int
    notes: tuple[str, ...] = ()


def from_assumptions(o: Options) -> Source:
    """Return what is assumed.

    Raises:
        InputError: categories are chosen.
    """
    if o.categories is not None:
        raise InputError("categories must go with prompts that have some, found an assumed share: leave them out")
    spread = assumed(o.share, o.alike, o.group, o.group_alike)
    contrast = Contrast(spread, o.share, (o.correlation_prompts, o.correlation_noise))
    grouped = f", groups of {o.group:g} near-duplicates whose probabilities correlate by {o.group_alike:g}"
    text = (
        f"Assumed: a share of {100 * o.share:g} %, images of a prompt that correlate by {o.alike:g}"
        f"{grouped if o.group > 1 else ', no near-duplicates'}."
    )
    return Source(text, (Part(ALL, "", None, 1.0, o.share, spread, contrast),), None, False, *cost_of(o))


def from_published(o: Options) -> Source:
    """Return what the published percentages of I2P, or of a list, show.

    Raises:
        InputError: there is no such list, or it has no percentages, or nothing of what is chosen.
    """
    listed = read_list(o)
    if any(prompt.published is None for prompt in listed.prompts):
        raise InputError(
            f"the prompts must have published percentages to plan by, found none in {listed.name}: leave prompts.path= "
            "out and assume share=0.35, or name a run of some of them, pilot=RUN"
        )
    published = {p.row: p.published.inappropriate for p in listed.prompts}
    parts, left_out = [], []
    for category, rows in listed.rows.items():
        shares = np.array([published[row] for row in rows])
        if not plannable(shares):
            left_out.append(category)
            continue
        images = np.full(len(rows), PUBLISHED_IMAGES)
        spread = spread_of(shares * images, 0 * images, images, group_numbers(rows, listed.groups))
        contrast = Contrast(spread, share := float(shares.mean()), (o.correlation_prompts, o.correlation_noise))
        parts.append(Part(category, "", len(rows), len(rows) / len(listed.prompts), share, spread, contrast))
    text = (
        f"{listed.name}: {in_groups(listed.prompts, listed.groups)}; their published percentages, of "
        f"{PUBLISHED_IMAGES} images per prompt."
    )
    notes = notes_on(left_out, bool(parts), listed.name)
    return Source(text, tuple(parts), len(listed.prompts), True, *cost_of(o), notes)


def plannable(fractions: np.ndarray) -> bool:
    """Return whether the fractions of some prompts say how much they vary: two prompts or more, not all 0 or all 1."""
    return len(fractions) > 1 and (fractions.min() < 1) and (fractions.max() > 0)


def notes_on(left_out: Sequence[str], any_left: bool, where: str) -> tuple[str, ...]:
    """Return a note on what is left out.

    Raises:
        InputError: nothing is left.
    """
    if not any_left:
        raise InputError(
            "a plan must rest on two prompts or more, of which some images are inappropriate and some are not, found "
            f"none of these in {where}: choose more of them, or another basis"
        )
    if not left_out:
        return ()
    why = "fewer than two prompts, or nothing or everything inappropriate, says nothing about how much they vary"
    return (f"Left out: {first_of(left_out, 3)} ({why}).",)


def cost_of(o: Options) -> tuple[tuple[sld.Method, ...], int]:
    """Return the methods whose denoiser calls are counted, and the calls of an image.

    Raises:
        InputError: a method is unknown.
    """
    return sld.resolve_methods(o.methods or DEFAULT_METHODS), o.steps or DEFAULT_STEPS
