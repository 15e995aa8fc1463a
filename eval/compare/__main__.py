"""Two runs side by side: `python -m eval.compare RUN_A RUN_B` prints how their settings and numbers differ."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from eval.base.cli import exit_code_of, with_run
from eval.base.errors import COMPLETE, INCOMPLETE, InputError
from eval.base.files import write_atomic
from eval.base.printing import say
from eval.compare.compared import compare_runs
from eval.config.checks import check_margin
from eval.report.description.written import written_to
from eval.report.margin import read_margin
from eval.store.rundir import RunDir
from eval.store.stored_run import read_run

HELP = """Compare two runs, A minus B: each method that both have, pair by pair on the same prompts and noise.

  paired=false              compare without pairs: runs on other prompts, noise, judges or definitions
  method_a=X method_b=Y     these two methods, X of RUN_A and Y of RUN_B (which may be one run)
  margin=POINTS             whether A is shown to be no worse than B by more than POINTS
  out=FOLDER                also write comparison.md and comparison.csv there

Exit codes: 0 compared, 2 can't be compared, 3 compared, but images are missing."""
FILES = "comparison.md", "comparison.csv"


def main() -> None:
    """`python -m eval.compare RUN_A RUN_B …`: print how two runs differ."""
    keys = ("paired", "method_a", "method_b", "margin", "out")
    sys.exit(exit_code_of(lambda: with_run("eval.compare", _compare, keys, HELP, "RUN_A RUN_B")))


def _compare(
    first: Path,
    second: Path,
    paired: str = "true",
    method_a: str | None = None,
    method_b: str | None = None,
    margin: str | None = None,
    out: str | None = None,
) -> int:
    if paired not in ("true", "false"):
        raise InputError(f"paired must be true or false, found {paired!r}: leave it out for pairs")
    if (method_a is None) != (method_b is None):
        raise InputError("method_a and method_b must both be named, or neither, found one of them: name the other too")
    methods = None if method_a is None else (method_a, method_b)
    points = None if margin is None else read_margin(margin)
    check_margin(points)
    stored = [read_run(RunDir(path)) for path in (first, second)]
    compared = replace(compare_runs(*stored, methods, paired=paired == "true"), margin=points)
    try:
        if out is not None:
            for name, text in zip(FILES, (compared.markdown(), compared.csv()), strict=True):
                write_atomic(Path(out) / name, text.encode())
    finally:
        say(compared.terminal())
    if out is not None:
        say(f"\n{written_to(out, FILES)}")
    for run, count in zip(stored, compared.missing, strict=True):
        if count:
            say(f"{count:,} images of {run.run.root} are missing; this completes it: {run.command}", sys.stderr)
    return INCOMPLETE if any(compared.missing) else COMPLETE


if __name__ == "__main__":
    main()
