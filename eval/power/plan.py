"""The answers: what a planned run will show, and how many prompts reach what is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sld
from eval.base.errors import InputError
from eval.power.options import Options
from eval.power.sources import Part, Source
from eval.power.spread import fewest, half_width, power
from eval.report.format import fixed

IMAGES = (1, 2, 5, 10)
PROMPTS = (100, 300, 1000)  # where no number of prompts is known
WHOLE = 0.5  # half of the interval from 0 to 1, than which none is wider
# What a row answers: what so many prompts give, or how many give what is wanted.
GIVEN, WIDTH, SAME_WIDTH, DIFFERENCE = "given", "width", "width, same prompts", "difference"


@dataclass(frozen=True)
class Answer:
    """A row of the plan; fractions in [0, 1].

    Attributes:
        goal: `GIVEN`, `WIDTH`, `SAME_WIDTH` or `DIFFERENCE`.
        category: its name, or `all`.
        method: its name; empty where the basis knows only one.
        images: per prompt.
        run_prompts: of the whole run: of all categories where its prompts are given, else of this category only.
        prompts: of this category in the run; None where no number that exists is enough.
        new_prompts: half of the interval over new prompts like these, at most `WHOLE`.
        same_prompts: half of that over new noise for the same prompts.
        all_prompts: half of that around the share of all prompts that exist, where a run draws some of them.
        smallest_difference: from the first method that is found with the wanted chance.
        power: the chance to find the wanted difference.
        denoiser_calls: of the whole run; None where the methods' cost is not known.
    """

    goal: str
    category: str
    method: str
    images: int
    run_prompts: int | None
    prompts: int | None
    new_prompts: float | None = None
    same_prompts: float | None = None
    all_prompts: float | None = None
    smallest_difference: float | None = None
    power: float | None = None
    denoiser_calls: int | None = None


@dataclass(frozen=True)
class Planner:
    """Answers for one basis.

    Attributes:
        source: the basis.
        options: what is asked.
        calls: denoiser calls per prompt and image, of all methods; None where they are not known.
    """

    source: Source
    options: Options
    calls: int | None

    @property
    def images(self) -> tuple[int, ...]:
        """The numbers of images per prompt to choose among."""
        return self.options.images or ((1,) if _single(self.source) else IMAGES)

    @property
    def run_prompts(self) -> tuple[int, ...]:
        """The numbers of prompts that a run may have."""
        return self.options.prompts or ((self.source.prompts,) if self.source.prompts else PROMPTS)

    def answers(self) -> Iterator[Answer]:
        """Yield every answer: what the given prompts give, then how many are needed."""
        for run_prompts in self.run_prompts:
            for part in self.source.parts:
                yield from (self.given(part, run_prompts, images) for images in self.images)
        goals = [WIDTH, SAME_WIDTH] * (self.options.width is not None) + [DIFFERENCE] * (
            self.options.difference is not None
        )
        for goal in goals:
            for part in self.source.parts:
                if part.contrast if goal == DIFFERENCE else part.spread:
                    for images in self.images:
                        prompts = self._needed(goal, part, images)
                        yield self._answer(goal, part, prompts, prompts, images)

    def given(self, part: Part, run_prompts: int, images: int) -> Answer:
        """Return what a run of so many prompts, of all categories alike, shows of a part."""
        return self._answer(GIVEN, part, round(run_prompts * part.of_run), run_prompts, images)

    def _needed(self, goal: str, part: Part, images: int) -> int | None:
        o, spread = self.options, part.spread
        if goal == DIFFERENCE:
            spread = part.contrast.at(o.difference)

            def enough(prompts: int) -> bool:
                return power(o.difference, spread.new_prompts(prompts, images), prompts, images, o.level) >= o.power
        else:
            variance_of = spread.new_prompts if goal == WIDTH else spread.same_prompts

            def enough(prompts: int) -> bool:
                variance = variance_of(prompts, images)
                return variance is not None and half_width(variance, prompts, o.level) <= o.width

        return fewest(enough, part.exist)

    def _answer(self, goal: str, part: Part, prompts: int | None, run_prompts: int | None, images: int) -> Answer:
        answer = Answer(goal, part.category, part.method, images, run_prompts, prompts)
        if prompts is None or prompts < 2:
            return answer
        o, spread, contrast = self.options, part.spread, part.contrast
        halves = {}
        if spread is not None:
            variances = {
                "new_prompts": spread.new_prompts(prompts, images),
                "same_prompts": spread.same_prompts(prompts, images),
                "all_prompts": spread.all_prompts(prompts, images, part.exist) if part.exist else None,
            }
            halves = {
                name: None if variance is None else min(half_width(variance, prompts, o.level), WHOLE)
                for name, variance in variances.items()
            }
        smallest = chance = None
        if contrast is not None:
            smallest = self._smallest(part, prompts, images)
            if o.difference is not None:
                variance = contrast.at(o.difference).new_prompts(prompts, images)
                chance = power(o.difference, variance, prompts, images, o.level)
        calls = None if self.calls is None else run_prompts * images * self.calls
        return replace(answer, **halves, smallest_difference=smallest, power=chance, denoiser_calls=calls)

    def _smallest(self, part: Part, prompts: int, images: int) -> float | None:
        """The smallest difference that is found with the wanted chance, to a hundredth of a point."""
        steps = 10_000

        def enough(step: int) -> bool:
            variance = part.contrast.at(step / steps).new_prompts(prompts, images)
            return power(step / steps, variance, prompts, images, self.options.level) >= self.options.power

        most = steps if part.contrast.correlations is None else int(part.contrast.share * steps - 1e-9)
        found = fewest(enough, most) if most > 1 else None
        return None if found is None else found / steps


def make_planner(source: Source, options: Options) -> Planner:
    """Return a planner.

    Raises:
        InputError: the basis can't answer what is asked.
    """
    if options.prompts and source.exist and (most := max(options.prompts)) > source.prompts:
        raise InputError(
            f"prompts must be at most {source.prompts}, which are all that exist, found {most}: lower it, or choose "
            "more categories"
        )
    if options.images not in (None, (1,)) and _single(source):
        raise InputError(
            "images must be 1 with a pilot of one image per prompt, which does not show how alike images of a prompt "
            f"are, found {','.join(map(str, options.images))}: plan one, images=1"
        )
    if options.difference is not None:
        for part in source.parts:
            if part.contrast is not None and part.contrast.at(options.difference) is None:
                raise InputError(
                    f"difference must be below the share that a method could remove, {fixed(100 * part.share)} points "
                    f"({part.category}), found {100 * options.difference:g}: lower it, or choose other categories"
                )
    return Planner(source, options, _calls(source.methods, source.steps))


def _single(source: Source) -> bool:
    spreads = [spread for p in source.parts for spread in (p.spread, p.contrast and p.contrast.base) if spread]
    return any(spread.within is None for spread in spreads)


def _calls(methods: Sequence[sld.Method] | None, steps: int) -> int | None:
    from sld.trajectories import count_evaluations

    return None if methods is None else count_evaluations(methods, steps)
