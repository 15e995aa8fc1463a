"""Whether `i2p` and `sld` are ours. They are common names, and what lies in the current folder is found before us."""

from __future__ import annotations

import importlib.util
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def check_names() -> None:
    """Raise ImportError where another package hides one of ours; as `python -m eval.…`, say so and exit with 2."""
    for name in ("i2p", "sld"):
        spec = importlib.util.find_spec(name)
        file = spec.origin if spec else None
        if file is None or os.path.dirname(os.path.dirname(os.path.realpath(file))) == ROOT:
            continue
        at = [number for number, word in enumerate(sys.orig_argv) if word == "-m" and sys.argv[0] == "-m"]
        command = sys.orig_argv[at[0] + 1].rpartition(".")[2] if at else "run"
        sentence = f"expected i2p-bench's own {name}, found {file} first: `{_instead(command)}` works from any folder"
        if at:  # as a command, which is still being looked for
            from eval.base.printing import say

            say(f"error: {sentence}", sys.stderr)
            sys.exit(2)
        raise ImportError(f"{sentence}; a script begins with `import i2p_bench`")


def _instead(command: str) -> str:
    from eval.base.command import typed

    return f"{typed(command)} …"
