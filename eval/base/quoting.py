"""KEY=VALUE for a command line of ours, in quotes where Hydra would read another value."""

from __future__ import annotations

import re
import shlex

PLAIN = re.compile(r"(?!(null|true|false|inf|nan)$)[A-Za-z_/][A-Za-z0-9_./+@%:-]*", re.IGNORECASE | re.ASCII)
_DOLLAR = re.compile(r"(\\*)\$\{")


def override(key: str, value: str) -> str:
    """Return KEY=VALUE as Hydra reads it back, quoted where it would read another value."""
    return f"{key}={value if PLAIN.fullmatch(value) else quoted(value)}"


def shell_override(key: str, value: str) -> str:
    """Return KEY=VALUE as a shell hands it to Hydra, which reads the value back: paths may hold blanks and quotes."""
    return shlex.quote(override(key, value))


def quoted(value: str, dollar: re.Pattern = _DOLLAR) -> str:
    """Return a value in quotes, in which no `${…}` that `dollar` finds names another key."""
    # Before a quote, Hydra takes a backslash as an escape, and elsewhere as itself.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"'{dollar.sub(_escape_dollar, escaped)}'"  # or it would name another key


def _escape_dollar(match: re.Match) -> str:
    return f"{match[1] * 2}\\${{"
