"""Judges: each looks at pictures and returns one raw record an image; `eval.measure.definitions` says what counts.

A judge sees the very bytes that are saved and decides nothing: thresholds and label sets are applied later, so every
definition in the field can be computed from one run. A judge is one class, which says all that the rest has to know of
it. Its module imports its libraries when the judge is loaded, because they take seconds to import.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from eval.base import plugins
from eval.base.errors import InputError
from eval.base.nearest import advice

if TYPE_CHECKING:
    import pyarrow as pa

# Since 1.32 onnxruntime reports to its makers what it runs, and keeps a name for the machine, unless told before it is
# imported that it must not. Who sets it is obeyed.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Those whose columns every score part has, in this order. `eval.base.plugins` finds the others, each by its module.
JUDGES = plugins.OF_EVERY_RUN


@dataclass(frozen=True, slots=True)
class Detection:
    """One body part found in one picture.

    `label` is NudeNet v3's name, `score` in (0.25, 1], `box` is x, y, width, height in pixels of the picture.
    """

    label: str
    score: float
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class NoSettings:
    """The settings of a judge that has none."""


@dataclass(frozen=True)
class Rule:
    """A definition that asks one judge alone: `inappropriate` takes its columns, and returns (n,) bool.

    `name` is what `flags=` chooses it by, `counts` what counts under it, in words, and `source` where it comes from.
    """

    name: str
    counts: str
    source: str
    inappropriate: Callable[[pa.Table], np.ndarray]


class Judge:
    """The base class of all judges; a loaded judge is an instance."""

    name: ClassVar[str]
    version: ClassVar[str]  # raised whenever the same picture would get another record
    help: ClassVar[str]  # what its settings choose, for a line of --help
    takes_tensors: ClassVar[bool] = False  # whether `judge` also takes a (B, H, W, 3) uint8 tensor on its device
    settings: ClassVar[type] = NoSettings  # a frozen dataclass, whose fields are the keys NAME.FIELD
    paths: ClassVar[tuple[str, ...]] = ()  # fields that hold a path: `~` stands for the home folder
    files: ClassVar[tuple[str, ...]] = ()  # fields that name files whose digests are in the description
    rules: ClassVar[tuple[Rule, ...]] = ()  # definitions of its own
    expects: ClassVar[str] = "a record"  # what a record is, in words
    reinstall: ClassVar[str] = ""  # the command that installs its libraries anew, where one is missing or broken

    @classmethod
    def keys(cls) -> dict[str, str]:
        """Return argument of the class → key of the command line."""
        return {"device": "device"} | {field.name: f"{cls.name}.{field.name}" for field in fields(cls.settings)}

    @classmethod
    def check_settings(cls, settings: Any, asked: bool) -> None:
        """Raise InputError for a value that is out of its range; `asked` is whether the judge is to judge."""

    @classmethod
    def check_paths(cls, settings: Any) -> None:
        """Raise InputError for a path that leads to nothing. Nothing is loaded."""

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """The columns of a score part that a record fills. Of an `ok` image none is null."""
        raise NotImplementedError

    @classmethod
    def cells(cls, record: Any) -> dict[str, Any]:
        """Return a record as values of these columns."""
        raise NotImplementedError

    @classmethod
    def is_record(cls, record: Any) -> bool:
        """Whether it can be a verdict at all: nonsense must not pass every threshold as safe."""
        raise NotImplementedError

    @classmethod
    def known(cls, settings: Any, device: str) -> dict[str, Any]:
        """Return the part of `describe` that is known before loading, on a device of type `device`."""
        return {}

    @classmethod
    def load(cls, settings: Any, device: str, threads: int | None = None) -> Judge:
        """The judge, loaded. `threads` is how many cores a process may use that is one of several; None for all."""
        raise NotImplementedError

    @classmethod
    def title(cls, description: Mapping[str, Any]) -> str:
        """Return the judge's name for people, from the description on record, of which older runs may lack parts."""
        return cls.name

    def describe(self) -> dict[str, Any]:
        """Return everything on which a score depends, as plain JSON values for the manifest."""
        raise NotImplementedError

    def judge(self, images: np.ndarray | Sequence[np.ndarray]) -> Sequence[Any]:
        """One record for each picture of a (B, H, W, 3) uint8 RGB array, or of a sequence of (H, W, 3) ones.

        Raises InputError for anything else, and JudgeError when a picture gets no finite score.
        """
        raise NotImplementedError

    def records(self, images: np.ndarray | Sequence[np.ndarray]) -> list[Any]:
        """Return what `judge` does, as records that may carry more than their columns, such as an embedding."""
        return list(self.judge(images))


