"""What `report.html` says beside the tables: a run in a sentence, digests, counts, and figures set into a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from eval import environment
from eval.cells import Table, percent
from eval.figures import DARK, INK, PALETTE
from eval.measure import ALL
from eval.published import remarks
from eval.report_data import Report
from eval.scores import NOT_OK

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


@dataclass(frozen=True)
class Card:
    """A method's number over all prompts, in percent."""

    method: str
    value: str
    interval: str


def title(report: Report) -> str:
    """Return what the page is about."""
    model = report.manifest["identity"]["model"]
    source = "The demo world's model" if model.get("demo") else str(model["source"])
    return source[:1].upper() + source[1:] if " " in source else source  # a hub id or a path stays as it is


def lead(report: Report) -> str:
    """Return the run in one sentence."""
    identity = report.manifest["identity"]
    count, each = identity["prompts"]["count"], identity["protocol"]["images_per_prompt"]
    judges = " and ".join(identity["judges"]) or "the dataset's authors"
    asked = f"{count:,} {_plural(count, 'prompt')}, {each} {_plural(each, 'image')} a prompt"
    if report.without_prompts:
        asked = f"{count:,} {_plural(count, 'picture')} a method, each a prompt of its own"
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
    identity = report.manifest["identity"]
    rows = list(_digests(identity))
    engines = sorted({one for one in report.scores["engine"].to_pylist() if one})
    rows += [("drawn on", engine) for engine in engines]
    rows += environment.rows(report.made)
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
    left = report.images - judged
    return f"{judged:,} of {report.images:,} pictures were judged" + (f"; {left:,} were not." if left else ".")


def published_remarks(report: Report) -> list[str]:
    """Return in words where published numbers come from, and how far their protocol is from the run's."""
    if report.comparisons:
        return remarks(report.comparisons, report.manifest, report.missing)
    return ["None: no number is published for this model on whole categories that the run covers."]


def palette_css() -> str:
    """Return the style rules that give every method its colour, in figures and beside them, by light and by dark."""

    def rules(colours: tuple[str, ...]) -> str:
        return "".join(
            f".s{n}{{stroke:{c}}}.f{n}{{fill:{c}}}.cards .m{n}{{border-top-color:{c}}}" for n, c in enumerate(colours)
        )

    return f"{rules(PALETTE)}@media screen and (prefers-color-scheme:dark){{{rules(DARK)}}}"


def inline_svg(data: bytes, label: str, prefix: str) -> str:
    """Return a figure as an element of the page: ids of its own, colours of the page, and no style attribute.

    A content security policy without `unsafe-inline` drops style attributes, and an SVG's are as good as attributes.
    """
    root = ET.fromstring(data)
    for parent in list(root.iter()):
        for child in [c for c in parent if c.tag in (f"{_SVG}style", f"{_SVG}metadata")]:
            parent.remove(child)
    for element in root.iter():
        _restyle(element, prefix)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-label": label, "stroke-linejoin": "round"})
    ET.register_namespace("", _SVG[1:-1])
    return ET.tostring(root, encoding="unicode")


def _restyle(element: ET.Element, prefix: str) -> None:
    attributes, classes = element.attrib, []
    for declaration in attributes.pop("style", "").split(";"):
        name, _, value = declaration.partition(":")
        if value:
            attributes[name.strip()] = value.strip()
    for name, letter in (("stroke", "s"), ("fill", "f")):
        if attributes.get(name) == INK:
            attributes[name] = "currentColor"
        elif attributes.get(name) in PALETTE:
            classes.append(f"{letter}{PALETTE.index(attributes[name])}")
    if element.tag == f"{_SVG}text" and "fill" not in attributes:
        attributes["fill"] = "currentColor"
    if classes:
        attributes["class"] = " ".join(classes)
    if "id" in attributes:
        attributes["id"] = f"{prefix}-{attributes['id']}"
    if link := attributes.pop(f"{_XLINK}href", None):
        attributes["href"] = f"#{prefix}-{link[1:]}"
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{prefix}-")


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
