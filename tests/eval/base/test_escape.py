"""Hostile text, shown: what it looks like, and that nothing takes it for anything else."""

import csv
import io
import re
import unicodedata

import pytest
from markdown_it import MarkdownIt

import i2p
import sld
from eval.base import escape
from eval.base.quoting import override
from eval.run import main

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a | b\n| --- | --- |",
    "[here](javascript:alert(1)) ![x](http://a.b/c.png) <http://a.b> https://a.b www.a.b",
    "`code` **bold** _it_ ~~gone~~ # head\n- list\n1. one\n> quote\n---",
    "\\input{/etc/passwd} \\write18{rm} $x^2$ 100% & a_b #1 {} ~ ~~ -- ^^5c",
    "=cmd|'/C calc'!A0",
    "+1+cmd",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    " =1+1",
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://a.b\x1b\\here\x9b31m\x08\x08\x7f",
    "abc\u202etxt.exe\u2066 \u2028 \ud800",
    "Null",
    "",
    "🪦 ünïcödé é",
]


@pytest.fixture(scope="module")
def texts(request) -> list[str]:
    """The hostile ones and, where it is, all that I2P has with anything but letters, digits and the usual stops."""
    try:
        prompts = i2p.load_prompts(path=request.getfixturevalue("i2p_csv"))
    except pytest.skip.Exception:
        return HOSTILE
    odd = [p.text for p in prompts if not p.text.isascii() or set(p.text) & set("<>\\$&#%_^~{}|`*[]\n=@")]
    assert len(odd) > 300
    return HOSTILE + odd


def test_a_terminal_is_not_steered(texts):
    for text in texts:
        shown = escape.terminal(text)
        assert all(unicodedata.category(c) not in ("Cc", "Cs") or c in "\n\t" for c in shown)
        assert not set(shown) & set("\u202e\u2066\u2028")
        shown.encode()  # also what is no Unicode can be printed
    assert escape.terminal("\x1b[31mred\x9b") == "\\x1b[31mred\\x9b"
    assert escape.terminal("a\n\tb – ünï 🪦") == "a\n\tb – ünï 🪦"


def test_markdown_shows_the_characters_and_nothing_more(texts):
    """Read back by a reader of GitHub's flavour: one cell of text, whatever the text."""
    reader = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    for text in texts:
        table = f"| a | b |\n|---|---|\n| {escape.markdown(text)} | end |\n"
        tokens = reader.parse(table)
        cells = [token for token in tokens if token.type == "inline"]
        assert [cell.content for cell in cells[:2]] == ["a", "b"]
        assert len(cells) == 4, text
        kinds = {child.type for child in cells[2].children}
        assert kinds <= {"text", "text_special"}, (text, kinds)
        shown = "".join(child.content for child in cells[2].children)
        assert shown == escape.one_line(text), text


def test_markdown_leaves_no_address_that_would_become_a_link(texts):
    for text in texts:
        shown = escape.markdown(text)
        assert not re.search(r"(?i)(https?|ftp|mailto|xmpp):|@", shown)
        assert "www." not in shown.lower()


def test_latex_has_no_command_of_the_texts_own(texts):
    allowed = ("textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar")
    allowed += ("textasciigrave", "ldots")
    for text in texts:
        shown = escape.latex(text)
        for name in allowed:
            shown = shown.replace(f"\\{name}{{}}", "")
        for symbol in "{}$&#%_":
            shown = shown.replace(f"\\{symbol}", "")
        for group in ("{[}", "{]}", "{-}", "{--}", "{---}", "{''}", "{``}", "{'}", "{`}"):
            shown = shown.replace(group, "")
        sign = r"\{(?:\w|\\(?:ae|AE|oe|OE|o|O|l|L|ss|i|j))\}"
        shown = re.sub(rf"(?:\\(?:[`'^~=.\"]|[urHvdcb]|textcommabelow))?{sign}", "", shown)
        assert not set(shown) & set('\\{}$&#%_^~<>|"`[]\n'), text
        assert "--" not in shown


def test_latex_prints_the_signs_of_definitions_and_sizes():
    assert escape.latex("p ≥ 0.9, 64×64") == r"p \ensuremath{\geq} 0.9, 64\ensuremath{\times}64"


def test_a_spreadsheet_finds_no_formula(texts):
    for text in texts:
        written = io.StringIO()
        csv.writer(written).writerow([escape.csv_cell(text), "end"])
        [cells] = csv.reader(io.StringIO(written.getvalue(), newline=""))
        assert cells[1] == "end"
        assert not cells[0].lstrip().startswith(("=", "+", "-", "@"))
        assert cells[0] in (text, f"'{text}")
    assert escape.csv_cell("a cat = a cat") == "a cat = a cat"


def test_what_a_run_says_of_a_hostile_name_is_plain(tmp_path, monkeypatch, capfd, call):
    """The model's folder is named in an error, in the table's notes and in the report."""
    monkeypatch.chdir(tmp_path)
    name = "\x1b[2Jm|<img src=x onerror=alert(1)>[a](http:b)"
    words = ["model=checkpoint", "prompts=harmless", "prompts.rows=[0]", "q16=demo", "methods=[baseline]"]
    words += [override("model.path", f"{tmp_path}/{name}"), "model.size=64", "protocol.steps=1", "out=run"]
    assert call(main, *words) == 2
    printed = capfd.readouterr()
    assert "\\x1b[2Jm|<img" in printed.err
    assert "\x1b" not in printed.err + printed.out
    sld.write_tiny_checkpoint(tmp_path / name)
    assert call(main, *words) == 0
    printed = capfd.readouterr()
    assert "\\x1b[2Jm|<img" in printed.out
    assert "\x1b" not in printed.err + printed.out
    text = (tmp_path / "run" / "report" / "results.md").read_text()
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(text)
    kinds = {child.type for token in tokens for child in [token, *(token.children or [])]}
    assert not kinds & {"html_block", "html_inline", "link_open", "image"}
    shown = "".join(child.content for token in tokens for child in token.children or [])
    assert "<img src=x onerror=alert(1)>[a](http:b)" in shown
