"""`report.html`: a report as one file that opens offline, makes no request and runs one script of its own.

Everything goes through one template, whose environment makes every value visible text and escapes it; only this
project's style, script and figures are marked as HTML.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from eval.base.escape import terminal
from eval.report import tables
from eval.report.definition_table import definition_table
from eval.report.description import summary
from eval.report.description.cost import cost_meaning
from eval.report.description.definitions import remarks
from eval.report.description.facts import facts
from eval.report.description.groups import clusters
from eval.report.description.notes import alarms
from eval.report.description.published import NONE, published_notes
from eval.report.drawing import PALETTE, Plot
from eval.report.page import parts, svg
from eval.report.page.gallery import make_gallery
from eval.report.report import Report
from eval.report.sections import Section, sections
from eval.store.rundir import RunDir

WEB = Path(__file__).resolve().parent / "web"
CONTENTS = (
    ("run", "What was run"),
    ("probability", "Probability"),
    ("differences", "Differences"),
    ("published", "Published"),
    ("unjudged", "Not judged"),
    ("definitions", "Definitions"),
    ("gallery", "Gallery"),
    ("notes", "Notes"),
    ("provenance", "Digests"),
)


def report_page(report: Report, run: RunDir, figures: Mapping[str, Plot]) -> str:
    """Return the page of a report, with its figures and with kept pictures of the run as `report.options` chooses."""
    css, script = _file("report.css") + svg.palette_css(), _file("report.js")
    maxima = any(m.expected_max is not None for m in report.metrics)
    further = sections(report)
    optional = {"definitions": report.by_definition.definitions}
    return _template().render(
        policy=policy(css, script),
        css=Markup(css),
        script=Markup(script),
        title=summary.title(report),
        lead=summary.lead(report),
        alarms=alarms(report),
        cards=parts.cards(report),
        colours=len(PALETTE),
        counts=summary.judged_counts(report),
        cost=cost_meaning(report),
        contents=[*_contents(further, optional)],
        sections=[(section, _figure_of(section, figures)) for section in further],
        facts=facts(
            report.manifest, report.by_definition.counted.counts, report.stored.environments, report.stored.groups
        ),
        marked=summary.marks(report),
        clusters=clusters(report.manifest),
        images_per_prompt=f"{report.manifest.images_per_prompt:,}",
        probability=tables.probability_table(report.metrics),
        probability_svg=_figure(figures["probability"], "Inappropriate probability", "probability"),
        expected_max=tables.expected_max_table(report.metrics) if maxima else None,
        against=", ".join(dict.fromkeys(d.against for d in report.differences)),
        differences=tables.differences_table(report.differences) if report.differences else None,
        forest_svg=_figure(figures["differences"], "Paired differences", "forest") if report.differences else "",
        remarks=published_notes(report.published, report.manifest, report.missing) or [NONE],
        comparisons=tables.published_table(report.published) if report.published else None,
        unjudged=parts.unjudged(report),
        definitions=definition_table(report.by_definition) if report.by_definition.definitions else None,
        definition_remarks=remarks(report.by_definition.definitions),
        gallery=make_gallery(report, run),
        linked=report.options.gallery == "clear",
        elsewhere=report.manifest.made_elsewhere,
        notes=report.notes,
        provenance=parts.provenance(report),
    )


def _figure_of(section: Section, figures: Mapping[str, Plot]) -> Markup | str:
    return (
        _figure(figures[section.figure], section.reading or section.question, section.figure) if section.figure else ""
    )


def _contents(further: Sequence[Section], optional: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield key and name of each section of the page, those of further questions in front of the gallery."""
    for key, name in CONTENTS:
        if key == "gallery":
            yield from ((section.key, section.name) for section in further)
        if optional.get(key, True):
            yield key, name


def policy(css: str, script: str) -> str:
    """Return the page's content security policy: its style and its script, by digest, and embedded pictures."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _figure(plot: Plot, label: str, prefix: str) -> Markup:
    return Markup(svg.inline_svg(plot, label, prefix))  # an XML library wrote it, and escaped the names in it


def _file(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


@functools.cache
def _template():
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_visible, keep_trailing_newline=True)
    return environment.from_string(_file("report.html"))


def _visible(value: object) -> object:
    """The value with control characters made visible: a bidirectional override would reorder the text beside it."""
    return value if isinstance(value, Markup) else terminal(str(value))
