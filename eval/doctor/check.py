"""One line of the doctor's table: whether a part of a run is present, and the remedy if not. No model is loaded."""

from __future__ import annotations

import functools
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from eval.base.errors import BUG, exits_are_bugs, explain
from eval.base.words import counted

OK, WARNING, MISSING, SKIPPED = "ok", "warning", "missing", "skipped"
OLDEST = (3, 10)
PROJECT = "i2p-bench"
WIDTH = 13  # of a name
INDENT = " " * (8 + 1 + WIDTH + 2)  # below a finding
REINSTALL = "python -m pip install --editable .   (in i2p-bench's folder, or make demo)"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's table.

    Attributes:
        name: what was checked.
        state: `OK`, `WARNING`, `MISSING` or `SKIPPED`.
        finding: what is present, in words.
        remedy: the command or override that fills a gap; empty where there is none.
        pending: whether a run downloads it before it starts.
    """

    name: str
    state: str
    finding: str
    remedy: str = ""
    pending: bool = False


def examine(
    name: str, inspect: Callable[[], Check | list[Check]], remedy: str = "", reinstall: str = REINSTALL
) -> list[Check]:
    """Return the checks that a function makes; if it raises anything, its reason is a gap.

    Args:
        name: of the check where the function raises.
        inspect: makes the checks.
        remedy: what to do where it raises.
        reinstall: what to do where it raises for a package that is missing: no other value of a key brings that.
    """
    try:
        with exits_are_bugs():
            checks = inspect()
    except ImportError as error:
        return [Check(name, MISSING, _reason(error), reinstall)]
    except Exception as error:  # whatever is wrong with one part, the others are still to be checked
        code, sentence = explain(error)
        reason = f"{type(error).__name__}: {_reason(error)}" if code == BUG else sentence
        return [Check(name, MISSING, reason, remedy)]
    return checks if isinstance(checks, list) else [checks]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__


def python() -> Check:
    """Check Python's version against what the project needs."""
    finding = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < OLDEST:
        return Check("python", MISSING, f"{finding}; 3.10 or newer is needed", "make PYTHON=python3.12 demo")
    return Check("python", OK, finding)


def packages() -> list[Check]:
    """Check each package's version against its range: one line for all that fit, and a line for each that does not."""
    from packaging.requirements import Requirement

    fits, checks = [], []
    for line in _requirements():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        version, required = _version(requirement.name), str(requirement.specifier) or "any version"
        if version is not None and requirement.specifier.contains(version, prereleases=True):
            fits.append(f"{requirement.name} {version}")
            continue
        finding = f"{version or 'none installed'}; {required} is needed"
        # A package of another version may work; one that is not installed can't.
        state = MISSING if version is None else WARNING
        checks.append(Check(f"package {requirement.name}", state, finding, f"python -m pip install '{requirement}'"))
    return [Check("packages", OK, f"{len(fits)} as needed: {', '.join(fits)}"), *checks]


def _requirements() -> Iterator[str]:
    """The dependencies in pyproject.toml of this checkout, or else of the installed package."""
    file = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if file.is_file() and importlib.util.find_spec("tomllib"):
        import tomllib

        yield from tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        yield from (line for line in metadata.requires(PROJECT) or () if "extra ==" not in line)


@functools.cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def show(check: Check) -> str:
    """Return a check as a line for a terminal, with the remedy of a gap below it."""
    line = f"{check.state:<8} {check.name:<{WIDTH}}  {check.finding}"
    return f"{line}\n{INDENT}→ {check.remedy}" if check.remedy else line


def verdict(checks: list[Check]) -> str:
    """Return in one line whether a run would start."""
    missing, warnings = (sum(check.state == state for check in checks) for state in (MISSING, WARNING))
    if missing:
        return f"{missing} missing, {counted(warnings, 'warning')}: a run would not start, or not end"
    return f"nothing missing, {counted(warnings, 'warning')}: a run would start"
