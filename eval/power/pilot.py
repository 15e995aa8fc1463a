"""What a pilot run shows: its methods' shares and paired differences, with their components of variance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

import sld
from eval.base.command import expanded
from eval.base.errors import InputError
from eval.base.words import counted
from eval.measure.metrics import verdicts
from eval.measure.pairs import Side, pair_up
from eval.measure.sample import per_row
from eval.power.listing import Listing, chosen_prompts, group_numbers, in_groups, read_list, rows_of_parts
from eval.power.options import Options
from eval.power.sources import DEFAULT_STEPS, Contrast, Part, Source, notes_on, plannable
from eval.power.spread import Spread, pairs_of, spread_of
from eval.store.records import MethodRecord
from eval.store.rundir import RunDir
from eval.store.stored_run import StoredRun, read_run
from i2p.categories import ALL

# What I2P has, for pilots of too few near-duplicates to show it: how alike the probabilities of two prompts of a group
# are, and two images of a prompt.
GROUP_ALIKE, IMAGES_ALIKE = 0.6, 0.35
ENOUGH_PAIRS = 20


def from_pilot(o: Options) -> Source:
    """Return what a pilot run shows.

    Raises:
        InputError: there is no such run, or it lacks what is asked.
    """
    stored = read_run(RunDir(Path(expanded("pilot", o.pilot))))
    first, *others = stored.methods
    if o.difference is not None and not others:
        raise InputError(
            f"the pilot must have two methods or more to plan a difference, found {first} only ({o.pilot}): leave "
            "difference= out, or name another run, pilot=RUN"
        )
    prompts = chosen_prompts(stored.prompts, o.categories)
    pilot = _Pilot(stored, verdicts(stored), None if o.path is None and o.revision is None else read_list(o))
    parts, left_out = [], []
    for category, rows in rows_of_parts(prompts, o.categories).items():
        for method in stored.methods:
            part = pilot.part(category, rows, len(rows) / len(prompts), method)
            if part is not None and (part.spread or part.contrast):
                parts.append(part)
            if part is None or part.spread is None:
                left_out.append(f"the share of {method} in {category}")
            if method != first and (part is None or part.contrast is None):
                left_out.append(f"the difference of {method} in {category}")
    text = f"Pilot {o.pilot}: {in_groups(prompts, stored.groups)}, {counted(len(stored.methods), 'method')}."
    left_out.sort(key=lambda part: not part.endswith(f" in {ALL}"))  # what lacks all prompts is told first
    notes = notes_on(left_out, bool(parts), o.pilot)
    if (listed := pilot.listed) is None:
        more = (
            "More prompts than the pilot's are taken to be in groups of the size of the pilot's; prompts.path=FILE "
            "tells of how many they are drawn, and in which groups."
        )
        return Source(text, tuple(parts), len(prompts), False, *_cost(o, stored), (*notes, more))
    text += f" To be drawn from {listed.name}: {in_groups(listed.prompts, listed.groups)}."
    return Source(text, tuple(parts), len(listed.prompts), True, *_cost(o, stored), notes)


@dataclass(frozen=True)
class _Pilot:
    """A pilot run, its verdicts, and the prompts that the planned run can draw, if they are known."""

    stored: StoredRun
    frame: pd.DataFrame
    listed: Listing | None

    def part(self, category: str, rows: Sequence[int], of_run: float, method: str) -> Part | None:
        """Return the part of a category under a method, None where fewer than two of its prompts are judged."""
        images = {name: self._images(name, rows) for name in (self.stored.methods[0], method)}
        counts = per_row(images[method])
        counts = counts[counts["judged"] > 0]
        exist = None
        if self.listed is not None:
            exist = len(self.listed.rows.get(category, ()))
            of_run = exist / len(self.listed.prompts)
        if len(counts) < 2 or exist == 0:
            return None
        positives, judged = (counts[name].to_numpy(float) for name in ("positives", "judged"))
        spread = None
        if plannable(positives / judged):
            spread = self._spread(category, counts.index, positives, 0 * positives, judged)
        contrast = None if method == self.stored.methods[0] else self._contrast(category, images, method)
        return Part(category, method, exist, of_run, float(positives.sum() / judged.sum()), spread, contrast)

    def _images(self, method: str, rows: Sequence[int]) -> pd.DataFrame:
        return self.frame[(self.frame["method"] == method) & self.frame["row"].isin(rows)]

    def _contrast(self, category: str, images: Mapping[str, pd.DataFrame], method: str) -> Contrast | None:
        """The paired difference from the first method, None where the pilot does not show how much it varies."""
        first, second = (Side(name, images[name], self.stored) for name in (method, self.stored.methods[0]))
        pairs = pair_up(first, second).counts
        pairs = pairs[pairs["images"] > 0]
        won, lost, paired = (pairs[name].to_numpy(float) for name in ("won", "lost", "images"))
        if not plannable((won + lost) / paired) or not plannable((1 + (won - lost) / paired) / 2):
            return None
        spread = self._spread(category, pairs.index, won, lost, paired)
        return Contrast(spread, measured=float((won - lost).sum() / paired.sum()))

    def _spread(self, category: str, rows: Sequence[int], won, lost, images) -> Spread:
        """The components, with the groups of the prompts that can be drawn where these are known."""
        groups = group_numbers(rows, self.stored.groups)
        spread = spread_of(won, lost, images, groups)
        if self.listed is None:
            return replace(spread, grouped=len(rows))
        pairs = pairs_of(groups)
        if pairs * len(rows) * (len(rows) - 1) / 2 >= ENOUGH_PAIRS and spread.between > 0:
            alike = min(1.0, spread.per_pair / pairs / spread.between)
        else:
            alike = GROUP_ALIKE if spread.within is not None else GROUP_ALIKE * IMAGES_ALIKE
        return spread.in_groups(pairs_of(group_numbers(self.listed.rows[category], self.listed.groups)), alike)


def _cost(o: Options, stored: StoredRun) -> tuple[tuple[sld.Method, ...] | None, int]:
    """The methods whose denoiser calls are counted, None if what the pilot's cost is not known, and the steps."""
    steps = o.steps or stored.protocol.steps or DEFAULT_STEPS
    if o.methods is not None:
        return sld.resolve_methods(o.methods), steps
    own = [_method(record) for record in stored.identity.methods]
    return (None if None in own else tuple(own)), steps


def _method(record: MethodRecord) -> sld.Method | None:
    """The method that a record describes, None if this package can't know what it costs."""
    description = dict(record.definition)
    if record.made_elsewhere or (isinstance(record.preset, Mapping) and "class" in record.preset):
        return None
    if isinstance(record.preset, Mapping):
        description["preset"] = sld.SafetyPreset(**record.preset)
    return sld.Method(**description)
