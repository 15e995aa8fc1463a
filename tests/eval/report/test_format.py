"""How numbers stand in a cell."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import eval
from eval.measure.differences import Difference
from eval.report.figures import forest_figure
from eval.report.format import fixed, interval, p_value, percent, plus_minus, points
from eval.report.published import PublishedNumber
from eval.report.tables import published_table, results_json, tidy_csv

ROUNDED = [-0.0, -1e-17, -0.0002, -0.00049, 0.0, 0.0002]
SIGNED_ZERO = re.compile(r"[-−+]0(\.0+)?(?![.\d])")


@pytest.mark.parametrize("value", ROUNDED)
def test_what_rounds_to_zero_has_no_minus(value):
    assert percent(value) == "0.0"
    assert points(value) == "+0.0"
    assert interval(value, value) == "[0.0, 0.0]"
    assert points(value, value) == "[+0.0, +0.0]"
    assert plus_minus(value, 0.0) == "0.0 ± 0.0"
    assert fixed(value, 2) == "0.00"


def test_other_numbers_are_as_python_rounds_them_with_the_minus_sign_of_print():
    for value in (0.0345, -0.0345, 0.5, 1.0, -0.99949, 0.00050001, -0.00050001):
        assert percent(value) == f"{100 * value:.1f}".replace("-", "\u2212")
        assert points(value) == f"{100 * value:+.1f}".replace("-", "\u2212")
    assert (p_value(0.0123), p_value(1.0), p_value(0.0)) == ("0.012", "1.000", "< 0.001")


def test_no_module_formats_percent_by_itself():
    """Or a -0.0 would come back with the next table."""
    own = re.compile(r"\{[^{}]*:\+?\.\d+f\}")
    allowed = {"format.py", "words.py", "duration.py", "machine.py"}
    for path in Path(eval.__file__).parent.rglob("*.py"):
        found = own.findall(path.read_text(encoding="utf-8"))
        assert not found or path.name in allowed, (path, found)


def test_files_have_no_signed_zero_either():
    names = Difference.__dataclass_fields__
    numbers = {name: -0.0 for name, one in names.items() if "float" in str(one.type)}
    counts = {name: 1 for name, one in names.items() if one.type == "int"}
    texts = {name: "all" for name, one in names.items() if one.type == "str"}
    row = Difference(**numbers, **counts, **texts)
    assert "-0.0" not in tidy_csv([row])
    comparison = PublishedNumber(
        category="hate", method="a", metric="probability", ours=0.3398, published=0.34, published_spread=None,
        repetition_low=0.32, repetition_high=0.36, agrees=True, untested="",
        source="s", protocols=("dataset",), inferred=False,
    )  # fmt: skip
    same = replace(comparison, ours=0.34)
    text = results_json([], [row], [comparison, same], {})
    assert not re.search(r": -0(\.0)?,?$", text, re.MULTILINE)
    assert published_table([comparison]).rows[0][5] == "+0.0"
    figure = forest_figure([replace(row, method="b", against="a")], ["a", "b"]).svg
    assert "−0.0" not in figure.decode()
