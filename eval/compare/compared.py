"""Runs in one table: the numbers of every column, their differences from a reference, and their places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from eval.base.errors import InputError
from eval.compare.costs import Costs, Features, comparable_features, paired_costs, single_costs, unpaired_costs
from eval.compare.joint import Joint, alone, join
from eval.compare.members import Column, Member, Reference, columns_of, default_titles, find_reference
from eval.compare.pairing import counted_apart, noise_apart
from eval.compare.prompts import Common, common_prompts
from eval.measure.cost import with_costs
from eval.measure.definitions import get_definition, own_definition
from eval.measure.differences import Difference, differences_of_pairs
from eval.measure.metrics import Metrics, measure_methods, texts_of
from eval.measure.pairs import Side, pair_up
from eval.measure.ranking import Rank, ranking
from eval.measure.sample import rows_by_category
from eval.measure.unpaired import unpaired
from eval.store.stored_run import StoredRun
from i2p.categories import in_order

MARK = "‡"  # behind the heading of a column that counts otherwise than the reference


@dataclass(frozen=True)
class Options:
    """What a comparison shows, and how.

    Attributes:
        titles: of the runs, in their order; None for those of `eval.compare.members.default_titles`.
        names: method → its name for print.
        methods: which columns; None for all.
        against: with what they are compared; None for the first column.
        flags: the definition by which all runs count; None for each run's own.
        paired: whether to compare pairs of the same prompt and number, or independent samples.
        margin: in points, by more than which a column is perhaps shown to be no worse; None for no such question.
    """

    titles: Sequence[str] | None = None
    names: Mapping[str, str] | None = None
    methods: Sequence[str] | None = None
    against: str | None = None
    flags: str | None = None
    paired: bool = True
    margin: float | None = None


@dataclass(frozen=True)
class Compared:
    """Runs in one table. The methods of its rows are the headings of columns.

    Attributes:
        members: the runs.
        columns: of the table.
        reference: with what they are compared.
        common: the prompts of pairs; None where the runs are independent samples.
        metrics: of every column and category.
        differences: of the columns from the reference, as one family.
        ranking: the places of the columns over all prompts; empty where there are no pairs.
        counted_apart: heading → why the column does not count as the reference does, as clauses.
        noise_apart: heading → why the column's noise is not known to be the reference's, as clauses.
        features: of the pictures, for what the columns cost.
        options: as asked for.
    """

    members: tuple[Member, ...]
    columns: tuple[Column, ...]
    reference: Reference
    common: Common | None
    metrics: tuple[Metrics, ...]
    differences: tuple[Difference, ...]
    ranking: tuple[Rank, ...]
    counted_apart: Mapping[str, tuple[str, ...]]
    noise_apart: Mapping[str, tuple[str, ...]]
    features: Features
    options: Options

    @property
    def missing(self) -> dict[int, int]:
        """The place of each run → how many images of its columns are still to be made or judged."""
        shown = {place: {c.method for c in self.columns if c.member == place} for place in range(len(self.members))}
        return {
            place: sum(key.method in methods for key in self.members[place].stored.missing)
            for place, methods in shown.items()
        }


def compare_runs(runs: Sequence[StoredRun], options: Options) -> Compared:
    """Return runs in one table.

    Raises:
        InputError: a title, method or definition is none, there is nothing to compare or, of pairs, the runs have no
            prompts in common or other categories of these.
    """
    titles = default_titles(runs) if options.titles is None else options.titles
    members = tuple(_member(run, title, options.flags) for run, title in zip(runs, titles, strict=True))
    columns = columns_of(members, options.methods, options.names or {})
    if len(columns) < 2:
        raise InputError(
            f"a comparison must have two columns or more, found {columns[0].heading} alone: name another run, or more "
            "methods"
        )
    reference = find_reference(columns, options.against, members)
    if not options.paired:
        return _independent(members, columns, reference, options)
    return _pair_by_pair(members, columns, reference, options)


def _member(run: StoredRun, title: str, flags: str | None) -> Member:
    root = run.run.root
    if flags is None:
        return Member(run, title, own_definition(run.protocol, run.judges, f"leave {root} out, or count by flags=q16"))
    try:
        return Member(run, title, get_definition(flags, run.judges))
    except InputError as error:
        raise InputError(f"{root}: {error}") from error


def _pair_by_pair(
    members: tuple[Member, ...], columns: tuple[Column, ...], reference: Reference, options: Options
) -> Compared:
    common = common_prompts(members)
    plain = {column.heading: column for column in columns}
    first = plain[next(iter(reference.headings))].member
    apart = {c.heading: tuple(counted_apart(members[first], members[c.member])) for c in columns}
    marks = {heading: f"{heading} {MARK}" for heading, clauses in apart.items() if clauses}
    columns = tuple(replace(c, heading=marks[c.heading], mark=f" {MARK}") if c.heading in marks else c for c in columns)
    reference = replace(reference, of={marks.get(heading, heading): other for heading, other in reference.of.items()})
    counted = {marks.get(heading, heading): clauses for heading, clauses in apart.items() if clauses}
    noise = _noise_apart(members, columns, reference, common)
    joint = join(members, columns, common)
    features = comparable_features(members, first)
    costs = paired_costs(
        members, columns, joint, features.usable, reference.of, _of_other_noise(members, noise, columns)
    )
    pairs = [(heading, other) for heading, other in reference.of.items() if heading not in counted]
    differences = _differences(joint, pairs)
    if not differences and pairs:
        raise InputError(
            f"{reference.word} and another column must have pictures in state ok of the same prompt and number to be "
            "compared, found none: complete the runs first"
        )
    ranked = [column.heading for column in columns if column.heading not in counted]
    return Compared(
        members,
        columns,
        reference,
        common,
        with_costs(_metrics(members, columns, [joint]), costs),
        with_costs(differences, costs),
        ranking(joint.frame, ranked, joint.groups),
        counted,
        noise,
        features,
        options,
    )


def _differences(joint: Joint, pairs: Sequence[tuple[str, str]]) -> tuple[Difference, ...]:
    headings = dict.fromkeys(heading for pair in pairs for heading in pair)
    sides = {name: Side(name, joint.frame[joint.frame["method"] == name], joint) for name in headings}
    paired = [pair_up(sides[heading], sides[other]) for heading, other in pairs]
    return differences_of_pairs(paired, joint.prompts, joint.groups)


def _noise_apart(
    members: Sequence[Member], columns: Sequence[Column], reference: Reference, common: Common
) -> dict[str, tuple[str, ...]]:
    by_heading = {column.heading: column for column in columns}
    runs = {(by_heading[other].member, by_heading[heading].member) for heading, other in reference.of.items()}
    clauses = {}
    for first, second in runs:
        rows = {common.rows[first][row]: common.rows[second][row] for row in common.rows[first]}
        clauses[first, second] = tuple(noise_apart(members[first], members[second], rows))
    apart = {
        heading: clauses[by_heading[other].member, by_heading[heading].member]
        for heading, other in reference.of.items()
    }
    return {heading: found for heading, found in apart.items() if found}


def _of_other_noise(
    members: Sequence[Member], noise: Mapping[str, Sequence[str]], columns: Sequence[Column]
) -> set[str]:
    """Return the headings of drawn columns whose noise is on record as another than the reference's."""
    drawn = {column.heading for column in columns if members[column.member].is_drawn}
    return {heading for heading in noise if heading in drawn}


