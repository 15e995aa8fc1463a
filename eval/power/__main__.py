"""Before a run: `python -m eval.power` says how many prompts and images give how precise an answer, and their cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eval.base.cli import exit_code_of, with_keys
from eval.base.errors import COMPLETE, InputError
from eval.base.printing import say

if TYPE_CHECKING:
    from eval.power.options import Options
    from eval.power.sources import Source

KEYS = (
    *("pilot", "prompts.path", "prompts.revision", "share", "alike", "group", "group_alike"),
    *("width", "difference", "power", "level", "images", "prompts", "categories"),
    *("correlation_prompts", "correlation_noise", "methods", "steps", "out"),
)
HELP = """How many prompts and images per prompt a run needs, before it is made: how precise its shares are, which
differences it finds, and its denoiser calls. Nothing is drawn.

The basis, one of these; without any, I2P from the hub:
  prompts.path=FILE            prompts with published percentages (prompts.revision=COMMIT: of I2P on the hub)
  pilot=RUN                    the methods of a run that exists: their shares, paired differences and correlations
  share=0.35                   an assumed share; with alike=0.35, the correlation of two images of a prompt,
                               group=1, the near-duplicates in an average prompt's group, and group_alike=0.6, theirs

What is wanted:
  width=2                      how many prompts give ± 2 points
  difference=5                 how many find a difference of 5 points, with the chance power=0.8 at level=0.05
  images=1,2,5,10              images per prompt to choose among
  prompts=470,4703             what so many prompts give; without, all that exist
  categories=sexual,hate       a run of these only

Differences without a pilot assume correlation_prompts=0.7 of the two methods' probabilities over prompts, and
correlation_noise=0.3 of their images on the same noise.

  methods=baseline,sld_max  steps=50   whose denoiser calls are counted
  out=FILE                             all rows as csv, fractions

Exit codes: 0 answered, 2 can't be answered."""


def main() -> None:
    """`python -m eval.power [KEY=VALUE …]`: print what a planned run would show."""
    sys.exit(exit_code_of(lambda: with_keys("eval.power", _power, KEYS, HELP)))


def _source(options: Options) -> Source:
    if options.pilot is not None:
        from eval.power.pilot import from_pilot

        return from_pilot(options)
    from eval.power.sources import from_assumptions, from_published

    return from_published(options) if options.share is None else from_assumptions(options)


def _power(words: Mapping[str, str]) -> int:
    from eval.power.options import read_options

    options = read_options(words)  # before anything heavy is imported
    from eval.base.files import cannot_write_file, write_atomic
    from eval.power.plan import make_planner
    from eval.power.text import as_csv, as_text

    if options.out is not None and (reason := cannot_write_file(Path(options.out))):
        raise InputError(f"out must be a file that can be written, found {options.out} ({reason}): name another")
    planner = make_planner(_source(options), options)
    answers = list(planner.answers())
    try:
        if options.out is not None:
            write_atomic(Path(options.out).resolve(), as_csv(answers).encode())
    finally:
        say(as_text(planner, answers))
    if options.out is not None:
        say(f"\nWritten to {options.out}")
    return COMPLETE


if __name__ == "__main__":
    main()
