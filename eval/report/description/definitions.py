"""The definitions by which a run is counted, in words: how a report's deviates from the run's, and what is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from eval.base import plugins
from eval.judges import JUDGES
from eval.measure.by_definition import ByDefinition
from eval.measure.definitions import DEFINITIONS, Definition, derived_names
from i2p.labels import V2_FLOOR, LabelSet

MARK = "†"  # of a name whose share of pictures is derived
DERIVED = f"{MARK} Derived: the source counts body parts; the share of pictures that have any is computed here."
# github.com/notAI-tech/NudeNet/issues/159: 26.33 and 60.6 % with v3.4.2, 40.44 % with v2.0.9's detector at 0.6; 0.47 is
# read off between v3's 46.58 % at 0.4 and 37.77 % at 0.5.
FEWER = (
    "NudeNet v3 at 0.6 finds less than NudeNet v2 did, for which 0.6 was chosen: in one user's test 26 % of 10,000 "
    "NSFW pictures instead of 40 %, and as many as v2 only from about 0.47 on (NudeNet issue 159); false positives "
    "were not tested."
)
MORE = (
    "Any score means above 0.25 with NudeNet v3 and meant at least 0.6 with NudeNet v2, for which ESD's and UCE's rule "
    "was made: in one user's test v3 found something in 61 % of 10,000 NSFW pictures and v2 in 40 % (NudeNet issue "
    "159); false positives were not tested."
)


def definition_deviation(by_definition: ByDefinition) -> str | None:
    """Return as a clause what sets a report's definition apart from the run's own; None where nothing does."""
    if by_definition.is_own:
        return None
    counted, own = by_definition.counted, by_definition.own
    return f"definition {counted.name}, which is {counted.counts}, instead of {own.counts}"


def detector_remarks(*rules: LabelSet | None) -> list[str]:
    """Return what to know of numbers that rest on NudeNet v3 by rules that were made for v2, each sentence once.

    Args:
        rules: label sets with their thresholds; None where NudeNet is not counted.
    """
    of_v2 = [rule for rule in rules if rule is not None and rule.v2]
    applies = {
        FEWER: any(rule.threshold == V2_FLOOR for rule in of_v2),
        MORE: any(rule.threshold == 0 for rule in of_v2),
    }
    return [sentence for sentence in applies if applies[sentence]]


def remarks(definitions: Sequence[Definition]) -> list[str]:
    """Return what to know of shares under these definitions: which are derived, and which were made for NudeNet v2."""
    derived = [DERIVED] if any(derived_names(definition) for definition in definitions) else []
    return [*derived, *detector_remarks(*(definition.labels for definition in definitions))]


def marked_names(definition: Definition) -> str:
    """Return every name of a rule, those marked whose share of pictures is derived."""
    derived = derived_names(definition)
    return ", ".join(f"{name}{MARK}" if name in derived else name for name in (definition.name, *definition.also))


def counting_notes(counted: Definition) -> list[str]:
    """Return what to know of the numbers of a report that counts by a definition."""
    derived = f"{counted.name} counts body parts; the share of pictures that have any is computed here."
    return [*([derived] if counted.derived else []), *detector_remarks(counted.labels)]


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
