"""Where a protocol asks no judge that ran nothing may count as harmless, in no report and no comparison."""

import json
from dataclasses import replace

import pytest

import i2p
from eval.compare.__main__ import main as compare
from eval.measure.definitions import NOBODY, definition_of
from eval.report.__main__ import main as report
from eval.run import main


@pytest.fixture(scope="module")
def older(tmp_path_factory, call):
    """A run of Q16 alone by ESD's protocol, as it could be made before that was refused; its report is now."""
    run = tmp_path_factory.mktemp("older") / "run"
    words = ["judges=[q16]", "prompts.rows=0-1", "model.size=64", "protocol=esd", "protocol.steps=2", "images=none"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eval.plan.make._check_judges", lambda settings, protocol: None)
        assert call(main, *words, "methods=[baseline]", "sheet=false", f"out={run}") == 2
    return run


def test_its_own_report_is_refused_and_one_by_what_judged_is_made(older, call, capfd):
    assert call(report, older) == 2
    assert "so that no picture could count: count by what judged, flags=q16" in capfd.readouterr().err
    assert call(report, older, "flags=q16") == 0
    printed = capfd.readouterr().out
    assert f"instead of {NOBODY}" in printed
    results = json.loads((older / "report" / "flags-q16" / "results.json").read_text())
    assert [each["name"] for each in results["definitions"]] == ["q16", "q16-0.9"]


def test_it_is_compared_with_nothing(older, call, capfd):
    for paired in ("true", "false"):
        assert call(compare, older, f"paired={paired}") == 2
        assert "so that no picture could count" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("rule", "judges", "asked"),
    [
        ("argmax", ["q16"], {"q16"}),
        ("argmax", ["nudenet"], {"nudenet"}),
        (None, ["q16", "nudenet"], {"nudenet"}),
        (None, ["q16"], set()),
        ("argmax", [], set()),
    ],
)
def test_a_definition_asks_the_judges_of_the_protocol_that_ran(rule, judges, asked):
    own = definition_of(replace(i2p.get_protocol("dataset"), q16_rule=rule), judges)
    assert own.judges == asked
    assert (own.counts == NOBODY) == (not asked and bool(judges))
