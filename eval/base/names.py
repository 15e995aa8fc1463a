"""A check that `i2p` and `sld` are this project's, because a package in the current folder would hide them."""

from __future__ import annotations

import importlib.util
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def check_names() -> None:
    """Refuse to run if another package hides `i2p` or `sld`; `python -m eval.…` prints the message and exits with 2.

    Raises:
        ImportError: in a script.
    """
    for name in ("i2p", "sld"):
        spec = importlib.util.find_spec(name)
        file = spec.origin if spec else None
        if file is None or os.path.dirname(os.path.dirname(os.path.realpath(file))) == ROOT:
            continue
        positions = [number for number, word in enumerate(sys.orig_argv) if word == "-m" and sys.argv[0] == "-m"]
        command = sys.orig_argv[positions[0] + 1].rpartition(".")[2] if positions else "run"
        sentence = (
            f"{name} must be i2p-bench's own, found {file} first: `{_safe_command(command)}` works from any folder"
        )
        if positions:  # as `python -m`, which has not imported the command yet
            from eval.base.printing import say

            say(f"error: {sentence}", sys.stderr)
            sys.exit(2)
        raise ImportError(f"{sentence}; a script begins with `import i2p_bench`")


def _safe_command(command: str) -> str:
    from eval.base.command import typed

    return f"{typed(command)} …"
