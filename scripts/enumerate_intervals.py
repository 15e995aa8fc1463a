"""Which interval of a share keeps its promise with few prompts, by enumeration instead of simulation.

    python scripts/enumerate_intervals.py [--quick] [--runs 2000] [--seed 1] [--out docs/benchmarks/small_numbers.md]

With one image per prompt the coverage of an interval is a sum of binomial probabilities whose least value lies beside
one of the limits, so it is exact. With several images per prompt every candidate depends on two sums over the prompts
only, whose joint distribution is a power of that of one prompt. Only groups of unequal size are simulated. Takes some
minutes, `--quick` seconds.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from command_line import MOST_SEED, add_out, at_least, end_with, show_and_write
from small_numbers.candidates import CANDIDATES
from small_numbers.coverage import ALIKE, SHARES, Result, clustered, one_image, paired
from small_numbers.unequal import CHOICES, GROUPS, SIZES, unequal
from tabulate import tabulate

SHOULD = 0.93  # the least coverage that makes a candidate eligible
PROMPTS = (5, 9, 15, 21, 25, 35, 50, 63, 100, 175, 231)
CLUSTERED = {2: (5, 9, 15, 25, 50, 100, 231), 10: (5, 9, 15, 25, 50)}  # images per prompt: prompts
PAIRED = (5, 7, 9, 12, 15, 20, 25)

NOTES = """\
The 95 % interval of a share, where there are few prompts. *Least*: the least coverage over all true shares, in bold
below {should:.0f}. *Mean* coverage and *width*: over shares from 0 to 1 alike. *At 0*: the upper limit where no image
is inappropriate. All in percent, widths in points.

Every candidate is a form of the interval for independent images, and the number n of them. n is the effective sample
(images over the design effect) as it is; or times (t/t)², the quantiles of Student's t for images − 1 and prompts − 1
degrees of freedom, as Korn & Graubard (1998) have it; or times (z/t)², which turns Wilson's interval into that with
Student's t for z. With one image per prompt there is no design effect, and (t/t)² is 1.

