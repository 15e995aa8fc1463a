"""Plugins: judges and methods of other packages, and judges that are a module of `eval/judges`.

A package names them in its metadata, in the group `i2p_bench.judges` or `i2p_bench.methods`; a judge's module in this
project has a line `JUDGE = …` with its class. Listing them imports nothing; a plugin is imported when it is loaded.
"""

from __future__ import annotations

import functools
import re
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from eval.base.errors import InputError

JUDGES, METHODS = "i2p_bench.judges", "i2p_bench.methods"
OF_EVERY_RUN = ("q16", "nudenet")  # judges whose columns are in every score part, in this order
_NOUN = {JUDGES: "judge", METHODS: "method"}
_FOLDER = Path(__file__).resolve().parents[1] / "judges"


def _entries(group: str) -> tuple[EntryPoint, ...]:
    return (*_installed(tuple(sys.path), group), *(_modules() if group == JUDGES else ()))


@functools.lru_cache(maxsize=8)
def _installed(path: tuple[str, ...], group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group in the packages on a path, whose metadata take long to read."""
    return tuple(entry_points(group=group))


def _entries_named(group: str, name: str) -> list[EntryPoint]:
    return [entry for entry in _entries(group) if entry.name == name]


@functools.cache
def _modules() -> tuple[EntryPoint, ...]:
    """Return the judges of this repository besides `OF_EVERY_RUN`, as entry points."""
    marked = re.compile(r"^JUDGE = ", re.MULTILINE)
    # Editors and archives leave files and links such as `.#q16.py` and `._q16.py`.
    paths = sorted(path for path in _FOLDER.glob("*.py") if path.stem.isidentifier() and path.is_file())
    names = [path.stem for path in paths if marked.search(path.read_text(encoding="utf-8", errors="replace"))]
    return tuple(EntryPoint(name, f"eval.judges.{name}:JUDGE", JUDGES) for name in names if name not in OF_EVERY_RUN)


def names(group: str) -> tuple[str, ...]:
    """Return the names of a group, sorted."""
    return tuple(sorted({entry.name for entry in _entries(group)}))


def listed(group: str) -> list[tuple[str, str]]:
    """Return (name, package and version) of every entry of a group, sorted."""
    return sorted((entry.name, _package(entry)) for entry in _entries(group))


def check_free(group: str, name: str) -> None:
    """Refuse a package that brings a judge or method under the name of one of i2p-bench's own."""
    for entry in _entries_named(group, name):
        raise InputError(
            f"{name} must be i2p-bench's own {_NOUN[group]}, found that {_package(entry)} brings another one of this "
            "name: uninstall that package, or use a version of it with another name"
        )


def load(group: str, name: str) -> object:
    """Import and return the judge or method of a name.

    Args:
        group: `JUDGES` or `METHODS`.
        name: of the entry point.

    Raises:
        InputError: no package brings it, several do, or it can't be imported.
    """
    entries = list({entry.value: entry for entry in _entries_named(group, name)}.values())
    if not entries:
        raise InputError(
            f"the {_NOUN[group]} must be one that an installed package brings, found {name!r}: install its package, or "
            "correct the name"
        )
    if len(entries) > 1:
        packages = " and ".join(sorted(map(_package, entries)))
        raise InputError(f"the {_NOUN[group]} {name} must be of one package, found it in {packages}: uninstall one")
    try:
        return entries[0].load()
    except (Exception, SystemExit) as error:  # importing a package can raise anything
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(
            f"the {_NOUN[group]} {name} must be importable, found that {_package(entries[0])} is broken "
            f"({type(error).__name__}: {reason}): repair or uninstall that package, or leave {name} out"
        ) from error


def package_of(group: str, name: str) -> str:
    """Return the package, with its version, that brings a name."""
    return next((_package(entry) for entry in _entries_named(group, name)), "a package that is not installed")


def misfit(group: str, name: str, why: str) -> InputError:
    """Return the error for an unusable judge or method of a package; `why` is a clause."""
    return InputError(
        f"the {_NOUN[group]} {name} of {package_of(group, name)} must be usable, found that {why}: correct or "
        f"uninstall that package, or leave {name} out"
    )


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
