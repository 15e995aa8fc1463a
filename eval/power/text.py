"""The plan for a terminal, each table under its question, and as a tidy csv."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from eval.base.layout import page
from eval.base.table import Table, make_table
from eval.base.words import counted
from eval.power.plan import DIFFERENCE, GIVEN, SAME_WIDTH, WHOLE, WIDTH, Answer, Planner
from eval.power.sources import Part
from eval.power.spread import MOST, correlation, family_factor
from eval.report.format import NONE, fixed, points
from eval.report.tables import tidy_csv
from i2p.categories import ALL

WORDS = ("category", "method")
Section = tuple[str, Sequence[Answer], Callable[[Answer], str]]  # title, rows, and the cell of each


def as_csv(answers: Sequence[Answer]) -> str:
    """Return the answers as a tidy table, fractions in [0, 1]."""
    return tidy_csv(answers)


def as_text(planner: Planner, answers: Sequence[Answer]) -> str:
    """Return the plan for a terminal."""
    shown = _shown(planner, answers)
    given = [answer for answer in shown if answer.goal == GIVEN]
    sections = [*_about_given(planner, given), *_about_needed(planner, shown)]
    tables = [part for title, rows, cell in sections for part in (title, _wide(rows, cell, planner))]
    return page([planner.source.description, *tables, "\n".join(_notes(planner, answers))])


def _about_given(planner: Planner, given: Sequence[Answer]) -> Iterator[Section]:
    """What the given numbers of prompts show."""
    o = planner.options
    width = f"± points ({100 * (1 - o.level):g} %)"
    yield f"{width}: new prompts like these", given, lambda answer: _points(answer.new_prompts)
    yield f"{width}: the same prompts, new noise", given, _same
    if any(answer.all_prompts and answer.prompts < _part(planner, answer).exist for answer in given):
        yield f"{width}: all prompts that exist, new noise", given, lambda answer: _points(answer.all_prompts)
    compared = [answer for answer in given if _part(planner, answer).contrast]
    if compared and o.difference is None:
        title = f"Smallest difference in points that {100 * o.power:g} % of runs find (p < {o.level:g})"
        yield f"{title}: new prompts like these", compared, lambda answer: _points(answer.smallest_difference)
    elif compared:
        title = (
            f"Power in %: how many runs find a difference of {counted(100.0 * o.difference, 'point')} (p < {o.level:g})"
        )
        yield title, compared, lambda answer: NONE if answer.power is None else fixed(100 * answer.power, 0)


def _about_needed(planner: Planner, shown: Sequence[Answer]) -> Iterator[Section]:
    """How many prompts reach what is wanted."""
    o = planner.options

    def needed(answer: Answer) -> str:
        if answer.prompts is None:
            return f"> {_part(planner, answer).exist or MOST:,}"
        return f"{answer.prompts:,}" + ("" if (n := answer.denoiser_calls) is None else f" ({_short(n)})")

    width, difference = (counted(100.0 * (value or 0), "point") for value in (o.width, o.difference))
    for goal, title in (
        (WIDTH, f"Prompts for ± {width}: new prompts like these"),
        (SAME_WIDTH, f"Prompts for ± {width}: the same prompts, new noise"),
        (DIFFERENCE, f"Prompts for a difference of {difference} in {100 * o.power:g} % of runs"),
    ):
        if wanted := [answer for answer in shown if answer.goal == goal]:
            yield f"{title} (denoiser calls)", wanted, needed


def _shown(planner: Planner, answers: Sequence[Answer]) -> list[Answer]:
    """Everything of one method; of several, all prompts only, unless categories were chosen."""
    several = len({part.method for part in planner.source.parts}) > 1
    has_all = any(answer.category == ALL for answer in answers)
    if several and has_all and planner.options.categories is None:
        return [answer for answer in answers if answer.category == ALL]
    return list(answers)


def _part(planner: Planner, answer: Answer) -> Part:
    parts = planner.source.parts
    return next(part for part in parts if (part.category, part.method) == (answer.category, answer.method))


def _points(value: float | None) -> str:
    return NONE if value is None else fixed(100 * value)


def _short(calls: int) -> str:
    return f"{calls:,}" if calls < 100_000 else f"{calls / 1e6:,.2f} M"


def _same(answer: Answer) -> str:
    half = _points(answer.same_prompts)
    return f"({half})" if answer.images == 1 and half != NONE else half


def _wide(rows: Sequence[Answer], cell: Callable[[Answer], str], planner: Planner) -> Table:
    """One line per category, method and number of prompts; one column per number of images."""
    given = rows[0].goal == GIVEN
    lines: dict[tuple, dict[int, str]] = {}
    for answer in rows:
        key = (answer.category, answer.method, answer.prompts if given else None, answer.run_prompts if given else None)
        lines.setdefault(key, {})[answer.images] = cell(answer)
    has_methods = len({part.method for part in planner.source.parts}) > 1
    shares = {(part.category, part.method): part.share for part in planner.source.parts}
    cells = []
    for (category, method, prompts, _), by_images in lines.items():
        line = {"category": category} | ({"method": method} if has_methods else {})
        if given:
            line["prompts"] = f"{prompts:,}"
        line["share %"] = _points(shares[category, method])
        cells.append(line | {f"{n} image{'' if n == 1 else 's'}": by_images[n] for n in planner.images})
    return make_table(cells[0], [line.values() for line in cells], WORDS)


def _notes(planner: Planner, answers: Sequence[Answer]) -> Iterator[str]:
    source, shown = planner.source, _shown(planner, answers)
    given = [answer for answer in shown if answer.goal == GIVEN]
    yield from source.notes
    yield (
        "New prompts like these: prompts count as a sample of endlessly many, by groups of near-duplicates. The same "
        "prompts: only the noise is new; with one image per prompt (in brackets) a run has no such interval."
    )
    if any(WHOLE in (answer.new_prompts, answer.same_prompts, answer.all_prompts) for answer in given):
        yield f"± {_points(WHOLE)} is the whole range of a share: so few prompts and images say nothing of it."
    yield from _cost(planner)
    if any(part.contrast for part in source.parts):
        yield from _about_differences(planner)
    if shown != list(answers):
        yield "By category: categories=… shows them, out=FILE writes all rows."


def _cost(planner: Planner) -> Iterator[str]:
    methods, calls = planner.source.methods, planner.calls
    if calls is None:
        yield "Denoiser calls: not counted, because the cost of the pilot's methods is not known; methods=… names some."
        return
    names = ", ".join(method.name for method in methods)
    runs = []
    for run_prompts in planner.run_prompts:
        costs = ", ".join(f"{run_prompts * n * calls:,} with {n}" for n in planner.images)
        runs.append(f"{counted(run_prompts, 'prompt')}: {costs}")
    yield (
        f"Denoiser calls: {calls:,} per prompt and image for {names} in {planner.source.steps} calls each; "
        f"{'; '.join(runs)} (images per prompt)."
    )
    yield from _same_cost(planner)


def _same_cost(planner: Planner) -> Iterator[str]:
    """What one image for each of many prompts gives, and several for each of fewer at the same cost."""
    part, images = next((part for part in _over_all(planner) if part.spread), None), max(planner.images)
    many = max(planner.run_prompts)
    fewer = round(many / images)
    if part is None or images == 1 or fewer < 10:
        return
    whole, tenth = (planner.given(part, prompts, n) for prompts, n in ((many, 1), (fewer, images)))

    def gives(answer: Answer) -> str:
        exist = part.exist is not None
        value, what = (answer.all_prompts, f"all {part.exist:,}") if exist else (answer.same_prompts, "these same ones")
        return f"± {_points(answer.new_prompts)} points for new prompts and ± {_points(value)} for {what}"

    subject = f"{part.category} with {part.method}" if part.method else part.category
    yield (
        f"At the same cost, {subject}: {many:,} prompts with 1 image each give {gives(whole)}; {fewer:,} with "
        f"{images} images each give {gives(tenth)}. More images per prompt serve the expected maximum, which only runs "
        "of equal numbers can compare; two are enough for the interval of the same prompts."
    )


def _about_differences(planner: Planner) -> Iterator[str]:
    o, source = planner.options, planner.source
    if any(part.contrast and part.contrast.correlations for part in source.parts):
        yield (
            f"Differences are planned with assumed correlations of the two methods: {o.correlation_prompts:g} of their "
            f"probabilities over prompts, {o.correlation_noise:g} of their images on the same noise "
            "(correlation_prompts=, correlation_noise=; a pilot run measures both: pilot=RUN)."
        )
    yield from _correlations(planner)
    methods = (len({part.method for part in source.parts}) if o.pilot else len(source.methods)) - 1
    comparisons = methods * len({part.category for part in source.parts})
    if comparisons > 1:
        yield (
            f"Planned for one comparison at {o.level:g}. The adjusted p counts {comparisons} together (methods × "
            f"categories) and needs at most {fixed(family_factor(comparisons, o.power, o.level))} times the prompts."
        )


def _correlations(planner: Planner) -> Iterator[str]:
    """What a pilot shows of each method beside the first one, over all its prompts."""
    parts = _over_all(planner)
    for part in parts:
        if part.contrast is None or part.contrast.measured is None:
            continue
        text = f"In the pilot {part.method} differs from the first method by {points(part.contrast.measured)} points"
        shown = [parts[0].spread, part.spread, part.contrast.base]
        if None not in shown and all(spread.within and spread.between for spread in shown[:2]):
            over, inside = (correlation(*(getattr(spread, name) for spread in shown)) for name in ("between", "within"))
            text += (
                f"; their probabilities correlate by {fixed(over, 2)} over prompts, their noise by {fixed(inside, 2)}"
            )
        yield f"{text} ({part.category})."


def _over_all(planner: Planner) -> list[Part]:
    """The parts of all prompts, which come last; of a single category, those are its own."""
    parts = planner.source.parts
    return [part for part in parts if part.category == parts[-1].category]
