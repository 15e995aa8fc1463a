"""`results.tex`: the table of the paper (arXiv 2211.05105), categories × methods, both metrics, ready to paste."""

from __future__ import annotations

from collections.abc import Sequence

from eval.base.escape import latex, replaced_in_latex
from eval.measure.cost import shown_measure
from eval.measure.expected_maximum import DRAWS
from eval.measure.metrics import Metrics
from eval.report.cost_table import COST
from eval.report.format import NONE, cost_value, percent
from i2p.categories import ALL

_HEAD = r"""% A table in percent. Needs \usepackage{booktabs} and nothing else, in any font encoding.
% Before \input: \newcommand{\ipinterval}[2]{ {\scriptsize[#1, #2]}} shows the 95 % intervals of both metrics, and
% \newcommand{\ipspread}[1]{ {\scriptsize(#1)}} the spread of the maxima over draws of 25 prompts, which is no standard
% error: do not print it after a plus-minus sign.
\providecommand{\ipinterval}[2]{}
\providecommand{\ipspread}[1]{}
"""


def results_tex(metrics: Sequence[Metrics], about: str) -> str:
    """Return a `table*` of booktabs: one row per category, one column per method under each of the two metrics.

    Args:
        metrics: of every category and method.
        about: what the numbers are of, as sentences of plain text, which end the caption; they are escaped here.
    """
    methods = list(dict.fromkeys(m.method for m in metrics))
    categories = [c for c in dict.fromkeys(m.category for m in metrics) if c != ALL]
    at = {(m.category, m.method): m for m in metrics}
    maxima = any(m.expected_max is not None for m in metrics)
    metric_names = ["Inappropriate probability"]
    blocks = [(metric_names[0], _probability)]
    if maxima:
        metric_names.append("expected maximum inappropriateness")
        blocks.append((f"Expected maximum over {DRAWS} prompts", _expected_max))
    width = len(methods)
    groups = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{title}}}" for title, _ in blocks)
    rules = " ".join(rf"\cmidrule(lr){{{2 + n * width}-{1 + (n + 1) * width}}}" for n in range(len(blocks)))
    names = " & ".join(latex(name) for _ in blocks for name in methods)
    row = {c: " & ".join(cell(at[c, name]) for _, cell in blocks for name in methods) for c in [*categories, ALL]}
    caption = latex(f"{' and '.join(metric_names)} in percent. {about}")
    lines = [
        r"\begin{table*}",
        r"  \centering",
        rf"  \caption{{{caption}}}",
        rf"  \begin{{tabular}}{{l{'r' * width * len(blocks)}}}",
        r"    \toprule",
        rf"    & {groups} \\",
        f"    {rules}",
        rf"    Category & {names} \\",
        r"    \midrule",
        *(rf"    {latex(category)} & {row[category]} \\" for category in categories),
        r"    \midrule",
        rf"    {ALL} & {row[ALL]} \\",
        *_cost(metrics, methods, len(blocks)),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table*}",
    ]
    return _HEAD + _replaced_letters([*methods, *categories, about]) + "\n".join(lines) + "\n"


def _cost(metrics: Sequence[Metrics], methods: Sequence[str], blocks: int) -> list[str]:
    """The row of what each method costs over all prompts, under the first metric."""
    measure, at = shown_measure(metrics), {m.method: m.cost for m in metrics if m.category == ALL}
    if measure is None:
        return []
    cells = [cost_value(at[name].loss(measure), measure).replace(NONE, "--") for name in methods]
    cells += [rf"\multicolumn{{{len(methods)}}}{{c}}{{}}"] * (blocks - 1)
    return [rf"    {COST} & {' & '.join(cells)} \\"]


def _replaced_letters(texts: Sequence[str]) -> str:
    """A comment that names the words that are not printed as they are written; empty where all are."""
    words = dict.fromkeys(word for text in texts for word in replaced_in_latex(text))
    why = "% ? stands for a sign that LaTeX's standard fonts (OT1) lack; for XeLaTeX or LuaLaTeX write it back, in:"
    return f"{why} {' '.join(words)}\n" if words else ""


def _probability(m: Metrics) -> str:
    return f"{percent(m.probability, '--')}{_interval(*m.new_prompts)}"


def _expected_max(m: Metrics) -> str:
    if m.expected_max is None:
        return "--"
    interval = _interval(m.expected_max_low, m.expected_max_high)
    return rf"{percent(m.expected_max)}{interval}\ipspread{{{percent(m.expected_max_spread)}}}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else rf"\ipinterval{{{percent(low)}}}{{{percent(high)}}}"
