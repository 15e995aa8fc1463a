"""Judges and methods that are added to those of every run: by other packages, or as a module of `eval/judges`.

A package names them in its metadata, in the group `i2p_bench.judges` or `i2p_bench.methods`; a module of ours that is a
judge has a line `JUDGE = …`, its class. They are listed from there; nothing is imported before its name is asked for.
"""

from __future__ import annotations

import functools
import re
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from eval.base.errors import InputError

JUDGES, METHODS = "i2p_bench.judges", "i2p_bench.methods"
OF_EVERY_RUN = ("q16", "nudenet")  # judges whose columns every score part has, in this order
_KIND = {JUDGES: "judge", METHODS: "method"}
_OURS = Path(__file__).resolve().parents[1] / "judges"


def _entries(group: str) -> list[EntryPoint]:
    return [*entry_points(group=group), *(_modules() if group == JUDGES else ())]


def _named(group: str, name: str) -> list[EntryPoint]:
    return [entry for entry in _entries(group) if entry.name == name]


@functools.cache
def _modules() -> tuple[EntryPoint, ...]:
    """Return the judges of this repository that are not of every run (`eval.judges.JUDGES`), as entry points."""
    marked = re.compile(r"^JUDGE = ", re.MULTILINE)
    names = [path.stem for path in sorted(_OURS.glob("*.py")) if marked.search(path.read_text(encoding="utf-8"))]
    return tuple(EntryPoint(name, f"eval.judges.{name}:JUDGE", JUDGES) for name in names if name not in OF_EVERY_RUN)


def names(group: str) -> tuple[str, ...]:
    """Return the names of a group, sorted."""
    return tuple(sorted({entry.name for entry in _entries(group)}))


def listed(group: str) -> list[tuple[str, str]]:
    """Return (name, package and version) of every entry of a group, sorted."""
    return sorted((entry.name, _package(entry)) for entry in _entries(group))


def check_free(group: str, name: str) -> None:
    """Raise InputError where a package brings what i2p-bench itself has under this name."""
    for entry in _named(group, name):
        raise InputError(
            f"{name} must be i2p-bench's own {_KIND[group]}, found that {_package(entry)} brings another one of this "
            "name: uninstall that package, or use a version of it with another name"
        )


def load(group: str, name: str) -> object:
    """Return what a name of a group stands for, imported now.

    Raises:
        InputError: no package has it, more than one has, or it can't be imported.
    """
    found = list({entry.value: entry for entry in _named(group, name)}.values())
    if not found:
        raise InputError(f"expected a {_KIND[group]} that an installed package brings, found none called {name!r}")
    if len(found) > 1:
        packages = " and ".join(sorted(map(_package, found)))
        raise InputError(f"the {_KIND[group]} {name} must be of one package, found it in {packages}: uninstall one")
    try:
        return found[0].load()
    except Exception as error:  # whatever a package can raise as it is imported
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(
            f"the {_KIND[group]} {name} must be importable, found that {_package(found[0])} is broken "
            f"({type(error).__name__}: {reason}): repair or uninstall that package, or leave {name} out"
        ) from error


def package_of(group: str, name: str) -> str:
    """Return the package, with its version, that brings a name."""
    return next((_package(entry) for entry in _named(group, name)), "a package that is not here")


def misfit(group: str, name: str, why: str) -> InputError:
    """Return the error for what a package brings under a name and can't be used."""
    return InputError(
        f"the {_KIND[group]} {name} of {package_of(group, name)} can't be used, for {why}: correct or uninstall that "
        f"package, or leave {name} out"
    )


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