def judge_class(name: str) -> type[Judge]:
    """Return the class of a judge of this project or of an installed package.

    Raises:
        InputError: there is none, or that of a package is broken; the sentence says which there are.
    """
    if name in JUDGES:
        return importlib.import_module(f"{__name__}.{name}").JUDGE
    if name not in (plugged := plugins.names(plugins.JUDGES)):
        names = (*JUDGES, *plugged)
        raise InputError(f"the judge must be one of {', '.join(names)}, found {name!r}: {advice(name, names)}")
    return _checked(name, plugins.load(plugins.JUDGES, name))


def _checked(name: str, value: Any) -> type[Judge]:
    """Return the class that a package brings; refuse one that is not a judge or has invalid attributes."""
    for why in _faults(name, value):
        raise plugins.misfit(plugins.JUDGES, name, why)
    return value


def _faults(name: str, candidate: Any) -> Iterator[str]:
    if not (isinstance(candidate, type) and issubclass(candidate, Judge)):
        yield f"it is no class that derives from {Judge.__module__}.{Judge.__name__}"
        return
    texts = {key: getattr(candidate, key, None) for key in ("name", "version", "help")}
    if lacking := [key for key, text in texts.items() if not (isinstance(text, str) and text)]:
        yield f"its {lacking[0]} is no text"
    if candidate.name != name:
        yield f"its name is {candidate.name!r}"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        yield "its name must be of small letters, digits and _"
    if not (is_dataclass(candidate.settings) and candidate.settings.__dataclass_params__.frozen):
        yield "its settings are no frozen dataclass"
    try:
        columns = list(candidate.columns())
    except (Exception, SystemExit) as error:  # code of another package can raise anything
        yield f"its columns can't be told ({type(error).__name__}: {error})"
        return
    if not columns:
        yield "it has no columns"
    for column in columns:
        if not is_column_of(column, name):
            yield f"its column {column} does not begin with {name}_"


def judge_title(name: str, description: Mapping[str, Any]) -> str:
    """Return a judge's name for people, from what a run recorded of it; `name` where its package is not installed."""
    if name not in JUDGES and name not in plugins.names(plugins.JUDGES):
        return name
    try:
        return str(judge_class(name).title(description)) or name
    except (Exception, SystemExit):  # code of another package can raise anything, and a report needs no title
        return name


def known_judges(judges: Mapping[str, Any], device: str) -> dict[str, dict[str, Any]]:
    """Return what of each judge's description is known before any is loaded; `judges` are their settings by name."""
    return {name: judge_class(name).known(settings, device) for name, settings in judges.items()}


def is_column_of(name: str, judge: str) -> bool:
    """Return whether a column can be that of a judge of another package: its name is the judge's or begins with it."""
    return name == judge or name.startswith(f"{judge}_")


def columns_of(judge: str, present: Sequence[str]) -> list[str]:
    """The columns of a judge among those present; the package of one that has judged need not be here any more."""
    if judge in JUDGES:
        return list(judge_class(judge).columns())
    return [name for name in present if is_column_of(name, judge)]


def described(judges: Mapping[str, Judge]) -> dict[str, dict[str, Any]]:
    """Return the description of each judge for the manifest."""
    return {name: {**_by(name), **judge.describe()} for name, judge in judges.items()}


def _by(name: str) -> dict[str, Any]:
    """Return what every judge of another package has in its description; this project's own add it themselves."""
    if name in JUDGES:
        return {}
    judge = judge_class(name)
    return {"name": name, "version": judge.version}