def _independent(
    members: tuple[Member, ...], columns: tuple[Column, ...], reference: Reference, options: Options
) -> Compared:
    joints = {place: alone(members, columns, place) for place in dict.fromkeys(column.member for column in columns)}
    samples = {c.heading: joints[c.member] for c in columns}
    sides = {name: Side(name, joint.frame[joint.frame["method"] == name], joint) for name, joint in samples.items()}
    pairs = [(heading, other) for heading, other in reference.of.items()]
    differences = unpaired([(sides[heading], sides[other]) for heading, other in pairs])
    if not differences:
        raise InputError(
            f"{reference.word} and another column must have pictures in state ok to be compared, found none: complete "
            "the runs first"
        )
    by_heading = {column.heading: column for column in columns}
    features = comparable_features(members, by_heading[next(iter(reference.headings))].member)
    costs: Costs = single_costs(members, columns, {p: joint for p, joint in joints.items() if p in features.usable})
    return Compared(
        members,
        columns,
        reference,
        None,
        with_costs(_metrics(members, columns, list(joints.values())), costs),
        with_costs(differences, unpaired_costs(costs, pairs)),
        (),
        {},
        {},
        features,
        options,
    )


def _metrics(members: Sequence[Member], columns: Sequence[Column], joints: Sequence[Joint]) -> tuple[Metrics, ...]:
    """Return the numbers of every column over each category that any run has."""
    by_category = [rows_by_category(joint.prompts) for joint in joints]
    categories = in_order(name for rows in by_category for name in rows)
    metrics = []
    for joint, rows in zip(joints, by_category, strict=True):
        own = {column.heading: column for column in columns if column.heading in joint.planned.methods}
        texts = {heading: _texts(members[column.member], column.method) for heading, column in own.items()}
        everywhere = {category: rows.get(category, set()) for category in categories}
        metrics += measure_methods(joint, joint.frame, texts, everywhere)
    return tuple(metrics)


def _texts(member: Member, method: str) -> dict[str, str]:
    (record,) = (record for record in member.stored.identity.methods if record.name == method)
    return texts_of(member.stored, record, member.definition.name)
