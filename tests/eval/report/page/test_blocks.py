"""Tables of a page: which columns name a row, which tables are folded, and what a sheet of paper has room for."""

import pytest

from eval.base.table import make_table
from eval.report.page.blocks import FOLDED, PageTable
from eval.report.page.document import unbroken
from eval.report.page.paper import LETTER, PADDING, SHEET, parts_on_paper


def table(headers, rows=1, words=("category", "method", "metric"), cell="50.0 [40.0, 60.0]"):
    return make_table(headers, [[cell] * len(headers)] * rows, words)


@pytest.mark.parametrize(
    ("headers", "number"),
    [
        (["category", "method", "against", "points"], 2),
        (["category", "method", "metric", "ours %"], 3),
        (["category", "prompts", "baseline"], 1),
        (["place", "method"], 1),
        (["what", "is"], 1),
        (["points"], 1),
    ],
)
def test_columns_that_name_a_row_are_its_headers(headers, number):
    assert PageTable("", table(headers), "").row_headers == number


def test_a_method_that_is_called_category_names_no_row():
    assert PageTable("", table(["label", "category"], words=("label",)), "").row_headers == 1


def test_long_tables_are_folded_and_others_are_not():
    assert not PageTable("", table(["a"], rows=FOLDED), "").is_folded
    assert PageTable("", table(["a"], rows=FOLDED + 1), "").is_folded


def test_a_table_that_fits_is_printed_whole():
    one = table(["category", "prompts", *"abcde"])
    assert parts_on_paper(one, 1) == [one]


@pytest.mark.parametrize("number", [30, 200])
def test_of_a_wide_table_every_column_is_on_one_sheet_and_all_have_the_row_names(number):
    names = [f"method {n}" for n in range(number)]
    one = make_table(["category", *names], [[f"row {n}", *map(str, range(number))] for n in range(3)], {"category"})
    parts = parts_on_paper(one, 1)
    assert [name for part in parts for name in part.headers[1:]] == names
    assert all(part.headers[0] == "category" and part.words == {"category"} for part in parts)
    for n in range(3):
        assert [cell for part in parts for cell in part.rows[n][1:]] == list(map(str, range(number)))
        assert {part.rows[n][0] for part in parts} == {f"row {n}"}
    for part in parts:
        widths = [max(len(word) for word in name.split()) * LETTER + PADDING for name in part.headers]
        assert sum(widths) <= SHEET
    assert len(parts) == -(-number // len(parts[0].headers[1:]))


def test_a_column_that_is_wider_than_the_sheet_is_a_part_of_its_own():
    one = make_table(["category", "a", "b"], [["x", "y" * 300, "z"]], {"category"})
    assert [part.headers for part in parts_on_paper(one, 1)] == [("category", "a"), ("category", "b")]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("50.0 [40.0, 60.5]*", "50.0 [40.0,~60.5]*"),
        ("-3.1 [-4.0, +1.5]", "-3.1 [-4.0,~+1.5]"),
        ("−3.1 [−4.0, +1.5]", "−3.1 [−4.0,~+1.5]"),
        ("1,234.5 [1,000.0, 2,000.0]", "1,234.5 [1,000.0,~2,000.0]"),
        ("40.0 to 60.5", "40.0~to~60.5"),
        ("a 95 % interval, p < 0.001", "a 95~% interval, p <~0.001"),
        ("score ≥ 0.6", "score ≥~0.6"),
        ("12.0 ± 3.4", "12.0 ±~3.4"),
        ("places 2–4", "places 2–|4"),
        ("methods [a, b] from 1 to many", "methods [a, b] from 1 to many"),
    ],
)
def test_what_is_one_number_stays_on_one_line(text, whole):
    assert unbroken(text) == whole.replace("~", "\u00a0").replace("|", "\u2060")
