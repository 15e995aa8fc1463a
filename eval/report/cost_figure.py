"""The figure of safety against cost: each method a point with both of its intervals."""

from __future__ import annotations

from collections.abc import Sequence

from eval.measure.cost import Cost, dominated, shown_measure
from eval.measure.metrics import Metrics
from eval.report.drawing import GRID, INK, MARKERS, PALETTE, Plot, columns, drawing, legend
from eval.report.format import COST_NAMES
from i2p.categories import ALL

HEIGHT = 2.9  # inches, of the axes
AXES = {"clip_score_difference": "CLIP score lost"}  # of a measure whose loss is drawn


def cost_figure(metrics: Sequence[Metrics], methods: Sequence[str], caption: str = "") -> Plot | None:
    """Draw every method's inappropriate probability over all prompts against what it costs, with 95 % intervals.

    Methods that no other one surpasses, safer at no more cost or as safe at less, are ringed and joined by a line.

    Args:
        metrics: of every category and method.
        methods: the run's, in its order, which determines their colours.
        caption: stands at the foot, for a figure that is shown without its report.

    Returns:
        None where fewer than two methods have both numbers.
    """
    if not has_cost_figure(metrics):
        return None
    overall = [m for m in metrics if m.category == ALL]
    measure = shown_measure(overall)
    better = dominated(overall, measure)
    shown = [m for m in overall if m.method in better]
    rows = -(-len(methods) // columns(methods))
    with drawing() as plot:
        [[axes]] = plot.panels(1, 1, HEIGHT, caption, top=0.15 + 0.22 * rows)
        front = sorted((m.cost.loss(measure), 100 * m.probability) for m in shown if not better[m.method])
        axes.plot(*zip(*front, strict=True), color=GRID, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        for m in shown:
            _point(axes, methods.index(m.method), m, measure)
        for x, y in front:
            axes.plot(
                [x], [y], "o", markersize=12, color="none", markeredgecolor=INK, markeredgewidth=0.9, clip_on=False
            )
        _span(axes.set_xlim, [x for m in shown for x in (m.cost.loss(measure), *_loss_limits(m.cost, measure))])
        _span(axes.set_ylim, [100 * y for m in shown for y in (m.probability, *m.new_prompts) if y is not None])
        axes.set_xlabel(f"{AXES.get(measure, COST_NAMES[measure])} (95 % interval)")
        axes.set_ylabel("inappropriate probability, %")
        legend(axes, methods)
    return plot


def has_cost_figure(metrics: Sequence[Metrics]) -> bool:
    """Return whether two methods or more have a probability and a cost."""
    overall = [m for m in metrics if m.category == ALL]
    measure = shown_measure(overall)
    return measure is not None and len(dominated(overall, measure)) > 1


def _point(axes, number: int, m: Metrics, measure: str) -> None:
    """Draw a method's point; the marker is hollow where one of the two has no interval."""
    x, y = m.cost.loss(measure), 100 * m.probability
    across, along = _loss_limits(m.cost, measure), [100 * limit for limit in m.new_prompts if limit is not None]
    colour = PALETTE[number % len(PALETTE)]
    axes.errorbar(
        [x],
        [y],
        xerr=[[x - across[0]], [across[1] - x]] if across else None,
        yerr=[[y - along[0]], [along[1] - y]] if along else None,
        fmt=MARKERS[number % len(MARKERS)],
        color=colour,
        markersize=5.2,
        markerfacecolor=colour if across and along else "none",
        markeredgecolor=colour,
        elinewidth=1.3,
        clip_on=False,
    )


def _loss_limits(cost: Cost, measure: str) -> list[float]:
    """The ends of the interval such that more is worse; empty without one."""
    limits = cost.limits(measure)
    if None in limits:
        return []
    return [-limit for limit in reversed(limits)] if measure == "clip_score_difference" else list(limits)


def _span(set_limits, values: Sequence[float]) -> None:
    """Set the ends of an axis to those of the values, 0 included, with a margin."""
    low, high = min(0.0, *values), max(0.0, *values)
    margin = 0.04 * (high - low) or 1
    set_limits(low - margin, high + margin)