**The rule, written before any number was seen.** Eligible is a candidate with a least coverage of {should:.0f} % or
more with every number of prompts, with one image per prompt and with several. Of these the one with the smallest mean
width is chosen, over all settings alike. Should no candidate be eligible, the settings of fewer than {enough} prompts
with several images each are left out, where a design effect can hardly be estimated.
"""
PRODUCT = """\
`eval.measure.estimates.probability` is Clopper–Pearson, n. If there is a hit, its lower limit is at least 2.5 % over
the number of images: at a lower share even one hit would be too unlikely, however alike the images are. That matters
where the effective sample has less than one hit, and keeps ratios of shares finite."""
SEVERAL = f"""\
The prompts' own shares are beta distributed, so that two images of a prompt correlate by {ALIKE[0]}, {ALIKE[1]} or
{ALIKE[2]} (I2P: {ALIKE[1]}). Least: over the three, and over {SHARES} true shares up to a half. Means: over the
three."""
UNEQUAL = """\
Near-duplicate prompts form groups, and those count instead of prompts. They are of unequal size, so this is simulated:
{runs:,} runs for each true share and correlation, least over five shares from 2 to 50 % and correlations of 0.35 and
0.7 of any two images of a group. Chance takes such a least value about one point below the coverage. This table came
after the rule and is no part of it: it could only have refuted the choice."""
PAIRS = """\
`eval.measure.estimates.paired_difference` (Bonett & Price 2012, Student's t), over all shares of wins and losses: both
sides of every jump of the coverage, and for each 61 shares of pairs that differ. The mean width takes all outcomes
alike. It stays as it is: a least coverage below 90 % was to be mended, and there is none."""
ENOUGH = 15
TITLES = {"least": "Least coverage", "mean": "Mean coverage", "width": "Mean width", "width_at_0": "At 0"}


def chosen(alone: dict[int, list[Result]], several: dict[tuple[int, int], list[Result]]) -> tuple[int | None, int]:
    """Return the number of the candidate that the rule chooses, if any, and the fewest prompts it was judged by."""
    for fewest in (0, ENOUGH):
        settings = [*alone.values(), *(results for (_, prompts), results in several.items() if prompts >= fewest)]
        eligible = [c for c in range(len(CANDIDATES)) if all(results[c].least >= SHOULD for results in settings)]
        if eligible:
            return min(eligible, key=lambda c: float(np.mean([results[c].width for results in settings]))), fewest
    return None, ENOUGH


def tables(results: dict[int, list[Result]]) -> list[str]:
    """Return a heading and a table for each quantity: one row a candidate, one column a number of prompts."""
    parts = []
    for quantity, title in TITLES.items():
        rows = [
            [c.name, *(_percent(getattr(each[i], quantity), quantity == "least") for each in results.values())]
            for i, c in enumerate(CANDIDATES)
        ]
        parts += [f"### {title}", _table(rows, ["prompts", *results])]
    return parts


def report(alone: dict, several: dict, groups: dict, pairs: dict, command: str, runs: int) -> str:
    """Return the page."""
    number, fewest = chosen(alone, several)
    judged = f" (with several images: of {fewest} prompts or more)" if fewest else ""
    verdict = "no candidate." if number is None else f"{CANDIDATES[number].name}{judged}."
    notes = NOTES.format(should=100 * SHOULD, enough=ENOUGH)
    parts = ["# Small numbers", f"Written by `{command}`.", notes.rstrip(), f"**Chosen by it**: {verdict}"]
    parts += [PRODUCT, "## One image per prompt", *tables(alone)]
    for images in sorted({images for images, _ in several}):
        parts += [f"## {images} images per prompt", SEVERAL] if images == 2 else [f"## {images} images per prompt"]
        parts += tables({prompts: results for (m, prompts), results in several.items() if m == images})
    rows = [[*map(str, setting), *(_percent(value, True) for value in least)] for setting, least in groups.items()]
    parts += ["## Groups of unequal size", UNEQUAL.format(runs=runs)]
    parts += [_table(rows, ["sizes", "groups", "images per prompt", *(choice.name for choice in CHOICES)])]
    rows = [[str(n), *(_percent(v, i == 0) for i, v in enumerate(values))] for n, values in pairs.items()]
    head = ["prompts", "least coverage", "mean width", "width where no pair differs"]
    return "\n\n".join([*parts, "## Paired difference, one image per prompt", PAIRS, _table(rows, head)]) + "\n"


def _table(rows: list, head: list) -> str:
    return tabulate(rows, [str(each) for each in head], "github", disable_numparse=True)


def _percent(value: float, judged: bool) -> str:
    return f"**{100 * value:.1f}**" if judged and value < SHOULD else f"{100 * value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 9 prompts or groups only")
    parser.add_argument(
        "--runs", type=at_least(2), default=2000, help="simulated runs of groups of unequal size (default 2000)"
    )
    parser.add_argument("--seed", type=at_least(0, MOST_SEED), default=1, help="of the simulated runs (default 1)")
    add_out(parser, "small_numbers.md")
    options = parser.parse_args()
    most, rng = 9 if options.quick else max(PROMPTS), np.random.default_rng(options.seed)
    alone = {n: [one_image(candidate, n) for candidate in CANDIDATES] for n in PROMPTS if n <= most}
    several = {}
    for images, numbers in CLUSTERED.items():
        for prompts in (n for n in numbers if n <= most):
            print(f"{images} images, {prompts} prompts", file=sys.stderr, flush=True)
            several[images, prompts] = clustered(images, prompts)
    settings = [(kind, n, images) for kind in SIZES for n in GROUPS if n <= most for images in (1, 10)]
    groups = {setting: unequal(*setting, options.runs, rng) for setting in settings}
    pairs = {n: paired(n) for n in PAIRED if n <= most}
    command = "python scripts/enumerate_intervals.py" + " --quick" * options.quick
    text = report(alone, several, groups, pairs, f"{command} --runs {options.runs} --seed {options.seed}", options.runs)
    show_and_write(text, options.out)


if __name__ == "__main__":
    end_with(main)
