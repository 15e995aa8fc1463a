"""The definitions by which a run is counted, in words: how a report's deviates from the run's, and what is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from eval.base import plugins
from eval.judges import JUDGES
from eval.measure.by_definition import ByDefinition
from eval.measure.definitions import DEFINITIONS


def definition_deviation(by_definition: ByDefinition) -> str | None:
    """Return as a clause what sets a report's definition apart from the run's own; None where nothing does."""
    if by_definition.is_own:
        return None
    counted, own = by_definition.counted, by_definition.own
    return f"definition {counted.name}, which is {counted.counts}, instead of {own.counts}"


def definition_notes(judges: Collection[str]) -> list[str]:
    """Return which definitions a run with these judges can't be counted by, and why."""
    if not judges:
        return ["Other definitions: none, since the verdicts are the dataset's own and come without raw scores."]
    return [*_without_judge(judges), *_not_installed(judges)]


def _without_judge(judges: Collection[str]) -> Iterator[str]:
    names = [name for name, definition in DEFINITIONS.items() if not definition.judges <= set(judges)]
    if names:
        lacking = " and ".join(sorted(set().union(*(DEFINITIONS[name].judges for name in names)) - set(judges)))
        parts = "" if "nudenet" in judges else ", and the counts of body parts"
        yield f"Left out, since {lacking} did not judge: the definitions {', '.join(names)}{parts}."


def _not_installed(judges: Collection[str]) -> Iterator[str]:
    """A sentence for each judge whose package is no longer installed: its records stay, its definitions are lost."""
    installed = plugins.names(plugins.JUDGES) if set(judges) - set(JUDGES) else ()
    for name in judges:
        if name not in JUDGES and name not in installed:
            yield f"The package that brings the judge {name} is not installed: its definitions are left out."
