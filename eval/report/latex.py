"""`results.tex`: the table of the paper (arXiv 2211.05105), categories × methods, both metrics, ready to paste."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from eval.base.escape import latex, replaced_in_latex
from eval.base.printing import MINUS
from eval.base.table import column_names
from eval.measure.cost import shown_measure
from eval.measure.differences import Difference
from eval.measure.expected_maximum import DRAWS
from eval.measure.metrics import Metrics
from eval.report.cost_table import cost_heading
from eval.report.format import NONE, cost_value, percent, points
from i2p.categories import ALL

Panel = tuple[str, Sequence[str], Callable[[str, str], str]]  # title, categories, and the cell of one and a method
MOST, MOST_WITH_DIFFERENCES = 5, 4  # columns of a table, whose widest numbers then fit 17 cm
LONGEST, LONGEST_CATEGORY, LONGEST_TITLE = 14, 22, 72  # letters of a line in a heading, and in a panel's title
_HEAD = r"""% Tables in percent, of as many columns as fit 17 cm. Needs \usepackage{booktabs} and no other package.
% Before \input: \newcommand{\ipinterval}[2]{} leaves the 95 % intervals out, and
% \newcommand{\ipspread}[1]{ {\scriptsize(#1)}} shows the spread of the maxima over draws of 25 prompts, which is no
% standard error: do not print it after a plus-minus sign.
\providecommand{\ipinterval}[2]{ {\scriptsize[#1, #2]}}
\providecommand{\ipspread}[1]{}
"""


def results_tex(
    metrics: Sequence[Metrics],
    about: str,
    label: str = "results",
    heads: Mapping[str, tuple[str, str]] | None = None,
    differences: Sequence[Difference] = (),
    against: str = "",
) -> str:
    """Return `table*`s of booktabs: a column per method, and a panel of categories for each of the two metrics.

    The second panel has the categories with an expected maximum; there is none where no category has one. Methods that
    do not fit one table stand in further ones.

    Args:
        metrics: of every category and method.
        about: what the numbers are of, as sentences of plain text, which end the caption; they are escaped here.
        label: a name for `\\ref{tab:NAME}`; other signs than letters and digits become hyphens.
        heads: method → the heading that it shares with its neighbours, and its own, empty for none; without it, methods
            are headed by their names.
        differences: for a third panel; empty for none.
        against: with what the methods are compared there, as the panel's title names it.
    """
    methods = list(dict.fromkeys(m.method for m in metrics))
    categories = list(dict.fromkeys(m.category for m in metrics if m.category != ALL))
    headings = column_names("method", methods, ["Category"])
    heads = heads or {name: ("", heading) for name, heading in zip(methods, headings, strict=True)}
    most = MOST_WITH_DIFFERENCES if differences else MOST
    parts = [methods[first : first + most] for first in range(0, len(methods), most)]
    at = {(m.category, m.method): m for m in metrics}
    with_maximum = [c for c in [*categories, ALL] if any(at[c, name].expected_max is not None for name in methods)]
    names = "Inappropriate probability" + " and expected maximum inappropriateness" * bool(with_maximum)
    tex = re.sub("[^A-Za-z0-9]+", "-", label).strip("-") or "results"
    panels = [("Inappropriate probability", [*categories, ALL], lambda c, name: _probability(at[c, name]))]
    if with_maximum:
        title = f"Expected maximum over {DRAWS} prompts"
        shown = [c for c in with_maximum if c != ALL]
        if len(shown) < len(categories):
            title += ", of the categories that have as many"
        panels.append((title, [*shown, ALL], lambda c, name: _expected_max(at[c, name])))
    if differences:
        apart = {(d.category, d.method): d for d in differences}
        shown = [c for c in [*categories, ALL] if any(c == category for category, _ in apart)]
        panels.append((f"Points against {against}", shown, lambda c, name: _points(apart.get((c, name)))))
    tables = []
    for number, part in enumerate(parts, 1):
        caption = f"{names} in percent. {about}" if number == 1 else f"{names} in percent, continued ({number})."
        name = tex if number == 1 else f"{tex}-{number}"
        tables.append(_table(part, heads, panels, _cost(metrics, part), (latex(caption), name)))
    texts = [*categories, *(word for head in heads.values() for word in head), about]
    return _HEAD + _replaced_letters(texts) + "\n".join(tables) + "\n"


def _table(
    methods: Sequence[str],
    heads: Mapping[str, tuple[str, str]],
    panels: Sequence[Panel],
    cost: Sequence[str],
    caption: tuple[str, str],
) -> str:
    (title, categories, cell), *others = panels
    rows = [_panel(title, categories, methods, cell), *cost]
    rows += [line for panel in others for line in (r"    \midrule", _panel(panel[0], panel[1], methods, panel[2]))]
    return "\n".join(
        [
            r"\begin{table*}",
            r"  \centering\small\setlength{\tabcolsep}{4pt}",
            rf"  \caption{{{caption[0]}}}",
            rf"  \label{{tab:{caption[1]}}}",
            rf"  \begin{{tabular}}{{l{'r' * len(methods)}}}",
            r"    \toprule",
            *_headings([heads[name] for name in methods]),
            r"    \midrule",
            *rows,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table*}",
        ]
    )


def _headings(heads: Sequence[tuple[str, str]]) -> list[str]:
    """Return the row of headings, below that of the headings that neighbours share, where there are any."""
    own = rf"    Category & {' & '.join(_stacked(name) for _, name in heads)} \\"
    if not any(shared for shared, _ in heads):
        return [own]
    cells, rules, first = [], [], 2
    for shared, columns in ((shared, len([*group])) for shared, group in groupby(heads, key=lambda head: head[0])):
        width = LONGEST * columns + 3 * (columns - 1)
        cells.append(rf"\multicolumn{{{columns}}}{{c}}{{{_stacked(shared, width, 'c')}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + columns - 1}}}")
        first += columns
    shared_row = rf"     & {' & '.join(cells)} \\"
    return [shared_row, f"    {' '.join(rules)}", own] if any(name for _, name in heads) else [shared_row]


def _stacked(text: str, width: int = LONGEST, side: str = "r", place: str = "b") -> str:
    """Return a text in lines that leave room for other columns."""
    lines = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    if len(lines) == 1:
        return latex(text)
    # Behind a line's end, braces: a star or a bracket there would be an argument.
    return rf"\begin{{tabular}}[{place}]{{@{{}}{side}@{{}}}}" + r"\\{}".join(map(latex, lines)) + r"\end{tabular}"


def _panel(title: str, categories: Sequence[str], methods: Sequence[str], cell: Callable[[str, str], str]) -> str:
    """Return the rows of a metric: its title, and the categories."""
    # In as many lines as fit 17 cm: a title may name a column, whose heading may be long.
    lines = textwrap.wrap(title, LONGEST_TITLE, break_on_hyphens=False)
    rows = [rf"    \multicolumn{{{1 + len(methods)}}}{{l}}{{\emph{{{latex(line)}}}}} \\" for line in lines]
    for category in categories:
        cells = " & ".join(cell(category, name) for name in methods)
        rows.append(rf"    {_stacked(category, LONGEST_CATEGORY, 'l', 't')} & {cells} \\")
    return "\n".join(rows)


def _cost(metrics: Sequence[Metrics], methods: Sequence[str]) -> list[str]:
    """The row of what each method costs over all prompts, below the first metric."""
    measure, at = shown_measure(metrics), {m.method: m.cost for m in metrics if m.category == ALL}
    if measure is None:
        return []
    cells = [cost_value(at[name].loss(measure), measure).replace(NONE, "--").replace(MINUS, "$-$") for name in methods]
    heading = _stacked(cost_heading(m.category for m in metrics), LONGEST_CATEGORY, "l", "t")
    return [rf"    {heading} & {' & '.join(cells)} \\"]


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
    interval, short = _interval(m.expected_max_low, m.expected_max_high), "*" if m.prompts_short else ""
    return rf"{percent(m.expected_max)}{interval}\ipspread{{{percent(m.expected_max_spread)}}}{short}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else rf"\ipinterval{{{percent(low)}}}{{{percent(high)}}}"


def _points(d: Difference | None) -> str:
    if d is None:
        return "--"
    low, high = d.new_prompts
    limits = "" if low is None or high is None else rf"\ipinterval{{{points(low)}}}{{{points(high)}}}"
    return f"{points(d.difference)}{limits}".replace(MINUS, "$-$")
