"""The runs of a comparison and the columns of its table: one per method of each run, with headings for print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

import pandas as pd

from eval.base.errors import InputError
from eval.base.escape import name_in_line
from eval.base.nearest import nearest
from eval.base.words import first_of
from eval.config.names import check_names, look
from eval.measure.definition import Definition
from eval.measure.metrics import verdicts
from eval.store.stored_run import StoredRun


@dataclass(frozen=True)
class Member:
    """A run of a comparison.

    Attributes:
        stored: the run.
        title: for people; that of no other run.
        definition: by which its images count.
    """

    stored: StoredRun
    title: str
    definition: Definition

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The verdicts on its images, from `eval.measure.metrics.verdicts`."""
        return verdicts(self.stored, self.definition)

    @property
    def is_drawn(self) -> bool:
        """Whether it is on record how its pictures were drawn: neither made elsewhere nor replayed."""
        return not (self.stored.manifest.made_elsewhere or self.stored.identity.model.replayed)


@dataclass(frozen=True)
class Column:
    """A method of a run.

    Attributes:
        member: the place of its run among all, from 0.
        title: the run's.
        method: the method's name.
        printed: its name for print.
        heading: of the column; that of no other one.
        mark: the end of the heading of a column that counts otherwise than the reference; empty for any other.
    """

    member: int
    title: str
    method: str
    printed: str
    heading: str
    mark: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words that name this column and no other."""
        return (self.heading, *(f"{self.title}:{name}" for name in (self.printed, self.method)))


def default_titles(runs: Sequence[StoredRun]) -> list[str]:
    """Return a title of each run: that of its report, its model, or its folder, distinct from the others'.

    A model names its run only if no other run has it and none of its parts was replaced; a folder is named with as many
    of those around it as tell it apart.
    """
    titles = [run.manifest.settings.title or _model(run) for run in runs]
    alike = Counter(titles)
    named = [title if alike[title] == 1 else None for title in titles]
    parts = [run.run.root.resolve().parts for run in runs]
    length = 1  # of the ends of paths that tell the folders apart
    while True:
        ends = [name_in_line("/".join(path[-length:])) for path in parts]
        titles = [title or end for title, end in zip(named, ends, strict=True)]
        if len(set(titles)) == len(titles) or length > max(map(len, parts)):
            return titles
        length += 1


def _model(run: StoredRun) -> str | None:
    """Return the short name of a run's model; None where it would not tell what the pictures are of."""
    model = run.identity.model
    if model.demo or model.made_elsewhere or model.replayed or model.replaced_parts or model.loras:
        return None
    return name_in_line(PurePath(model.source).name) or None


def columns_of(members: Sequence[Member], chosen: Sequence[str] | None, names: Mapping[str, str]) -> tuple[Column, ...]:
    """Return the columns, in the order of the runs and of each run's methods.

    A run with a single column is headed by its title alone.

    Args:
        members: the runs.
        chosen: names of methods, titles of runs, or TITLE:METHOD; None for every method of every run.
        names: method → its name for print, in place of what its run has on record.

    Raises:
        InputError: a word names no column, or two columns would have one heading.
    """
    if names:
        check_names(names, list(dict.fromkeys(name for member in members for name in member.stored.methods)), "names")
    every = [
        Column(place, member.title, method, names.get(method) or member.stored.manifest.settings.in_print(method), "")
        for place, member in enumerate(members)
        for method in member.stored.methods
    ]
    if chosen is not None:
        kept = set()
        for word in chosen:
            matching = [column for column in every if _spaceless(word) in map(_spaceless, _chooses(column))]
            if not matching:
                raise _unknown("methods", word, [name for column in every for name in _chooses(column)])
            kept |= set(matching)
        every = [column for column in every if column in kept]
    counts = Counter(column.member for column in every)
    if bare := [member.title for place, member in enumerate(members) if place not in counts]:
        raise InputError(
            f"methods must choose a column of every run, found none of {first_of(bare)}: add one, or leave the run out"
        )
    columns = tuple(
        Column(c.member, c.title, c.method, c.printed, c.title if counts[c.member] == 1 else f"{c.title}: {c.printed}")
        for c in every
    )
    for heading, count in Counter(look(column.heading) for column in columns).items():
        if count > 1:
            raise InputError(
                f"every column must have a heading of its own, found {heading!r} twice: change titles or names"
            )
    return columns


