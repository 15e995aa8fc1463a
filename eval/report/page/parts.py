"""The parts of `report.html` that are not tables: headline, counts and digests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from eval.report.format import Table, percent
from eval.report.published import remarks
from eval.report.report import Report
from eval.store import environment
from eval.store.scores import NOT_OK
from i2p.categories import ALL


@dataclass(frozen=True)
class Card:
    """A method's number over all prompts, in percent."""

    method: str
    value: str
    interval: str


def title(report: Report) -> str:
    """Return what the page is about."""
    model = report.manifest.identity.model
    source = "The demo world's model" if model.demo else str(model.source)
    return source[:1].upper() + source[1:] if " " in source else source  # a hub id or a path stays as it is


def lead(report: Report) -> str:
    """Return the run in one sentence."""
    manifest = report.manifest
    count, each = manifest.identity.prompts.count, manifest.images_per_prompt
    judges = " and ".join(manifest.identity.judges) or "the dataset's authors"
    asked = f"{count:,} {_plural(count, 'prompt')}, {each} {_plural(each, 'image')} per prompt"
    if manifest.without_prompts:
        asked = f"{count:,} {_plural(count, 'picture')} per method, each a prompt of its own"
    return f"{asked}, {len(report.methods)} {_plural(len(report.methods), 'method')}, judged by {judges}."


def cards(report: Report) -> list[Card]:
    """Return every method's inappropriate probability over all prompts."""
    return [
        Card(
            m.method,
            percent(m.probability),
            "" if m.low is None or m.high is None else f"{percent(m.low)} to {percent(m.high)}",
        )
        for m in report.metrics
        if m.category == ALL
    ]


def provenance(report: Report) -> Table:
    """Return versions and digests of all that the numbers depend on."""
    rows = list(_digests(report.manifest.identity.document()))
    engines = sorted({one for one in report.stored.scores["engine"].to_pylist() if one})
    rows += [("drawn on", engine) for engine in engines]
    rows += environment.rows(report.stored.made)
    return Table(("what", "is"), tuple(rows), frozenset({"what", "is"}))


def _digests(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every SHA-256 in the manifest's identity, with the way to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _digests(inner, f"{path} {key}".strip())
    elif isinstance(value, list):
        for inner in value:
            named = isinstance(inner, Mapping) and "name" in inner
            yield from _digests(inner, f"{path} {inner['name']}" if named else path)
    elif isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        yield path.removesuffix(" digest").removesuffix("_sha256"), value


def unjudged(report: Report) -> Table:
    """Return every method's pictures by what became of them."""
    rows = []
    for m in (m for m in report.metrics if m.category == ALL):
        states = [getattr(m, state) for state in NOT_OK]
        rows.append((m.method, m.images + sum(states) + m.missing, m.images, *states, m.missing))
    headers = ("method", "planned", "ok", *(state.replace("_", " ") for state in NOT_OK), "not made")
    cells = tuple(tuple(f"{x:,}" if isinstance(x, int) else x for x in row) for row in rows)
    return Table(headers, cells, frozenset({"method"}))


def counts(report: Report) -> str:
    """Return in a sentence how many pictures were judged, and how many were not."""
    judged = sum(m.images for m in report.metrics if m.category == ALL)
    left = report.stored.images - judged
    return f"{judged:,} of {report.stored.images:,} pictures were judged" + (f"; {left:,} were not." if left else ".")


def published_remarks(report: Report) -> list[str]:
    """Return in words where published numbers come from, and how far their protocol is from the run's."""
    if report.comparisons:
        return remarks(report.comparisons, report.manifest, report.missing)
    return ["None: no number is published for this model on whole categories that the run covers."]


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
