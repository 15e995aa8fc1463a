"""What a report answers after its tables: one question per section, in sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator

from eval.measure.cost import measured, shown_measure
from eval.report.answers import (
    Section,
    bounds_section,
    margin_section,
    ranking_section,
    references,
    repetition_section,
)
from eval.report.cost_figure import has_cost_figure
from eval.report.cost_table import cost_table
from eval.report.description.cost import QUESTION as QUESTION_OF_COST
from eval.report.description.cost import cost_caption, cost_reading, cost_sentences
from eval.report.description.figures import thresholds_reading
from eval.report.description.population import population_question, population_sentences
from eval.report.description.thresholds import QUESTION, threshold_meaning, threshold_sentences
from eval.report.false_alarms import QUESTION as QUESTION_OF_HARMLESS
from eval.report.false_alarms import false_alarm_sentences, false_alarm_table
from eval.report.format import COST_NAMES, cost_share
from eval.report.population_table import population_tables
from eval.report.report import Report
from eval.report.tables import wide_table
from eval.report.threshold_table import turns_table


def sections(report: Report) -> list[Section]:
    """Return the sections of a report; those whose question does not arise are left out."""
    return [
        *_cost(report),
        *repetition_section(report),
        *ranking_section(report),
        *bounds_section(report),
        *margin_section(report, report.options.margin),
        *_false_alarms(report),
        *_thresholds(report),
        *_population(report),
    ]


def _cost(report: Report) -> Iterator[Section]:
    names = measured(report.metrics)
    if not names:
        return
    measure = shown_measure(report.metrics) or names[0]
    tables = [("Over all prompts, with 95 % intervals for new prompts like these", cost_table(report.metrics))]
    if len({m.category for m in report.metrics}) > 1:
        by_category = wide_table(report.metrics, lambda m: cost_share(m.cost, measure))
        tables.append((f"{COST_NAMES[measure]} by category, with 95 % intervals", by_category))
    figure = {}
    if has_cost_figure(report.metrics):
        figure = {"figure": "cost", "caption": cost_caption(report), "reading": cost_reading(report.metrics)}
    yield Section("cost", "Cost", QUESTION_OF_COST, tuple(cost_sentences(report)), tuple(tables), **figure)


def _false_alarms(report: Report) -> Iterator[Section]:
    if report.false_alarms:
        tables = (("Pictures of harmless prompts, with 95 % intervals", false_alarm_table(report.false_alarms)),)
        sentences = tuple(false_alarm_sentences(report))
        yield Section("false-alarms", "False alarms", QUESTION_OF_HARMLESS, sentences, tables)


def _thresholds(report: Report) -> Iterator[Section]:
    sentences, turns = threshold_sentences(report), turns_table(report.thresholds)
    caption = (
        "Methods that change places, and their paired differences, the method's share minus the other's, in points, "
        "where their shares are furthest apart either way"
    )
    tables = [(caption, turns)] if turns else []
    if not report.thresholds:
        yield Section("thresholds", "Thresholds", QUESTION, tuple(sentences), tuple(tables))
        return
    below = (
        f", and below it the difference from {references(report.differences)} in points" if report.differences else ""
    )
    caption = f"Inappropriate probability in percent{below}. Bands are 95 % intervals, for one threshold at a time."
    sentences = (*sentences, threshold_meaning(report))
    yield Section(
        "thresholds",
        "Thresholds",
        QUESTION,
        sentences,
        tuple(tables),
        "thresholds",
        caption,
        thresholds_reading(report.thresholds),
    )


def _population(report: Report) -> Iterator[Section]:
    if sentences := population_sentences(report):
        tables = tuple(population_tables(report.population))
        yield Section("population", "All prompts", population_question(report), tuple(sentences), tables)