def _chooses(column: Column) -> Iterator[str]:
    """Yield the words that choose a column, perhaps with others."""
    yield from (column.method, column.printed, column.title)
    yield from (f"{column.title}:{name}" for name in (column.method, column.printed))


@dataclass(frozen=True)
class Reference:
    """With what the columns are compared: one column, or their namesakes of one run.

    Attributes:
        word: it, as it stands in sentences.
        of: heading → the heading of the column with which it is compared; no entry for one that is compared with none.
    """

    word: str
    of: Mapping[str, str]

    @property
    def headings(self) -> set[str]:
        """The headings of the columns with which others are compared."""
        return set(self.of.values())


def find_reference(columns: Sequence[Column], against: str | None, members: Sequence[Member]) -> Reference:
    """Return with what the columns are compared.

    Args:
        columns: of the table.
        against: the heading of a column, TITLE:METHOD, a method that only one column has, or the title of a run, with
            whose methods their namesakes are then compared; None for the first column.
        members: the runs, which may have methods that are no columns of the table.

    Raises:
        InputError: it names none of these, or several columns.
    """
    if against is None:
        return _one(columns, columns[0])
    word = _spaceless(against)
    if exact := _meant(columns, against):
        return _one(columns, exact[0])
    if run := [c for c in columns if word == _spaceless(c.title)]:
        namesakes = {c.method: c.heading for c in run}
        others = [c for c in columns if c.member != run[0].member and c.method in namesakes]
        if not others:
            return _no_namesake(columns, run)
        return Reference(f"namesakes in {run[0].title}", {c.heading: namesakes[c.method] for c in others})
    bearers = [c for c in columns if word in (_spaceless(c.method), _spaceless(c.printed))]
    if len(bearers) > 1:
        raise InputError(
            f"against must name one column, found {against!r}, which {first_of(c.heading for c in bearers)} are: "
            f"give one of these"
        )
    if not bearers and any(word in map(_spaceless, _names(member)) for member in members):
        raise InputError(
            f"against must name a column of the table, found {against!r}, which methods= leaves out: add it to methods"
        )
    if not bearers:
        raise _unknown("against", against, [*(c.heading for c in columns), *dict.fromkeys(c.title for c in columns)])
    return _one(columns, bearers[0])


def _meant(columns: Sequence[Column], against: str) -> list[Column]:
    """Return the columns that these words name alone: as written, else whatever the blanks."""
    word = _spaceless(against)
    ways = (
        [c for c in columns if c.heading == against],
        [c for c in columns if against in c.words],
        [c for c in columns if word in map(_spaceless, c.words)],
    )
    return next(filter(None, ways), [])


def _names(member: Member) -> list[str]:
    return [name for method in member.stored.methods for name in (method, f"{member.title}:{method}")]


def _one(columns: Sequence[Column], reference: Column) -> Reference:
    others = (column.heading for column in columns if column != reference)
    return Reference(reference.heading, dict.fromkeys(others, reference.heading))


def _no_namesake(columns: Sequence[Column], run: Sequence[Column]) -> Reference:
    if len({column.member for column in columns}) == 1:
        raise InputError(
            f"against must name one column where there is one run, found {run[0].title!r}, which has "
            f"{first_of(c.heading for c in run)}: give one of these"
        )
    raise InputError(
        f"against={run[0].title} must be a run with a method that another has, found "
        f"{first_of(c.method for c in run)} in no other: give one of its columns, {first_of(c.heading for c in run)}"
    )


def _unknown(key: str, word: str, choices: Sequence[str]) -> InputError:
    names = list(dict.fromkeys(choices))
    meant = nearest(word, names)
    do = f"did you mean {meant}?" if meant else "choose one of these"
    return InputError(f"{key} must be one of {first_of(names, 12)}, found {word!r}: {do}")


def _spaceless(word: str) -> str:
    return "".join(word.split())
