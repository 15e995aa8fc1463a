"""Questions that the numbers of methods answer alone, whatever they were measured on: a run, or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from eval.base.table import Table
from eval.base.words import counted
from eval.measure.cost import shown_measure
from eval.measure.differences import Difference
from eval.measure.metrics import Metrics
from eval.measure.ranking import Rank
from eval.report.cost_table import cost_column
from eval.report.format import NONE, interval, long_table, p_value, percent, place_of, points, with_interval
from eval.report.margin import margin_sentence, margin_table
from eval.report.tables import in_order, wide_table
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


class Measured(Protocol):
    """The numbers of methods on the same prompts: a report, or a comparison of runs."""

    @property
    def metrics(self) -> Sequence[Metrics]:
        """Of every category and method."""

    @property
    def differences(self) -> Sequence[Difference]:
        """Of methods from another."""

    @property
    def ranking(self) -> Sequence[Rank]:
        """The places that each method may have over all prompts."""


def repetition_section(measured: Measured) -> Iterator[Section]:
    """Yield the intervals for the same prompts and new noise."""
    question = "New prompts, or the same prompts again?"
    if not any(m.same_prompts_low is not None for m in measured.metrics):
        yield Section("repetition", "Same prompts", question, (NO_REPETITION,))
        return
    sentences = (
        "The intervals of the tables above are for new prompts like these: other prompts would be drawn, each with its "
        "near-duplicates. The intervals below are for the same prompts and new noise: how far a repetition of this run "
        "may lie from it. A published number on the same prompts is judged by the second kind.",
    )
    table = wide_table(measured.metrics, lambda m: with_interval(m.probability, *m.same_prompts))
    tables = [("Inappropriate probability, %, with 95 % intervals for the same prompts and new noise", table)]
    if measured.differences:
        rows = [
            {
                "category": d.category,
                "method": d.method,
                "against": d.against,
                "points": points(d.difference),
                "new prompts": points(*d.new_prompts),
                "same prompts": points(d.same_prompts_low, d.same_prompts_high),
            }
            for d in in_order(measured.differences)
        ]
        tables.append(("Differences in points, with 95 % intervals for either question", long_table(rows)))
    yield Section("repetition", "Same prompts", question, sentences, tuple(tables))


def ranking_section(measured: Measured) -> Iterator[Section]:
    """Yield the places of the methods, and their differences as one family; nothing without a ranking."""
    if not measured.ranking:
        return
    overall = {m.method: m for m in measured.metrics if m.category == ALL}
    share, cost = {name: percent(m.probability) for name, m in overall.items()}, cost_column(list(overall.values()))
    rows = [
        {
            "place": place_of(rank),
            "method": rank.method,
            "probability %": share[rank.method],
            **cost(overall[rank.method]),
            "differs from": ", ".join(rank.apart_from) or NONE,
        }
        for rank in measured.ranking
    ]
    count = len(measured.ranking) * (len(measured.ranking) - 1) // 2
    family = f"the {count:,} comparisons are one family of tests" if count > 1 else "that is one test"
    sentences = [
        f"Every two methods are compared on the same prompts, and {family}: in 95 % of "
        "runs every method's true place over all prompts is among those named here.",
        "Place 1 is the least inappropriate; methods that share places are tied.",
    ]
    if shown_measure(overall.values()):
        sentences.append("That is no order of merit: a method's cost stands beside its share.")
    tables = [("Places of the methods over all prompts", long_table(rows))]
    if measured.differences:
        sentences.append(
            "The second table takes all methods and categories against "
            f"{references(measured.differences)} for one family: its intervals hold together in 95 % of runs, and a "
            "difference is found where its adjusted p is at most 0.05, which rules where the two disagree."
        )
        tables.append(("All differences as one family: points with simultaneous 95 % intervals", _family(measured)))
    yield Section("ranking", "Ranking", "Which methods differ?", tuple(sentences), tuple(tables))


def _family(measured: Measured) -> Table:
    rows = [
        {
            "category": d.category,
            "method": d.method,
            "points": points(d.difference),
            "all together": points(d.simultaneous_low, d.simultaneous_high),
            "p, adjusted": p_value(d.p_adjusted),
        }
        for d in in_order(measured.differences)
    ]
    return long_table(rows)


def bounds_section(measured: Measured) -> Iterator[Section]:
    """Yield where the numbers would lie if the images that are not ok counted; nothing where all are ok."""
    metrics = [m for m in in_order(measured.metrics) if m.bound_low is not None]
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
            "not ok": f"{m.planned - m.images:,}",
            "probability %": percent(m.probability),
            "bounds": interval(m.bound_low, m.bound_high),
        }
        for m in metrics
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
        for d in in_order(measured.differences)
        if d.bound_low is not None
    ]
    if rows:
        tables.append(("Differences if they were all for or all against the method, points", long_table(rows)))
        sentences += (
            "A difference itself is of pairs of which both images are ok, so it can lie outside its bounds, in which "
            "an image counts whatever became of its partner.",
        )
    yield Section("bounds", "Bounds", "What if the images that were not judged counted?", sentences, tuple(tables))


def margin_section(measured: Measured, margin: float | None) -> Iterator[Section]:
    """Yield which methods are no worse than another by more than a margin in points; nothing without a margin."""
    if margin is None or not measured.differences:
        return
    sentence = margin_sentence(margin, references(measured.differences))
    yield Section(
        "margin",
        "No worse",
        "Is a method no worse?",
        (sentence,),
        ((f"Differences against a margin of {counted(margin, 'point')}", margin_table(measured.differences, margin)),),
    )


def references(differences: Sequence[Difference]) -> str:
    """Return the names of what methods are compared with."""
    return ", ".join(dict.fromkeys(d.against for d in differences))
