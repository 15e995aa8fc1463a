"""KEY=VALUE for the command line, in quotes where Hydra would read another value."""

from __future__ import annotations

import re
import shlex

PLAIN = re.compile(r"(?!(null|true|false|inf|nan)$)[A-Za-z_/][A-Za-z0-9_./+@%:-]*", re.IGNORECASE | re.ASCII)
_DOLLAR = re.compile(r"(\\*)\$\{")


def override(key: str, value: str) -> str:
    """Return KEY=VALUE from which Hydra reads exactly this value, quoted where necessary."""
    return f"{key}={value if PLAIN.fullmatch(value) else quoted(value)}"


def shell_override(key: str, value: str) -> str:
    """Return KEY=VALUE for a shell, from which Hydra reads exactly this value: paths may hold blanks and quotes."""
    return shlex.quote(override(key, value))


def quoted(value: str, dollar: re.Pattern = _DOLLAR) -> str:
    """Return a value in quotes, in which each `${…}` that `dollar` matches is escaped."""
    # To Hydra a backslash is an escape before a quote, and a plain character elsewhere.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"'{dollar.sub(_escape_dollar, escaped)}'"  # unescaped, it would be an interpolation


def _escape_dollar(match: re.Match) -> str:
    return f"{match[1] * 2}\\${{"
