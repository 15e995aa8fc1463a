"""What a comparison answers, a question per section, in sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator

from eval.base.table import Table
from eval.base.words import first_of
from eval.compare.compared import Compared
from eval.compare.settings import settings_table
from eval.compare.summary import FEW, lead
from eval.measure.cost import measured, shown_measure
from eval.measure.expected_maximum import DRAWS
from eval.report.answers import Section, bounds_section, margin_section, ranking_section
from eval.report.description.figures import differences_reading, probability_reading
from eval.report.format import COST_NAMES, NONE, cost_share, difference_points, long_table, p_value, place_of, share
from eval.report.maxima import SINGLE
from eval.report.tables import differences_table, expected_max_table, probability_table
from i2p.categories import ALL

NO_SETTINGS = "In none: all runs have the same settings."
FIGURE = "comparison"  # what the names of figures begin with: a report may lie in the same folder
COMPARED = (
    "For a single comparison, chance alone is an unlikely cause if the interval excludes 0; among several columns and "
    "categories, if the adjusted p, which takes all of them for one family of tests, is at most 0.05."
)


def sections(compared: Compared) -> list[Section]:
    """Return the sections of a comparison for people; those whose question does not arise are left out."""
    return [
        _runs(compared),
        *_probability(compared),
        *_differences(compared),
        *_cost(compared),
        *ranking_section(compared),
        *bounds_section(compared),
        *margin_section(compared, compared.options.margin),
        *_settings(compared),
    ]


def runs_table(compared: Compared) -> Table:
    """Return what each run is."""
    rows = []
    for place, member in enumerate(compared.members):
        stored, missing = member.stored, compared.missing[place]
        rows.append(
            {
                "run": member.title,
                "folder": str(stored.run.root),
                "model": stored.identity.model.source,
                "methods": ", ".join(column.method for column in compared.columns if column.member == place),
                "prompts": f"{len(stored.prompts):,}",
                "images per prompt": f"{stored.planned.images_per_prompt:,}",
                "missing": f"{missing:,}",
                "inappropriate is": member.definition.counts,
            }
        )
    table = long_table(rows)
    return Table(table.headers, table.rows, frozenset({"run", "folder", "model", "methods", "inappropriate is"}))


def overview_table(compared: Compared) -> Table:
    """Return every column over all prompts: its share, its difference from the reference, and its place."""
    differences = {d.method: d for d in compared.differences if d.category == ALL}
    places = {rank.method: rank for rank in compared.ranking}
    rows = []
    for m in (m for m in compared.metrics if m.category == ALL):
        d, rank = differences.get(m.method), places.get(m.method)
        cells = {"method": m.method, "probability %": share(m)}
        if differences:
            cells["points"] = difference_points(d) if d else NONE
            cells["p adj."] = p_value(d.p_adjusted if d else None)
        if places:
            cells["place"] = place_of(rank) if rank else NONE
        rows.append(cells)
    return long_table(rows)


def _runs(compared: Compared) -> Section:
    return Section(
        "runs",
        "Runs",
        "What was compared",
        (lead(compared),),
        (("The runs", runs_table(compared)), ("Every column over all prompts", overview_table(compared))),
    )


def _probability(compared: Compared) -> Iterator[Section]:
    caption = "Percent of the pictures that were judged, with 95 % intervals for new prompts like these"
    single = any(m.images_per_prompt == 1 for m in compared.metrics)
    yield Section(
        "probability",
        "Probability",
        "Inappropriate probability",
        (SINGLE,) if single else (),
        ((caption, probability_table(compared.metrics)),),
        f"{FIGURE}-probability",
        "Inappropriate probability by category and column. Bars are 95 % intervals for new prompts like these; a "
        "hollow marker has no interval.",
        probability_reading(compared.metrics),
    )
    if not any(m.expected_max is not None for m in compared.metrics):
        return
    sentence = (
        f"The expected largest share of a prompt's images among {DRAWS} prompts, in percent. It depends on the images "
        "per prompt: compare it with no other number of these. * marks numbers in which a prompt has fewer images."
    )
    caption = "Expected maxima in percent, with 95 % intervals for new prompts like these"
    yield Section(
        "expected-max",
        "Expected maximum",
        "Expected maximum inappropriateness",
        (sentence,),
        ((caption, expected_max_table(compared.metrics)),),
    )


def _differences(compared: Compared) -> Iterator[Section]:
    if not compared.differences:
        return
    pairs = "" if compared.common is None else " picture by picture"
    yield Section(
        "differences",
        "Differences",
        f"Differences from {compared.reference.word}",
        (f"Columns are compared with {compared.reference.word}{pairs}. {COMPARED}",),
        (("Differences in percentage points, with 95 % intervals", differences_table(compared.differences)),),
        f"{FIGURE}-differences",
        "Difference in inappropriate probability, in percentage points, with 95 % intervals.",
        differences_reading(compared.differences),
    )


def _cost(compared: Compared) -> Iterator[Section]:
    overall = [m for m in compared.metrics if m.category == ALL]
    names = measured(overall)
    if not names:
        return
    rows = [
        {
            "method": m.method,
            "images": f"{m.cost.quality_images or 0:,}",
            "probability %": share(m),
            **{COST_NAMES[name]: cost_share(m.cost, name) for name in names},
        }
        for m in overall
    ]
    sentences = ["CLIP score is 100 × the cosine of picture and prompt."]
    if shown_measure(overall):
        sentences.append(
            "Its difference, and CLIP distance, 1 − the cosine of two pictures, are from the picture of the same "
            f"prompt and number of the reference, {compared.reference.word}."
        )
    yield Section(
        "cost",
        "Cost",
        "What does safety cost?",
        tuple(sentences),
        (("Over all prompts, with 95 % intervals", long_table(rows)),),
    )


def _settings(compared: Compared) -> Iterator[Section]:
    if len(compared.members) == 1:
        return
    table = settings_table(compared.members)
    unknown = [member.title for member in compared.members if not member.is_drawn]
    sentences = () if table.rows else ("In none that is known." if unknown else NO_SETTINGS,)
    if unknown:
        sentences += (f"How the pictures of {first_of(unknown, FEW)} were drawn is not known, and not compared.",)
    tables = (("Settings that differ", table),) if table.rows else ()
    yield Section("settings", "Settings", "In which settings do the runs differ?", sentences, tables)
