"""Does the threshold decide? The sentence, the table and the figure; the files are in `test_flags_report`."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from eval.judges import Rule
from eval.measure.definitions import DEFINITIONS, Definition
from eval.measure.thresholds import AtThreshold, Curve, Extreme, Turn
from eval.report.description.thresholds import threshold_meaning, threshold_sentences
from eval.report.drawing import PALETTE
from eval.report.threshold_figure import threshold_figure
from eval.report.threshold_table import turns_table

SVG = "{http://www.w3.org/2000/svg}"
BELOW, ABOVE = Extreme(0.3, -0.1, -0.15, -0.05), Extreme(0.9, 0.04, 0.01, 0.07)
CLEAR = Turn("strong", "weak", ((0.5, 0.55),), BELOW, ABOVE)
VAGUE = Turn("weak", "max", ((-0.25, 0.0), (1.0, 1.25)), BELOW, Extreme(0.9, 0.04, -0.02, 0.1))
NO_LIMITS = replace(VAGUE, above=Extreme(0.9, 0.04, None, None))


def row(method, threshold, share, difference=None, images=40, judge="nudenet"):
    limits = (max(share - 0.1, 0), min(share + 0.2, 1)) if share is not None else (None, None)
    wide = (difference - 0.05, difference + 0.15) if difference is not None else (None, None)
    first = None if difference is None else "weak"
    pairs = None if difference is None else images
    place = judge, threshold, threshold == 0.6, "all", method
    return AtThreshold(*place, images, share, *limits, first, pairs, difference, *wide)


def curve(judge="nudenet", turns=(), apart=True, images=40, thresholds=(0.25, 0.5, 0.6, 1.0)):
    shares = np.linspace(0.9, 0.3, len(thresholds)) if images else [None] * len(thresholds)
    rows = [row("weak", t, share, images=images, judge=judge) for t, share in zip(thresholds, shares, strict=True)]
    rows += [
        row("strong", t, share and share / 2, share and -share / 2, images, judge)
        for t, share in zip(thresholds, shares, strict=True)
    ]
    return Curve(judge, thresholds, 0.6, tuple(rows), tuple(turns), apart)


def sentences(*curves, definition=DEFINITIONS["i2p"], judges=("q16", "nudenet"), methods=("weak", "strong", "max")):
    counted, stored = SimpleNamespace(counted=definition), SimpleNamespace(judges=judges)
    return threshold_sentences(
        SimpleNamespace(thresholds=curves, methods=methods, by_definition=counted, stored=stored)
    )


STABLE = "The order of the methods is the same, ties aside, at all 4 thresholds of "


def test_where_no_methods_change_places_one_sentence_names_every_scale():
    margins = (-5.0, 0.0, 0.6, 5.0)
    [both] = sentences(curve("q16", thresholds=margins), curve())
    assert both == f"{STABLE}Q16's margin from −5 to 5 and at all 4 thresholds of NudeNet's score from 0.25 to 1."
    assert sentences(curve()) == [f"{STABLE}NudeNet's score from 0.25 to 1."]
    [alike] = sentences(curve(apart=False))
    assert alike == "All methods have the same share at all 4 thresholds of NudeNet's score from 0.25 to 1."


def test_methods_that_change_places_are_named_with_the_place_and_what_chance_explains():
    along = "Along NudeNet's score from 0.25 to 1, "
    clear = "strong and weak change places between 0.5 and 0.55"
    vague = "weak and max change places between −0.25 and 0 and between 1 and 1.25"
    chance = "chance may explain this, since no difference has an interval without 0 in both orders"
    excluded = "the interval of the difference excludes 0 in both orders"
    assert sentences(curve(turns=[CLEAR])) == [f"{along}{clear}; {excluded}."]
    assert sentences(curve(turns=[VAGUE])) == [f"{along}{vague}; {chance}."]
    assert sentences(curve(turns=[NO_LIMITS])) == [f"{along}{vague}; {chance}."]
    assert sentences(curve(turns=[VAGUE, CLEAR])) == [f"{along}{clear}, {vague}; {excluded} for 1 of these 2 pairs."]
    turned, stable = sentences(curve("q16"), curve(turns=[CLEAR]))
    assert (stable, turned) == (f"{STABLE}Q16's margin from 0.25 to 1.", f"{along}{clear}; {excluded}.")
    [many] = sentences(curve(turns=[CLEAR] * 5))
    assert f"{clear}, {clear}, {clear} and 2 more; " in many


def test_without_an_order_or_a_curve_the_reason_is_given():
    assert sentences(curve(), methods=["weak"]) == ["The run has one method, so there is no order that could change."]
    assert sentences(curve(images=0)) == ["No picture was judged, so the methods have no order."]
    [replay] = sentences(judges=())
    assert replay == "There is no curve, since the verdicts are the dataset's own and come without raw scores."
    [code] = sentences(definition=DEFINITIONS["mu-attack-code"])
    assert code.startswith("NudeNet's score has no curve, since the definition mu-attack-code looks at the last ")
    rule = Definition("safe-mine", None, None, "", judge="mine", rule=Rule("safe-mine", "p > 0.5", "mine", None))
    [other] = sentences(definition=rule, judges=["mine"])
    assert other.startswith("There is no curve, since the definition safe-mine is a rule of the judge mine, ")


def test_only_a_definition_that_asks_both_judges_has_another_whose_rule_stays():
    def meaning(definition, *curves):
        return threshold_meaning(SimpleNamespace(thresholds=curves, by_definition=SimpleNamespace(counted=definition)))

    assert "while the other judge keeps its rule. At" in meaning(DEFINITIONS["i2p"], curve("q16"), curve())
    assert "moves. At" in meaning(DEFINITIONS["esd"], curve())
    assert "Q16" not in meaning(DEFINITIONS["esd"], curve())


def test_the_table_has_the_largest_difference_either_way():
    assert turns_table([curve()]) is None
    table = turns_table([curve("q16", turns=[VAGUE]), curve(turns=[CLEAR, NO_LIMITS])])
    assert [line[0] for line in table.rows] == ["Q16's margin", "NudeNet's score", "NudeNet's score"]
    assert table.rows[1][1:] == (
        "strong", "weak", "between 0.5 and 0.55", "−10.0 [−15.0, −5.0] at 0.3", "+4.0 [+1.0, +7.0] at 0.9"
    )  # fmt: skip
    assert table.rows[2][-1] == "+4.0 at 0.9"


def paths(svg: bytes, colour: str) -> list[np.ndarray]:
    """The points of every line of a colour, without a fill."""
    shapes = [p for p in ET.fromstring(svg).iter(f"{SVG}path") if f"stroke: {colour}" in p.get("style", "")]
    lines = [p.get("d") for p in shapes if "fill: none" in p.get("style")]
    return [np.array([float(x) for x in re.findall(r"-?[\d.]+", line)]).reshape(-1, 2) for line in lines]


def test_a_line_goes_through_its_numbers_and_the_threshold_of_the_report_is_marked():
    figure = threshold_figure([curve()], DEFINITIONS["i2p"], ["weak", "strong"], "what it is")
    texts = ["".join(t.itertext()) for t in ET.fromstring(figure.svg).iter(f"{SVG}text")]
    assert {"weak", "strong", "≥ 0.6", "NudeNet's score", "inappropriate, %", "points"} <= set(texts)
    said = " ".join(texts)
    assert "Points: difference from weak. Bands: 95 % intervals for one threshold at a time. Dashed: the" in said
    assert "what it is" in said
    numbers = [(t, s) for t, s in zip((0.25, 0.5, 0.6, 1.0), np.linspace(0.9, 0.3, 4), strict=True)]
    weak = next(p for p in paths(figure.svg, PALETTE[0]) if len(p) == 4)
    strong, below = (p for p in paths(figure.svg, PALETTE[1]) if len(p) == 4)
    for drawn, expected in ((weak, numbers), (strong, [(t, s / 2) for t, s in numbers])):
        for axis in (0, 1):
            slope, offset = np.polyfit([point[axis] for point in numbers], weak[:, axis], 1)
            assert np.allclose(slope * np.array([p[axis] for p in expected]) + offset, drawn[:, axis], atol=0.01)
    assert np.allclose(np.diff(below[:, 1]) * np.diff(strong[:, 1]) < 0, True)  # −s / 2, in a panel of its own
    marks = [p for p in paths(figure.svg, "#1d2228") if len(p) == 2 and p[0, 0] == p[1, 0]]
    assert [mark[0, 0] for mark in marks] == pytest.approx([weak[2, 0]] * 2, abs=0.01)


def test_one_method_has_no_panel_of_differences_and_numbers_that_are_none_no_line():
    one = Curve("nudenet", (0.25, 0.6), 0.6, (row("a", 0.25, 0.5), row("a", 0.6, None)), (), apart=False)
    texts = "".join(ET.fromstring(threshold_figure([one], DEFINITIONS["esd"], ["a"]).svg).itertext())
    assert "any score" in texts
    assert "points" not in texts
    assert threshold_figure([curve(images=0)], DEFINITIONS["i2p"], ["weak", "strong"]).svg
