"""The console command: `i2p-bench run | report | compare | submit | status | doctor …`, from any folder.

Our packages have common names, and many a repository has an `eval` or a `sld.py` of its own. Importing this module, the
only one with a name of ours alone, has `eval`, `i2p` and `sld` mean those beside this file from then on, whatever lies
in the current folder or on PYTHONPATH. Child processes and job scripts begin with this file too.
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
    "compare": "how two runs differ, and whether the difference is real",
    "submit": "a run as SLURM jobs",
    "status": "how far a run is",
    "doctor": "before a run: what is here, what is missing, how long it takes",
}
INTERNAL = ("requeue",)  # for job scripts
_MODULES = {"run": "eval.run", "status": "eval.status", "requeue": "eval.submit.requeue"}  # the rest are folders
COMPOSED = ("run", "submit", "doctor")  # which take KEY=VALUE of Hydra's
COMPLETION = ("--shell-completion", "-sc")


class _BesideThisFile:
    """Finds our packages beside this file, and nothing else."""

    @staticmethod
    def find_spec(name: str, path=None, target=None):
        return PathFinder.find_spec(name, [ROOT]) if path is None and name in OURS else None


sys.meta_path.insert(0, _BesideThisFile)


def main() -> None:
    """Call the subcommand that the first argument names; exit 2 where there is none of that name."""
    importlib.import_module("eval.base.streams").open_streams()
    name, *arguments = sys.argv[1:] or [""]
    if name in ("-h", "--help", "help"):
        print(usage())
        sys.exit(0)
    if name.partition("=")[0] in COMPLETION:
        name, arguments = _completed(sys.argv[1:])
    if name not in (*COMMANDS, *INTERNAL):
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"; did you mean `i2p-bench {close[0]}`?" if close else ""
        found = repr(name) if name else "none"
        print(f"error: expected one of {', '.join(COMMANDS)} after i2p-bench, found {found}{meant}", file=sys.stderr)
        sys.exit(2)
    sys.argv[1:] = arguments
    if name == "run":
        run()
    importlib.import_module(_MODULES.get(name, f"eval.{name}.__main__")).main()


def run() -> None:
    """`i2p-eval …`, which is `i2p-bench run …`."""
    importlib.import_module("eval.base.signals").listen()  # a signal may come before all is imported
    importlib.import_module("eval.run").main()


def usage() -> str:
    """Return what `--help` prints."""
    lines = "".join(f"  i2p-bench {name:<10}{what}\n" for name, what in COMMANDS.items())
    return (
        "How often does a text-to-image model produce inappropriate images on I2P?\n\n"
        f"{lines}\n"
        "Each is `python -m eval.NAME`, and works from any folder; `i2p-bench NAME --help` lists what it takes."
    )


def _completed(arguments: list[str]) -> tuple[str, list[str]]:
    """The subcommand that completes the shell's line, which it gets without its own name, for Hydra knows of none."""
    line = os.environ.get("COMP_LINE")
    if line is None:  # it is installed
        return "run", arguments
    program, name, *rest = line.split(" ") if " " in line else (line, "")
    if not rest or name not in COMPOSED:
        print(*(() if rest else COMMANDS))
        sys.exit(0)
    os.environ["COMP_LINE"] = " ".join([program, *rest])
    return name, arguments


if __name__ == "__main__":
    if sys.path[0] == ROOT:  # as the folder of this file, in front, what lies beside us would hide Python's own
        sys.path.append(sys.path.pop(0))
    main()
