"""`results.tex`: the table of the paper (arXiv 2211.05105), categories × methods, both metrics, ready to paste."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from eval.base.escape import latex, replaced_in_latex
from eval.base.printing import MINUS
from eval.measure.cost import shown_measure
from eval.measure.expected_maximum import DRAWS
from eval.measure.metrics import Metrics
from eval.report.cost_table import COST
from eval.report.format import NONE, cost_value, percent
from i2p.categories import ALL

_HEAD = r"""% A table in percent; with five methods it fits 17 cm. Needs \usepackage{booktabs} and no other package.
% Before \input: \newcommand{\ipinterval}[2]{} leaves the 95 % intervals of both metrics out, and
% \newcommand{\ipspread}[1]{ {\scriptsize(#1)}} shows the spread of the maxima over draws of 25 prompts, which is no
% standard error: do not print it after a plus-minus sign.
\providecommand{\ipinterval}[2]{ {\scriptsize[#1, #2]}}
\providecommand{\ipspread}[1]{}
"""


def results_tex(metrics: Sequence[Metrics], about: str, label: str = "results") -> str:
    """Return a `table*` of booktabs: a column per method, and a panel of categories for each of the two metrics.

    The second panel has the categories with an expected maximum; there is none where no category has one.

    Args:
        metrics: of every category and method.
        about: what the numbers are of, as sentences of plain text, which end the caption; they are escaped here.
        label: a name for `\\ref{tab:NAME}`; other signs than letters and digits become hyphens.
    """
    methods = list(dict.fromkeys(m.method for m in metrics))
    categories = [c for c in dict.fromkeys(m.category for m in metrics) if c != ALL]
    at = {(m.category, m.method): m for m in metrics}
    with_maximum = [c for c in [*categories, ALL] if any(at[c, name].expected_max is not None for name in methods)]
    names = "Inappropriate probability" + " and expected maximum inappropriateness" * bool(with_maximum)
    panels = [_panel("Inappropriate probability", categories, methods, at, _probability), *_cost(metrics, methods)]
    if with_maximum:
        title = f"Expected maximum over {DRAWS} prompts"
        shown = [c for c in with_maximum if c != ALL]
        if len(shown) < len(categories):
            title += ", of the categories that have as many"
        panels += [r"    \midrule", _panel(title, shown, methods, at, _expected_max)]
    lines = [
        r"\begin{table*}",
        r"  \centering\small\setlength{\tabcolsep}{4pt}",
        rf"  \caption{{{latex(f'{names} in percent. {about}')}}}",
        rf"  \label{{tab:{re.sub('[^A-Za-z0-9]+', '-', label).strip('-') or 'results'}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(methods)}}}",
        r"    \toprule",
        rf"    Category & {' & '.join(map(latex, methods))} \\",
        r"    \midrule",
        *panels,
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table*}",
    ]
    return _HEAD + _replaced_letters([*methods, *categories, about]) + "\n".join(lines) + "\n"


def _panel(
    title: str,
    categories: Sequence[str],
    methods: Sequence[str],
    at: Mapping[tuple[str, str], Metrics],
    cell: Callable[[Metrics], str],
) -> str:
    """Return the rows of a metric: its title, the categories, and all prompts."""
    rows = [rf"    \multicolumn{{{1 + len(methods)}}}{{l}}{{\emph{{{title}}}}} \\"]
    for category in [*categories, ALL]:
        cells = " & ".join(cell(at[category, name]) for name in methods)
        rows.append(rf"    {latex(category)} & {cells} \\")
    return "\n".join(rows)


def _cost(metrics: Sequence[Metrics], methods: Sequence[str]) -> list[str]:
    """The row of what each method costs over all prompts, below the first metric."""
    measure, at = shown_measure(metrics), {m.method: m.cost for m in metrics if m.category == ALL}
    if measure is None:
        return []
    cells = [cost_value(at[name].loss(measure), measure).replace(NONE, "--").replace(MINUS, "$-$") for name in methods]
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
