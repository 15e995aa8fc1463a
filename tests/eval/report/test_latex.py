"""`results.tex`: the numbers of the run in the paper's layout, and nothing that LaTeX would take for a command."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from measured import difference_row, metrics_row

import i2p
from eval.base.escape import latex
from eval.report.description.statistics import maxima_meaning
from eval.report.latex import results_tex


def row(method, category, probability=0.5, low=0.25, high=0.75, most=0.9, sd=0.1):
    maximum = {"expected_max": most, "expected_max_low": 0.8, "expected_max_high": 0.95, "expected_max_spread": sd}
    return metrics_row(method, category, probability, (low, high), **maximum)


NARROW = r"\usepackage[textwidth=17cm]{geometry}", r"\usepackage{booktabs}", r"\setlength{\hfuzz}{0pt}"
METHODS = ["baseline", "sld_max", "a.b+c=d-e"]
METRICS = [row(name, category, n / 10) for n, name in enumerate(METHODS) for category in ("self-harm", "hate", "all")]


def body(text: str) -> list[list[str]]:
    """Rows of the tabular as cells; rules and what stands outside are checked and left out."""
    lines = [line for line in text.splitlines() if not line.startswith(("%", r"\providecommand"))]
    text = "\n".join(lines)
    plain = re.sub(r"\\[{}]", "", text)
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    opened = re.findall(r"\\begin\{(.*?)\}", text)
    assert opened == ["table*", "tabular"] == re.findall(r"\\end\{(.*?)\}", text)[::-1]
    columns = len(re.search(r"\\begin\{tabular\}\{(l*r*)\}", text)[1])
    inside = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    inside = inside.replace(r"\midrule", "")
    rows = [re.split(r"(?<!\\)&", one) for one in inside.split(r"\\") if one.strip()]
    for cells in rows:
        widths = [int(found[1]) if (found := re.match(r"\s*\\multicolumn\{(\d+)\}", cell)) else 1 for cell in cells]
        assert sum(widths) == columns
    return [[cell.strip() for cell in cells] for cells in rows]


PROBABILITY = [r"\multicolumn{4}{l}{\emph{Inappropriate probability}}"]


def test_methods_are_columns_and_each_metric_is_a_panel_of_categories():
    rows = body(results_tex(METRICS, "x"))
    assert rows[0] == ["Category", "baseline", r"sld\_max", "a.b+c=d{-}e"]
    assert (rows[1], rows[5]) == (PROBABILITY, [r"\multicolumn{4}{l}{\emph{Expected maximum over 25 prompts}}"])
    assert [cells[0] for cells in (*rows[2:5], *rows[6:])] == ["self{-}harm", "hate", "all"] * 2
    interval, spread = r"\ipinterval{25.0}{75.0}", r"\ipinterval{80.0}{95.0}\ipspread{10.0}"
    assert rows[4][1:] == [f"{n}.0{interval}" for n in ("0", "10", "20")]
    assert rows[-1][1:] == [f"90.0{spread}"] * 3


def test_a_maximum_of_which_prompts_have_fewer_images_is_marked():
    short = replace(METRICS[0], prompts_short=1)
    cells = [cells[1] for cells in body(results_tex([short, *METRICS[1:]], "x"))[-3:]]
    assert [cell.endswith("*") for cell in cells] == [True, False, False]
    assert "* marks" in maxima_meaning([short])
    assert "*" not in maxima_meaning(METRICS)
    assert maxima_meaning([row("a", "all", most=None)]) == ""


def test_what_it_uses_is_from_booktabs_or_defined_in_it():
    text = results_tex(METRICS, "x")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    used = set(re.findall(r"\\([A-Za-z]+)", code))
    assert used == {
        *("providecommand", "ipinterval", "ipspread", "begin", "end", "centering", "caption", "label", "multicolumn"),
        *("small", "scriptsize", "emph", "setlength", "tabcolsep", "toprule", "midrule", "bottomrule"),
    }
    assert r"\providecommand{\ipspread}[1]{}" in text
    assert r"\usepackage{booktabs}" in text.splitlines()[0]


def test_a_panel_has_no_empty_half():
    few = [row("a", category, most=None, sd=None) for category in ("hate", "all")]
    text = results_tex(few, "x & y.")
    assert [cells[0] for cells in body(text)] == ["Category", *[PROBABILITY[0].replace("4", "2")], "hate", "all"]
    assert r"\caption{Inappropriate probability in percent. x \& y.}" in text
    assert "maximum" not in text.partition(r"\begin")[2]
    both = r"\caption{Inappropriate probability and expected maximum inappropriateness in percent. x.}"
    assert both in results_tex(METRICS, "x.")
    some = [row("a", "hate", most=None, sd=None), row("a", "sexual"), row("a", "all")]
    rows = body(results_tex(some, "x"))
    assert [cells[0] for cells in rows[2:5]] == ["hate", "sexual", "all"]
    assert "of the categories that have as many" in rows[5][0]
    assert [cells[0] for cells in rows[6:]] == ["sexual", "all"]


@pytest.mark.parametrize(
    ("name", "label"), [("sd14", "sd14"), ("my run, v2", "my-run-v2"), ("}\\input{x", "input-x"), ("猫", "results")]
)
def test_the_label_is_the_name_of_the_run(name, label):
    assert rf"\label{{tab:{label}}}" in results_tex(METRICS, "x", name)


def test_what_is_not_known_is_a_dash():
    metrics = [row("a", "hate", None, None, None, None, None), row("a", "all", 0.5, None, None)]
    rows = body(results_tex(metrics, "x"))
    assert rows[2] == ["hate", "--"]
    assert rows[3][1] == "50.0"


@pytest.mark.parametrize("text", [r"\input{/etc/passwd}", "100 % & a_b #1 {}", "$x^2$ ~ \\\\", "two\nlines", "]{["])
def test_a_caption_of_any_text_is_text(text):
    found = results_tex(METRICS, text)
    [caption] = re.findall(r"\\caption\{(.*)\}", found)
    assert len(body(found)) == 9
    assert not re.search(r"\\(input|write)", caption)
    assert not re.search(r"(?<!\\)[%&#$_]", caption)


NAMES = [
    *(
        "ąžuolas đồ",
        "þór",
        'the "best" ones',
        "ŋ ħ ŧ ĸ",
        "e\u0301 x\u0303",
        "Ω д 猫 🦊 한",
        "naïve café",
        "``a'' ?`",
        "ẩ ậ",
    )
]


def compile_article(folder, text: str, *preamble: str, options: str = "") -> str:
    """Compile an article that inputs the text; return its log."""
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    (folder / "results.tex").write_text(text, encoding="utf-8")
    lines = [
        rf"\documentclass[{options}]{{article}}",
        *preamble,
        r"\begin{document}",
        r"\input{results.tex}",
        r"\end{document}",
    ]
    (folder / "doc.tex").write_text("\n".join(lines))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "doc.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=100)
    log = (folder / "doc.log").read_text(encoding="latin-1")
    assert done.returncode == 0, [line for line in log.splitlines() if line.startswith("!")]
    assert "Missing character" not in log
    return log


def test_names_of_any_letters_compile_with_booktabs_alone(tmp_path):
    metrics = [row(name, category) for name in METHODS for category in (*NAMES, "all")]
    text = results_tex(metrics, f"Model: {' '.join(NAMES)}.")
    compile_article(tmp_path, text, r"\usepackage{booktabs}")
    for font in ("T1",):
        compile_article(tmp_path, text, rf"\usepackage[{font}]{{fontenc}}", r"\usepackage{booktabs}")


def test_the_default_methods_fit_seventeen_centimetres_with_their_intervals(tmp_path):
    """The widest numbers that there are, in two columns of an article."""
    widest = {"expected_max": 1.0, "expected_max_low": 1.0, "expected_max_high": 1.0, "expected_max_spread": 0.1}
    names = ["baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max"]
    metrics = [
        metrics_row(name, category, 1.0, (1.0, 1.0), **widest)
        for name in names
        for category in (*i2p.CATEGORIES, "all")
    ]
    page = r"\usepackage[textwidth=17cm]{geometry}", r"\usepackage{booktabs}", r"\setlength{\hfuzz}{0pt}"
    log = compile_article(tmp_path, results_tex(metrics, "Model: x."), *page, options="twocolumn")
    assert log.count("Overfull") == 0
    wide = r"\newcommand{\ipspread}[1]{ (#1) (#1)}"  # so wide that it has to be seen
    assert compile_article(tmp_path, results_tex(metrics, "x"), *page, wide, options="twocolumn").count("Overfull") > 0


def test_every_letter_that_is_let_through_is_one_of_the_standard_fonts(tmp_path):
    """All of Latin-1, Latin Extended A, B and Additional (Vietnamese), each by itself and with what is replaced."""
    signs = [chr(n) for n in (*range(0x21, 0x250), *range(0x1E00, 0x1F00), *range(0x2010, 0x2040))]
    through = [sign for sign in signs if latex(sign) != "?" and sign.isprintable()]
    assert {*"ÀÉîõüçßøłžșőėțạÅ"} < set(through)
    assert not {*"Ąđþŋħŧĸồ"} & set(through)
    compile_article(tmp_path, "\n\n".join(f"[{latex(sign)}]" for sign in through))


def test_letters_are_those_that_latex_documents():
    """By hand, from source2e's tables of OT1."""
    known = {
        "é": r"\'{e}", "à": r"\`{a}", "ñ": r"\~{n}", "ü": r'\"{u}', "å": r"\r{a}", "í": r"\'{\i}", "č": r"\v{c}",
        "ő": r"\H{o}", "ç": r"\c{c}", "ș": r"\textcommabelow{s}", "ạ": r"\d{a}", "ß": r"{\ss}", "ǽ": r"\'{\ae}",
        "ậ": r"\d{\^{a}}", "ė": r"\.{e}", "e\u0301": r"\'{e}", '"': "{''}",
    }  # fmt: skip
    assert {sign: latex(sign) for sign in known} == known


