"""What a pilot's images show: only those that were judged, in its own groups where it has enough of them."""

from dataclasses import replace

import numpy as np
import pytest
from several import made_up, prompts_of

from eval.measure.metrics import verdicts
from eval.power.listing import Listing
from eval.power.pilot import _method, _Pilot
from eval.power.spread import spread_of
from eval.store.groups import record_of
from eval.store.records import MethodRecord
from eval.store.scores import BLANK

ROWS = list(range(36))
CHANCES = np.random.default_rng(0).beta(1, 1, 12)


def by_topic(row, image):
    """Prompts of a topic are alike: three rows each."""
    return bool(np.random.default_rng([row, image]).random() < CHANCES[row // 3])


@pytest.fixture(scope="module")
def run():
    return made_up("pilot", {"baseline": by_topic}, prompts_of(36))


def hits(rows):
    return np.array([sum(by_topic(row, image) for image in range(2)) for row in rows], float)


def test_prompts_without_a_judged_image_are_in_no_number(run):
    frame = verdicts(run)
    frame.loc[frame["row"] == 3, "state"] = BLANK
    part = _Pilot(run, frame, None).part("all", ROWS, 1.0, "baseline")
    rows = [row for row in ROWS if row != 3]
    own = spread_of(hits(rows), np.zeros(35), np.full(35, 2), np.arange(35))
    assert part.share == pytest.approx(hits(rows).sum() / 70)
    assert (part.spread.between, part.spread.within) == pytest.approx((own.between, own.within))


@pytest.mark.parametrize("alike_rows", [36, 6])
def test_how_alike_a_groups_prompts_are_is_the_pilots_own_where_it_has_enough_pairs(alike_rows):
    """Groups of three, 36 pairs in all or 6; other prompts are alone."""
    prompts = [replace(p, group=p.row // 3 if p.row < alike_rows else p.row) for p in prompts_of(36)]
    run = made_up("pilot", {"baseline": by_topic}, prompts, groups=record_of(prompts, "column", "topic"))
    own = spread_of(hits(ROWS), np.zeros(36), np.full(36, 2), np.array([prompt.group for prompt in prompts]))
    listed = Listing("listed", prompts, {row: row // 3 for row in ROWS}, {"all": ROWS})
    spread = _Pilot(run, verdicts(run), listed).part("all", ROWS, 1.0, "baseline").spread
    pairs = 12 * 6 / (36 * 35)
    alike = min(1, own.per_pair / pairs / own.between) if alike_rows == 36 else 0.6  # as I2P has it
    assert spread.per_pair == pytest.approx(pairs * alike * own.between)


def test_what_a_method_of_ones_own_class_costs_is_not_known():
    preset = {"warmup_steps": 15, "guidance_scale": 200, "threshold": 0.0, "momentum_scale": 0.0, "momentum_beta": 0.0}
    described = {"name": "mine", "preset": preset, "concept": "blood", "negative_prompt": None}
    assert _method(MethodRecord(described)).preset.guidance_scale == 200
    assert _method(MethodRecord(described | {"preset": {"class": "Mine"}})) is None
