"""Tables and texts fit the terminal, and nothing is cut: every letter of every cell is there."""

import re
import unicodedata

import in_process
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.base.layout import page, table_text
from eval.base.table import make_table

I2P = ["hate", "harassment", "violence", "self-harm", "sexual", "shocking", "illegal activity", "all"]
FIVE = ["baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max"]
SIXTY = "a_method_of_sixty_letters_that_says_everything_about_itself_"
JAPANESE = "とても長い名前のついた安全な画像生成の方法その一"


def shares(methods, categories=I2P):
    """The table of probabilities of a report."""
    rows = [[category, "4,703", *["12.3 [10.0, 14.5]" for _ in methods]] for category in categories]
    return make_table(["category", "prompts", *methods], rows, {"category"})


def display(line):
    """The columns that a line takes on a terminal, by Unicode's own table."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def read_back(text):
    """The tables in a text as lists of columns, each with its header and its cells, with the spaces taken out.

    A row is told by the number in its last column, since a wrapped name goes on below its row.
    """
    tables = []
    for part in text.split("\n\n"):
        lines = ["".join(c + "\0" * (display(c) - 1) for c in line) for line in part.split("\n")]
        dashes = next(n for n, line in enumerate(lines) if line and set(line) == {"-", " "})
        spans = [match.span() for match in re.finditer("-+", lines[dashes])]
        cut = [[re.sub(r"[\s\0]", "", line[a:b]) for a, b in spans] for line in lines]
        rows = [list(map("".join, zip(*cut[:dashes], strict=True)))]
        for line in cut[dashes + 1 :]:
            if line[-1]:
                rows.append(line)
            else:
                rows[-1] = [a + b for a, b in zip(rows[-1], line, strict=True)]
        tables.append(list(zip(*rows, strict=True)))
    return tables


def bare(text):
    return re.sub(r"\s", "", text)


def numbers(text):
    """Number by (category, method), whichever of the two is on top."""
    at = {}
    for names, *columns in read_back(text):
        for header, *cells in columns:
            at |= {frozenset((header, name)): cell for name, cell in zip(names[1:], cells, strict=True)}
    return at


NAMES = {
    "two": FIVE[:2],
    "three": FIVE[:3],
    "five": FIVE,
    "a long one": [*FIVE[:4], SIXTY],
    "only long ones": [f"{n}_{SIXTY}" for n in range(5)],
    "thirty": [f"method_{n}" for n in range(30)],
    "East Asian": [f"{JAPANESE}{n}" for n in range(4)],
}
LONG = [SIXTY.replace("_", " "), JAPANESE, "x" * 90, "all"]
CATEGORIES = {"I2P": I2P, "long": LONG, "forty": [f"c{n}" for n in range(40)]}


@pytest.mark.parametrize("width", [40, 60, 80, 132])
@pytest.mark.parametrize("categories", CATEGORIES)
@pytest.mark.parametrize("methods", NAMES)
def test_every_number_is_there_under_its_names_and_no_line_is_too_wide(methods, categories, width):
    methods, categories = NAMES[methods], CATEGORIES[categories]
    table = shares(methods, categories)
    rows = tuple((row[0], row[1], *(f"{n}.{m}" for m in range(len(methods)))) for n, row in enumerate(table.rows))
    text, has_all = table_text(make_table(table.headers, rows, {"category"}), width)
    assert has_all  # there are no intervals
    assert max(map(display, text.split("\n"))) <= width
    at = numbers(text)
    for n, category in enumerate(categories):
        for m, method in enumerate(methods):
            assert at[frozenset((bare(category), bare(method)))] == f"{n}.{m}"
        assert at[frozenset((bare(category), "prompts"))] == "4,703"


@pytest.mark.parametrize(("methods", "has_all"), [(2, True), (3, True), (4, False), (5, False)])
def test_intervals_are_left_out_where_wrapping_names_is_not_enough(methods, has_all):
    text, told = table_text(shares(FIVE[:methods]), 80)
    assert told == has_all == ("[10.0, 14.5]" in text)
    assert len(text.split("\n")) == 2 + len(I2P) + (methods == 3)  # one name is wrapped with three methods


def test_a_table_that_fits_is_as_it_is():
    table = make_table(["method", "pairs", "points"], [["sld_max", "9", "-12.3"], ["安全", "10", "+1.0"]], {"method"})
    assert table_text(table, 80)[0] == (
        "method   pairs  points\n-------  -----  ------\nsld_max      9   -12.3\n安全        10    +1.0"
    )


def test_a_column_that_holds_intervals_only_goes_with_them():
    headers = ["category", "method", "points", "95 % interval", "no worse"]
    rows = [["illegal activity", SIXTY[:24], "+1.0", "[-1.2, +3.4]", "not shown"]]
    text, has_all = table_text(make_table(headers, rows, {"category", "method"}), 52)
    assert not has_all
    assert "interval" not in text
    assert "[" not in text
    assert "+1.0" in text
    assert "not shown" in text


def test_an_interval_is_not_broken_and_names_in_brackets_are_no_intervals():
    rows = [["set [1, 2]", "yes [37.6, 40.4]", "1.0"]]
    text, _ = table_text(make_table(["category", "agrees", "n"], rows, {"category", "agrees"}), 80)
    assert "set [1, 2]" in text
    assert "yes [37.6, 40.4]" in text
    rows = [["set [1, 2]", "yes [37.6, 40.4]", *["1.0"] * 9]]
    headers = ["category", "agrees", *[f"column {n}" for n in range(9)]]
    for width in range(40, 100):
        text, _ = table_text(make_table(headers, rows, {"category", "agrees"}), width)
        assert "set" in text
        assert "[1, 2]" in text


CELL = st.text(st.sampled_from("abcXYZ0123456789_-/.,=[]()%é ñß安全とても，　"), max_size=40)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), width=st.integers(40, 120))
def test_any_table_fits_with_every_letter(data, width):
    count = data.draw(st.integers(1, 8))
    headers = data.draw(st.lists(CELL, min_size=count, max_size=count))
    rows = data.draw(st.lists(st.lists(CELL, min_size=count, max_size=count), max_size=4))
    text, _ = table_text(make_table(headers, rows, set(headers)), width)
    assert max(map(display, text.split("\n"))) <= width
    letters = sorted(c for cell in (*headers, *(cell for row in rows for cell in row)) for c in cell if not c.isspace())
    shown = sorted(c for line in text.split("\n") if not set(line) <= {"-", " "} for c in line if not c.isspace())
    for letter in set(letters):  # the first columns are repeated where there are several parts
        assert shown.count(letter) >= letters.count(letter) or letter == "-"


def test_control_characters_of_a_name_are_counted_as_they_are_printed():
    text, _ = table_text(make_table(["category", "n"], [["\x1b[31mred\n" * 9, "1"]], {"category"}), 40)
    assert "\x1b" not in text
    assert max(map(len, text.split("\n"))) <= 40


SENTENCE = "Intervals of 95 % for new prompts like these count the groups of near-duplicates, of which there are a few."


def test_a_sentence_is_wrapped_on_a_terminal_and_one_line_in_a_pipe(monkeypatch):
    assert page([SENTENCE]) == SENTENCE
    monkeypatch.setattr("sys.stdout", in_process.Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    lines = page([f"{SENTENCE}\n{JAPANESE} {JAPANESE} {JAPANESE}"]).split("\n")
    assert max(map(display, lines)) <= 60
    assert [line.startswith("  ") for line in lines] == [False, True, False, True, True]
    assert " ".join(line.strip() for line in lines) == f"{SENTENCE} {JAPANESE} {JAPANESE} {JAPANESE}"


def test_a_path_and_a_command_stay_in_one_line(monkeypatch):
    monkeypatch.setattr("sys.stdout", in_process.Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    command, path = "`i2p-bench report runs/demo wide=true gallery=off`", "/".join(["folder"] * 12)
    lines = page([f"To see all of it {command} is typed, and the page is in {path} then."]).split("\n")
    assert command in lines
    assert path in lines


def test_the_width_is_that_of_the_terminal_80_without_one_or_as_columns_says(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    table = shares(FIVE)

    def widest():
        return max(map(display, page([table], elsewhere="somewhere").split("\n")))

    assert 70 < widest() <= 80
    monkeypatch.setenv("COLUMNS", "100")
    assert widest() <= 100
    assert "[10.0" not in page([table], elsewhere="there")
    monkeypatch.setenv("COLUMNS", "160")
    assert "[10.0" in page([table])
    for odd in ("0", "-5", "many", ""):
        monkeypatch.setenv("COLUMNS", odd)
        assert widest() <= 80
    with monkeypatch.context() as patch:  # pytest would fill so wide a line itself
        patch.setenv("COLUMNS", "9" * 18)  # at once
        assert page([table]) == page([table], wide=True)


def test_what_is_left_out_is_said_once_below_the_last_such_table_with_where_it_is():
    parts = ["Shares", shares(FIVE), "Maxima", shares(FIVE), "Few", shares(FIVE[:1]), "Notes."]
    blocks = page(parts, elsewhere="results.md has them").split("\n\n")
    said = "Without intervals, to fit 80 columns: results.md has them."
    assert blocks.count(said) == 1
    assert blocks.index(said) == 4
    assert blocks[-1] == "Notes."
    assert said not in page(parts, wide=True)
    assert page(parts, wide=True).count("[10.0, 14.5]") == 8 * 11