def test_words_with_replaced_letters_are_named_in_the_file():
    metrics = [row("a", category) for category in ("đồ", "hate", "all")]
    text = results_tex(metrics, "Prompts: 猫.txt and café. Really?")
    [line] = [line for line in text.splitlines() if line.startswith("% ?")]
    assert line.endswith(": đồ 猫.txt")
    assert "% ?" not in results_tex(METRICS, "café?")


def test_methods_that_fit_no_table_stand_in_further_ones_of_the_same_rows(tmp_path):
    names = [f"method_{number}" for number in range(12)]
    metrics = [row(name, category) for name in names for category in ("hate", "all")]
    text = results_tex(metrics, "x.", "run")
    parts = [part + r"\end{table*}" for part in text.split(r"\end{table*}")[:-1]]
    assert [len(body(part)[0]) - 1 for part in parts] == [5, 5, 2]
    assert [cell for part in parts for cell in body(part)[0][1:]] == [latex(name) for name in names]
    assert re.findall(r"\\label\{tab:(.*?)\}", text) == ["run", "run-2", "run-3"]
    assert compile_article(tmp_path, text, *NARROW, options="twocolumn").count("Overfull") == 0


def test_long_names_and_categories_stand_in_lines_and_runs_head_their_methods(tmp_path):
    heads = {
        "a": ("SD 1.4 with *every* safety [measure] of a long title", "baseline"),
        "b": ("SD 1.4 with *every* safety [measure] of a long title", "sld_max_of_a_long_name_without_a_blank"),
        "c": ("[ESD] *u* and more of it", ""),
        "d": ("Mine", "*best* [of] all methods"),
    }
    category = "* a category [of prompts] whose name is longer than most"
    metrics = [row(name, of, 1.0, 1.0, 1.0) for name in heads for of in (category, "all")]
    differences = [difference_row("c", "a", -1.0, (-1.0, -1.0), of) for of in (category, "all")]
    text = results_tex(metrics, "x.", heads=heads, differences=differences)
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4} \cmidrule(lr){5-5}" in text
    assert "$-$100.0" in text
    assert compile_article(tmp_path, text, *NARROW, options="twocolumn").count("Overfull") == 0
