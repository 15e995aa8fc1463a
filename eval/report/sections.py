"""What a report answers after its tables: one question per section, in sentences and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.measure.cost import shown_measure
from eval.measure.differences import Difference
from eval.report.cost_figure import has_cost_figure
from eval.report.cost_table import cost_column, cost_table
from eval.report.description.cost import QUESTION as QUESTION_OF_COST
from eval.report.description.cost import cost_caption, cost_reading, cost_sentences
from eval.report.description.population import population_question, population_sentences
from eval.report.description.thresholds import QUESTION, threshold_meaning, threshold_sentences
from eval.report.false_alarms import QUESTION as QUESTION_OF_HARMLESS
from eval.report.false_alarms import false_alarm_sentences, false_alarm_table
from eval.report.format import (
    COST_NAMES,
    NONE,
    Table,
    cost_share,
    interval,
    long_table,
    p_value,
    percent,
    points,
    with_interval,
)
from eval.report.margin import margin_sentence, margin_table
from eval.report.population_table import population_tables
from eval.report.report import Report
from eval.report.tables import in_order, wide_table
from eval.report.threshold_table import turns_table
from i2p.categories import ALL

NO_REPETITION = (
    "With one image per prompt nothing tells how much the images of a prompt vary, so there is no interval for the "
    "same prompts and new noise."
)


@dataclass(frozen=True)
class Section:
    """A question and its answer.

    Attributes:
        key: of the section in the page's address.
        name: in the page's contents.
        question: the heading.
        sentences: the answer in words.
        tables: captions and tables.
        figure: the name of its figure (`eval.report.figures.draw_figures`); empty without one.
        caption: of the figure.
        reading: what the figure shows, for readers who can't see it; empty for the question.
    """

    key: str
    name: str
    question: str
    sentences: tuple[str, ...]
    tables: tuple[tuple[str, Table], ...] = ()
    figure: str = ""
    caption: str = ""
    reading: str = ""


def sections(report: Report) -> list[Section]:
    """Return the sections of a report; those whose question does not arise are left out."""
    builders = (_cost, _repetition, _ranking, _bounds, _margin, _false_alarms, _thresholds, _population)
    return [section for build in builders for section in build(report)]


def _cost(report: Report) -> Iterator[Section]:
    measure = shown_measure(report.metrics)
    if measure is None:
        return
    tables = [("Over all prompts, with 95 % intervals for new prompts like these", cost_table(report.metrics))]
    if len({m.category for m in report.metrics}) > 1:
        by_category = wide_table(report.metrics, lambda m: cost_share(m.cost, measure))
        tables.append((f"{COST_NAMES[measure]} by category, with 95 % intervals", by_category))
    figure = {}
    if has_cost_figure(report.metrics):
        figure = {"figure": "cost", "caption": cost_caption(report), "reading": cost_reading(report.metrics)}
    yield Section("cost", "Cost", QUESTION_OF_COST, tuple(cost_sentences(report)), tuple(tables), **figure)


def _repetition(report: Report) -> Iterator[Section]:
    question = "New prompts, or the same prompts again?"
    if not any(m.same_prompts_low is not None for m in report.metrics):
        yield Section("repetition", "Same prompts", question, (NO_REPETITION,))
        return
    sentences = (
        "The intervals of the tables above are for new prompts like these: other prompts would be drawn, each with its "
        "near-duplicates. The intervals below are for the same prompts and new noise: how far a repetition of this run "
        "may lie from it. A published number on the same prompts is judged by the second kind.",
    )
    table = wide_table(report.metrics, lambda m: with_interval(m.probability, *m.same_prompts))
    tables = [("Inappropriate probability, %, with 95 % intervals for the same prompts and new noise", table)]
    if report.differences:
        rows = [
            {
                "category": d.category,
                "method": d.method,
                "against": d.against,
                "points": points(d.difference),
                "new prompts": points(*d.new_prompts),
                "same prompts": points(d.same_prompts_low, d.same_prompts_high),
            }
            for d in in_order(report.differences)
        ]
        tables.append(("Differences in points, with 95 % intervals for either question", long_table(rows)))
    yield Section("repetition", "Same prompts", question, sentences, tuple(tables))


def _ranking(report: Report) -> Iterator[Section]:
    if not report.ranking:
        return
    overall = {m.method: m for m in report.metrics if m.category == ALL}
    share, cost = {name: percent(m.probability) for name, m in overall.items()}, cost_column(list(overall.values()))
    rows = [
        {
            "place": str(rank.best) if rank.best == rank.worst else f"{rank.best}–{rank.worst}",
            "method": rank.method,
            "probability %": share[rank.method],
            **cost(overall[rank.method]),
            "differs from": ", ".join(rank.apart_from) or NONE,
        }
        for rank in report.ranking
    ]
    count = len(report.ranking) * (len(report.ranking) - 1) // 2
    family = f"the {count:,} comparisons are one family of tests" if count > 1 else "that is one test"
    sentences = [
        f"Every two methods are compared on the same prompts, and {family}: in 95 % of "
        "runs every method's true place over all prompts is among those named here.",
        "Place 1 is the least inappropriate; methods that share places are tied.",
    ]
    if shown_measure(overall.values()):
        sentences.append("That is no order of merit: a method's cost stands beside its share.")
    tables = [("Places of the methods over all prompts", long_table(rows))]
    if report.differences:
        sentences.append(
            "The second table takes all methods and categories against "
            f"{_named(report.differences)} for one family: its intervals hold together in 95 % of runs, and a "
            "difference is found where its adjusted p is at most 0.05, which rules where the two disagree."
        )
        tables.append(("All differences as one family: points with simultaneous 95 % intervals", _family(report)))
    yield Section("ranking", "Ranking", "Which methods differ?", tuple(sentences), tuple(tables))


def _family(report: Report) -> Table:
    rows = [
        {
            "category": d.category,
            "method": d.method,
            "points": points(d.difference),
            "all together": points(d.simultaneous_low, d.simultaneous_high),
            "p, adjusted": p_value(d.p_adjusted),
        }
        for d in in_order(report.differences)
    ]
    return long_table(rows)


def _bounds(report: Report) -> Iterator[Section]:
    metrics = [m for m in report.metrics if m.bound_low is not None]
    if not metrics:
        return
    sentences = (
        "Images that are not ok or not made are in no number. If all of them were inappropriate, or none of them, the "
        "shares would lie at these bounds, whatever the reason that they are missing (Manski 1989).",
    )
    rows = [
        {
            "category": m.category,
            "method": m.method,
            "not ok": f"{m.blank + m.nan + m.unreadable + m.judge_failed + m.missing:,}",
            "probability %": percent(m.probability),
            "bounds": interval(m.bound_low, m.bound_high),
        }
        for m in in_order(metrics)
    ]
    tables = [("Shares if none or all of the images that are not ok were inappropriate, %", long_table(rows))]
    rows = [
        {
            "category": d.category,
            "method": d.method,
            "against": d.against,
            "points": points(d.difference),
            "bounds": points(d.bound_low, d.bound_high),
        }
        for d in in_order(report.differences)
        if d.bound_low is not None
    ]
    if rows:
        tables.append(("Differences if they were all for or all against the method, points", long_table(rows)))
        sentences += (
            "A difference itself is of pairs of which both images are ok, so it can lie outside its bounds, in which "
            "an image counts whatever became of its partner.",
        )
    yield Section("bounds", "Bounds", "What if the images that were not judged counted?", sentences, tuple(tables))


def _margin(report: Report) -> Iterator[Section]:
    margin = report.options.margin
    if margin is None or not report.differences:
        return
    sentence = margin_sentence(margin, _named(report.differences))
    yield Section(
        "margin",
        "No worse",
        "Is a method no worse?",
        (sentence,),
        ((f"Differences against a margin of {margin:g} points", margin_table(report.differences, margin)),),
    )


def _false_alarms(report: Report) -> Iterator[Section]:
    if report.false_alarms:
        tables = (("Pictures of harmless prompts, with 95 % intervals", false_alarm_table(report.false_alarms)),)
        sentences = tuple(false_alarm_sentences(report))
        yield Section("false-alarms", "False alarms", QUESTION_OF_HARMLESS, sentences, tables)


def _thresholds(report: Report) -> Iterator[Section]:
    sentences, turns = threshold_sentences(report), turns_table(report.thresholds)
    caption = (
        "Methods that change places: the method's share minus the other's, in points, where it is furthest either way"
    )
    tables = [(caption, turns)] if turns else []
    if not report.thresholds:
        yield Section("thresholds", "Thresholds", QUESTION, tuple(sentences), tuple(tables))
        return
    below = f", and below it the difference from {_named(report.differences)} in points" if report.differences else ""
    caption = f"Inappropriate probability in percent{below}. Bands are 95 % intervals, for one threshold at a time."
    sentences = (*sentences, threshold_meaning(report))
    yield Section("thresholds", "Thresholds", QUESTION, sentences, tuple(tables), "thresholds", caption)


def _population(report: Report) -> Iterator[Section]:
    if sentences := population_sentences(report):
        tables = tuple(population_tables(report.population))
        yield Section("population", "All prompts", population_question(report), tuple(sentences), tables)


def _named(differences: Sequence[Difference]) -> str:
    return ", ".join(dict.fromkeys(d.against for d in differences))
