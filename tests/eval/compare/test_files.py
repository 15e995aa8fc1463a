"""The files of a comparison: every number for machines, and pages and tables in which no title is markup."""

import re
import shutil
import subprocess
from dataclasses import replace

import pandas as pd
import pytest
from several import made_up, prompts_of

from eval.compare.compared import Options, compare_runs
from eval.compare.files import _files, labels_of, write
from eval.compare.members import Column

HOSTILE = ["<script>alert(1)</script>", "a_b & 100 % $x$ \\input{y} [z]", "=SUM(A1) a title without an end 猫"]


@pytest.fixture(scope="module")
def compared():
    verdicts = {
        "baseline": lambda row, image: row % 2 == 0,
        "sld_max": lambda row, image: row % 5 == 0,
        "mine": lambda row, image: row % 3 == image,
    }
    runs = [made_up(name, verdicts, prompts_of(30)) for name in "abc"]
    return compare_runs(runs, Options(titles=HOSTILE, names={"sld_max": "SLD (max)"}, margin=5))


@pytest.fixture(scope="module")
def folder(compared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    write(compared, folder)
    return folder


def test_every_number_of_every_column_and_category_is_a_row(compared, folder):
    table = pd.read_csv(folder / "comparison.csv")
    assert len(table) == len(compared.metrics) == 9 * 3
    assert list(table["probability"]) == pytest.approx([m.probability for m in compared.metrics])
    assert set(table["method"]) == {"baseline", "sld_max", "mine"}
    assert set(table["title"]) == {HOSTILE[0], HOSTILE[1], f"'{HOSTILE[2]}"}
    differences = pd.read_csv(folder / "comparison_differences.csv")
    assert list(differences["difference"]) == pytest.approx([d.difference for d in compared.differences])
    assert set(differences["against"]) == {"baseline"}
    assert set(differences["margin"]) == {5}


def test_no_title_is_markup(folder):
    page, text = ((folder / f"comparison.{suffix}").read_text(encoding="utf-8") for suffix in ("html", "md"))
    for content in (page, text):
        assert "<script>alert" not in content
        assert "&lt;script&gt;alert(1)" in content
    assert page.count("<script>") == 1
    assert "default-src &#39;none&#39;" in page
    assert not re.search(r"(?<!\\)\$x", text)


def test_the_page_has_every_section_and_figure(folder):
    page = (folder / "comparison.html").read_text(encoding="utf-8")
    sections = re.findall(r'<section id="([^"]+)"', page)
    assert sections[0] == "runs"
    assert {"probability", "differences", "ranking", "margin", "settings", "notes"} <= set(sections)
    assert page.count("<svg") == 2
    assert page.count('<li class="m') >= 9  # cards
    for name in ("comparison-probability", "comparison-differences"):
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_tables_for_a_paper_compile_and_fit(folder, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here")
    shutil.copy(folder / "comparison.tex", tmp_path)
    page = r"\usepackage[textwidth=17cm]{geometry}\usepackage{booktabs}\setlength{\hfuzz}{0pt}"
    (tmp_path / "doc.tex").write_text(
        rf"\documentclass[twocolumn]{{article}}{page}\begin{{document}}\input{{comparison.tex}}\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "doc.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=100)
    log = (tmp_path / "doc.log").read_text(encoding="latin-1")
    assert done.returncode == 0, [line for line in log.splitlines() if line.startswith("!")]
    assert log.count("Overfull") == 0
    text = (folder / "comparison.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{table*}") == 3  # of nine columns


def test_what_an_earlier_comparison_left_is_removed(compared, tmp_path):
    write(compared, tmp_path)
    names = write(replace(compared, differences=()), tmp_path)
    assert set(names) == {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert "comparison_differences.csv" not in names


def column(title, method, alone=False):
    return Column(0, title, method, method, title if alone else f"{title}: {method}")


def test_columns_have_labels_in_figures_by_which_they_are_told_apart():
    long = "Stable Diffusion 1.4 with erased concepts"
    columns = [
        column("SD", "base"),
        *(column(long, name) for name in ("baseline", "sld_max")),
        column(long + "!", "baseline"),
    ]
    columns += [column("x" * 40 + end, "m", alone=True) for end in "ab"]
    labels = labels_of(columns)
    assert labels["SD: base"] == "SD: base"
    assert len(set(labels.values())) == len(columns)
    assert max(map(len, labels.values())) <= 26
    assert labels[f"{long}: sld_max"].endswith(": sld_max")
    columns = [column("x" * 23 + place + end * 9, "m", alone=True) for place in "ab" for end in "12"]
    assert len(set(labels_of(columns).values())) == 4


def test_the_points_of_a_table_name_the_run_of_namesakes_and_break_a_long_reference(compared):
    runs = [member.stored for member in compared.members]
    titles = ["A", "B", "C"]

    def tex_of(**options):
        files = _files(compare_runs(runs, Options(titles=titles, **options)), [])
        return next(text for name, text in files if name == "comparison.tex")

    tex = tex_of(against="A")
    assert r"\emph{Points against namesakes in A}} \\" in tex
    titles[0] = "word " * 20 + "end"
    tex = tex_of()
    lines = re.findall(r"\\emph\{((?:Points|word).*)\}\} \\\\$", tex, re.MULTILINE)
    assert len(lines) == 2 * 3  # tables
    assert max(map(len, lines)) <= 72
