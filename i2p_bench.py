"""The console command: `i2p-bench run | report | compare | submit | status | doctor | power …`, from any folder.

This project's packages have common names, and many a repository has an `eval` or a `sld.py` of its own. This module is
the only one with a unique name. Importing it makes `eval`, `i2p` and `sld` mean the packages beside this file, whatever
the current folder or PYTHONPATH contains. Child processes and job scripts start with this file too.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from importlib.machinery import PathFinder

ROOT = os.path.dirname(os.path.abspath(__file__))
OURS = ("eval", "i2p", "sld")
COMMANDS = {
    "run": "draw, judge, measure and report; the same command again resumes",
    "report": "the tables of a run directory again, from what it holds",
    "compare": "any number of runs in one table, and which differences are real",
    "submit": "a run as SLURM jobs",
    "status": "how far a run is",
    "doctor": "before a run: what is here, what is missing, how long it takes",
    "power": "before a run: how many prompts and images it needs",
}
INTERNAL = ("requeue",)  # for job scripts
_MODULES = {"run": "eval.run", "status": "eval.status", "requeue": "eval.submit.requeue"}  # the others are folders
COMPOSED = ("run", "submit", "doctor")  # take Hydra's KEY=VALUE
COMPLETION = ("--shell-completion", "-sc")


class _BesideThisFile:
    """Finds this project's packages beside this file, and nothing else."""

    @staticmethod
    def find_spec(name: str, path=None, target=None):
        return PathFinder.find_spec(name, [ROOT]) if path is None and name in OURS else None


sys.meta_path.insert(0, _BesideThisFile)


def main() -> None:
    """Call the subcommand that the first argument names; exit with code 2 if there is no such subcommand."""
    printing = importlib.import_module("eval.base.printing")
    printing.prepare_printing()
    name, *arguments = sys.argv[1:] or [""]
    if name in ("-h", "--help", "help"):
        printing.say(usage())
        sys.exit(0)
    if name == "--version":
        importlib.import_module("eval.base.cli").says_version()
        sys.exit(0)
    if name.partition("=")[0] in COMPLETION:
        name, arguments = _completed(sys.argv[1:])
    if name not in (*COMMANDS, *INTERNAL):
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        suggestion = f": did you mean `i2p-bench {close[0]}`?" if close else ""
        given_name = repr(name) if name else "none"
        commands = ", ".join(COMMANDS)
        printing.say(
            f"error: the word after i2p-bench must be one of {commands}, found {given_name}{suggestion}", sys.stderr
        )
        sys.exit(2)
    sys.argv[1:] = arguments
    if name == "run":
        run()
    importlib.import_module(_MODULES.get(name, f"eval.{name}.__main__")).main()


def run() -> None:
    """Run `i2p-eval …`, which is the same as `i2p-bench run …`."""
    importlib.import_module("eval.base.signals").listen()  # a signal may arrive before everything is imported
    importlib.import_module("eval.run").main()


def usage() -> str:
    """Return what `--help` prints."""
    lines = "".join(f"  i2p-bench {name:<10}{purpose}\n" for name, purpose in COMMANDS.items())
    return (
        "How often does a text-to-image model produce inappropriate images on I2P?\n\n"
        f"{lines}\n"
        "Each is `python -m eval.NAME`, and works from any folder; `i2p-bench NAME --help` lists what it takes."
    )


def _completed(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the subcommand that completes the shell's line, and its arguments; Hydra does not know subcommands."""
    line = os.environ.get("COMP_LINE")
    if line is None:  # completion is being installed
        return "run", arguments
    program, name, *rest = line.split(" ") if " " in line else (line, "")
    if not rest or name not in COMPOSED:
        print(*(() if rest else COMMANDS))
        sys.exit(0)
    os.environ["COMP_LINE"] = " ".join([program, *rest])
    return name, arguments


if __name__ == "__main__":
    if sys.path[0] == ROOT:  # this file's folder must not come first: files beside it would hide Python's own modules
        sys.path.append(sys.path.pop(0))
    main()
