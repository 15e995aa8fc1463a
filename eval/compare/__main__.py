"""Runs in one table: `python -m eval.compare RUN RUN …` prints how their numbers and settings differ."""

from __future__ import annotations

import sys
from pathlib import Path

from eval.base.cli import exit_code_of, with_runs
from eval.base.errors import COMPLETE, INCOMPLETE
from eval.base.printing import say
from eval.base.words import counted
from eval.compare.compared import compare_runs
from eval.compare.files import PAGE, write
from eval.compare.options import KEYS, check_out, check_runs, read_flag, read_options, refuse_former_keys
from eval.compare.summary import for_people
from eval.compare.text import terminal_text
from eval.report.description.written import page_to_open, written_to
from eval.store.rundir import RunDir
from eval.store.stored_run import read_run

HELP = """Set any number of runs into one table: a column per run and method, with intervals, differences and places.

Pictures are paired by prompt and image number, on the prompts that all runs have. A single run is compared with itself,
method by method.

  against=COLUMN            with what the columns are compared: a TITLE, TITLE:METHOD, or a METHOD that only one run
                            has; the title of a run with several methods compares each column with its namesake there
  methods=[NAME, …]         only these columns: methods of all runs, titles, or TITLE:METHOD
  titles=[TITLE, …]         of the runs, in their order
  names={METHOD: TEXT, …}   names for print of methods
  flags=NAME                count all runs by this definition, as eval.report does
  paired=false              columns as independent samples: runs on other prompts, by other judges or definitions
  margin=POINTS             which columns are shown to be no worse than the reference by more than POINTS
  wide=true                 tables with all that they have, however wide
  out=FOLDER                also write comparison.html, .md, .tex, .csv and others there

Exit codes: 0 compared, 2 can't be compared, 3 compared, but images are missing."""


def main() -> None:
    """`python -m eval.compare RUN RUN …`: print runs in one table."""
    sys.exit(exit_code_of(_command))


def _command() -> int:
    refuse_former_keys(sys.argv[1:])
    return with_runs("eval.compare", _compare, KEYS, HELP)


def _compare(*folders: Path, out: str | None = None, **words: str) -> int:
    check_runs(folders)
    wide = read_flag("wide", words.pop("wide", "false"))
    options = read_options(words, len(folders))
    if out is not None:
        check_out(Path(out))
    compared = compare_runs([read_run(RunDir(folder)) for folder in folders], options)
    names = []
    try:
        if out is not None:
            names = write(compared, Path(out))
    finally:  # after writing, so that a closed terminal costs no file; in any case, so that a full disk costs no number
        say(terminal_text(for_people(compared), wide=wide))
    if out is not None:
        say(f"\n{written_to(out, names)}\n{page_to_open(Path(out), PAGE)}")
    for place, count in compared.missing.items():
        if count:
            stored = compared.members[place].stored
            are = f"{counted(count, 'image')} of {stored.run.root} {'is' if count == 1 else 'are'} missing"
            say(f"{are}; this completes it: {stored.command}", sys.stderr)
    return INCOMPLETE if any(compared.missing.values()) else COMPLETE


if __name__ == "__main__":
    main()
