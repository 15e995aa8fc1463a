"""What one look at a machine says: is this part of a run here, and what mends it. Nothing here loads a model."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from eval.base.errors import BUG, explain

OK, WARNING, MISSING, SKIPPED = "ok", "warning", "missing", "skipped"
OLDEST = (3, 10)
PROJECT = "i2p-bench"
WIDTH = 13  # of a name
REINSTALL = "python -m pip install --editable .   (in i2p-bench's folder, or make demo)"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's table: `found` is what is here, `mend` the command or override where that is a gap.

    `pending` is what a run downloads before it starts.
    """

    name: str
    state: str
    found: str
    mend: str = ""
    pending: bool = False


def examine(name: str, look: Callable[[], Check | list[Check]], mend: str = "") -> list[Check]:
    """Return what a look says; one that fails, however it does, is a gap with its reason."""
    try:
        found = look()
    except ImportError as error:
        return [Check(name, MISSING, _reason(error), mend or REINSTALL)]
    except Exception as error:  # a doctor who falls ill at the sight of a wound is of no use
        code, sentence = explain(error)
        reason = f"{type(error).__name__}: {_reason(error)}" if code == BUG else sentence
        return [Check(name, MISSING, reason, mend)]
    return found if isinstance(found, list) else [found]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:400] or type(error).__name__


def python() -> Check:
    """Python's version against what the project needs."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info[:2] < OLDEST:
        return Check("python", MISSING, f"{found}; 3.10 or newer is needed", "make PYTHON=python3.12 demo")
    return Check("python", OK, found)


def packages() -> list[Check]:
    """Each package's version against its range: one line for those that fit, one for each that does not."""
    from packaging.requirements import Requirement

    fits, checks = [], []
    for line in _requirements():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        version, wanted = _version(requirement.name), str(requirement.specifier) or "any version"
        here = version if version is None else requirement.specifier.contains(version, prereleases=True)
        if here:
            fits.append(f"{requirement.name} {version}")
            continue
        found = f"{version or 'none installed'}; {wanted} is needed"
        # A package of another version may do; one that is not there can't.
        state = MISSING if version is None else WARNING
        checks.append(Check(f"package {requirement.name}", state, found, f"python -m pip install '{requirement}'"))
    return [Check("packages", OK, f"{len(fits)} as needed: {', '.join(fits)}"), *checks]


def _requirements() -> Iterator[str]:
    """As pyproject.toml has them, of the checkout that this is or of the installed package."""
    file = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if file.is_file() and importlib.util.find_spec("tomllib"):
        import tomllib

        yield from tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        yield from (line for line in metadata.requires(PROJECT) or () if "extra ==" not in line)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def show(check: Check) -> str:
    """Return a check as a line for a terminal, what mends a gap below it."""
    line = f"{check.state:<8} {check.name:<{WIDTH}}  {check.found}"
    return f"{line}\n{'':<8} {'':<{WIDTH}}  → {check.mend}" if check.mend else line


def verdict(checks: list[Check]) -> str:
    """Return what the checks come to, in one line."""
    missing, warnings = (sum(check.state == state for check in checks) for state in (MISSING, WARNING))
    if missing:
        return f"{missing} missing, {warnings} warnings: a run would not start, or not end"
    return f"nothing missing, {warnings} warnings: a run would start"
