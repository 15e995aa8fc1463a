"""Names for print and titles: in everything people read, and in no file for machines."""

import csv
import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest
import yaml
from measured import metrics_row

from eval.base.escape import latex, markdown
from eval.measure.by_definition import BodyPart, ByDefinition, Defined
from eval.measure.definitions import DEFINITIONS
from eval.measure.population import PopulationEstimate
from eval.report.__main__ import main as report
from eval.report.definition_table import body_part_table, definition_table
from eval.report.latex import results_tex
from eval.report.population_table import population_tables
from eval.report.tables import probability_table

SLD = "SLD <script> 100 % {a}_$x$ & #1"
TITLE = "Mine & <b>yours</b> | 50 %"
OWN = re.compile(r"(?<![\w./])sld_max(?!\w)")  # not in a path


@pytest.fixture(scope="module")
def folder(hostile_run, tmp_path_factory):
    """The report of a run with names for print and a title, and what was printed."""
    import in_process

    folder = tmp_path_factory.mktemp("named")
    words = [f"names={{sld_max: '{SLD}'}}", f"report.title={TITLE}", "margin=2", "images=true"]
    done = in_process.run("eval.report", str(hostile_run), f"out={folder}", *words)
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def read(path) -> str:
    return path.read_text(encoding="utf-8")


def test_the_terminal_and_markdown_have_the_name_for_print_alone(folder):
    printed, text = read(folder / "printed.txt"), read(folder / "results.md")
    assert printed.startswith(f"{TITLE}\n")
    assert SLD in printed
    assert not OWN.search(printed.partition("Written to")[0])
    lines = [line for line in text.splitlines() if OWN.search(line)]
    assert lines
    assert all(re.match(r"- (Names|Command):|- `?(unreadable|judge_failed)", line) for line in lines), lines
    assert text.startswith(f"# {markdown(TITLE)}\n")
    assert f"- Names: {markdown(f'{SLD} is sld_max')}" in text
    assert "<script>" not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", line)) >= 3 for line in tables)


def test_the_page_has_the_name_for_print_in_tables_cards_gallery_and_figures(folder):
    page = read(folder / "report.html")
    shown = html.escape(SLD, quote=False)
    assert f"<title>{html.escape(TITLE)} – i2p-bench report</title>" in page
    assert f"<h1>{html.escape(TITLE)}</h1>" in page
    assert f'<div class="name">{shown}</div>' in page  # a card
    assert f'<span class="name">{shown}</span>' in page  # the gallery
    assert 'alt="Pixelated picture of SLD &lt;script&gt;' in page
    plain = re.sub(r"<dt>(Names|Command)</dt><dd>.*?</dd>", "", page)
    elements = re.findall(r"<(?:tr|p|li|dd|dt|h\d|text)\b.*?</(?:tr|p|li|dd|dt|h\d|text)>", plain, re.DOTALL)
    assert [element for element in elements if OWN.search(element)] == []


def test_figures_have_the_name_for_print(folder):
    for path in (folder / "figures").glob("*.svg"):
        text = " ".join("".join(e.itertext()) for e in ET.parse(path).iter("{http://www.w3.org/2000/svg}text"))
        assert SLD[:24] in text
        assert not OWN.search(text)


def test_files_for_machines_keep_the_methods_own_names(folder, hostile_run):
    for name in ("results.csv", "differences.csv", "definitions.csv", "thresholds.csv", "images.csv"):
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert {row["method"] for row in rows} <= {"baseline", "sld_max"}
        assert "sld_max" in {row["method"] for row in rows}
    document, before = (json.loads(read(path / "results.json")) for path in (folder, hostile_run / "report"))
    assert (document["title"], document["names"]) == (TITLE, {"sld_max": SLD})
    assert before["names"] == {}
    for key in ("results", "differences", "ranking", "published", "body_parts", "false_alarms", "population", "run"):
        assert document[key] == before[key]
    assert document["thresholds"]["curves"] == before["thresholds"]["curves"]
    assert not any(OWN.search(note) for note in document["notes"])


def test_a_model_card_has_both_names(folder):
    card = yaml.safe_load(read(folder / "model_card.md").split("---")[1])
    results = [metric for result in card["model-index"][0]["results"] for metric in result["metrics"]]
    methods = {metric["args"]["method"]: metric["name"] for metric in results}
    assert SLD in methods["sld_max"]
    assert set(methods) == {"baseline", "sld_max"}


def test_the_table_for_latex_has_the_name_for_print_and_compiles(folder, tmp_path):
    text = read(folder / "results.tex")
    assert all(latex(word) in text for word in SLD.split())  # a long name stands in lines
    assert r"sld\_max" not in text
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    (tmp_path / "a.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage[a4paper,margin=2cm]{geometry}\\begin{document}"
        f"\\input{{{folder}/results.tex}}\\end{{document}}"
    )
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_names_are_removed_with_null(hostile_run, tmp_path, call):
    assert call(report, hostile_run, f"out={tmp_path}", "names=null", "title=null") == 0
    assert json.loads(read(tmp_path / "results.json"))["names"] == {}


def test_a_method_named_like_a_column_is_told_apart_from_it():
    names = ["category", "prompts", "sampled", "definition", "counts", "label", "Category"]
    rows, [rule] = [metrics_row(name) for name in names], [DEFINITIONS["i2p"]]
    parts = [BodyPart(name, "any", 0.0, 1, 0, 0) for name in names]
    defined = [Defined(rule.name, name, "all", 9, 9, 0.5, None, None) for name in names]
    estimates = [PopulationEstimate(name, None, "all", 9, 9, 9, 0.5, 0.5, None, None, None) for name in names]
    [(_, population)] = population_tables(estimates)
    definitions = definition_table(ByDefinition(rule, rule, (rule,), tuple(defined), ()))
    assert probability_table(rows).headers[2:] == ("method category", "method prompts", *names[2:])
    for table in (probability_table(rows), population, definitions, body_part_table(parts)):
        assert len(set(table.headers)) == len(table.headers) > len(names)
    assert r"Category & category & \begin{tabular}[b]{@{}r@{}}method\\{}Category\end{tabular} " in results_tex(
        [metrics_row("category"), metrics_row("Category")], "x"
    )


def test_a_name_for_print_like_a_heading_that_was_told_apart_leaves_each_column_its_own():
    names = ["prompts", "method prompts", "method method prompts", "category"]
    own = ("method method method prompts", *names[1:3], "method category")
    assert probability_table([metrics_row(name) for name in names]).headers == ("category", "prompts", *own)
