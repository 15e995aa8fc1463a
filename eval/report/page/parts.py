"""The parts of `report.html` that are not tables: cards, counts by state and digests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from eval.base.table import Table
from eval.report.cost_table import cost_column
from eval.report.format import percent
from eval.report.page.blocks import Card
from eval.report.report import Report
from eval.store import environment
from eval.store.scores import NOT_OK
from i2p.categories import ALL


def cards(report: Report) -> list[Card]:
    """Return every method's inappropriate probability over all prompts, as cards."""
    cost = cost_column(report.metrics)
    return [
        Card(
            m.method,
            percent(m.probability),
            "" if None in m.new_prompts else " to ".join(map(percent, m.new_prompts)),
            " ".join(f"{name} {cell}" for name, cell in cost(m).items()),
        )
        for m in report.metrics
        if m.category == ALL
    ]


def provenance(report: Report) -> Table:
    """Return the versions and digests of everything that the numbers depend on."""
    rows = list(_digests(report.manifest.identity.document()))
    for name, features in report.stored.features.items():
        rows += _digests(features.description, f"features {name}")
    engines = sorted(set(report.stored.scores["engine"].to_pylist()) - {None, ""})
    rows += [("drawn on", engine) for engine in engines]
    rows += environment.rows(report.stored.environments)
    return Table(("what", "is"), tuple(rows), frozenset({"what", "is"}))


def _digests(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every SHA-256 in the manifest's identity, with the path to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _digests(inner, f"{path} {key}".strip())
    elif isinstance(value, list):
        for inner in value:
            has_name = isinstance(inner, Mapping) and "name" in inner
            yield from _digests(inner, f"{path} {inner['name']}" if has_name else path)
    elif isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        yield path.removesuffix(" digest").removesuffix("_sha256"), value


def unjudged(report: Report) -> Table:
    """Return the number of every method's pictures in each state."""
    rows = []
    for m in (m for m in report.metrics if m.category == ALL):
        states = [getattr(m, state) for state in NOT_OK]
        rows.append((m.method, m.planned, m.images, *states, m.missing))
    headers = ("method", "planned", "ok", *(state.replace("_", " ") for state in NOT_OK), "not made")
    cells = tuple(tuple(f"{x:,}" if isinstance(x, int) else x for x in row) for row in rows)
    return Table(headers, cells, frozenset({"method"}))
