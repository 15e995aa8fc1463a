"""What every table and figure of a report does in one way: `all` comes last, and a minus is the minus sign of print."""

import csv
import html
import json
import re
import xml.etree.ElementTree as ET

import pytest

HYPHEN = re.compile(r"(?<![\w.\-/=:])-\.?\d")  # before a number, and not in a word, a path or a range
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(scope="module")
def folder(hostile_run, tmp_path_factory):
    """A report with differences below 0, and what was printed."""
    import in_process

    folder = tmp_path_factory.mktemp("one_way")
    done = in_process.run("eval.report", str(hostile_run), f"out={folder}", "margin=2", "wide=true", "gallery=off")
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def read(path) -> str:
    return path.read_text(encoding="utf-8")


def first_columns(rows: list[list[str]]) -> list[str]:
    """The column `category` of a table; empty where it has none."""
    at = [n for n, name in enumerate(rows[0]) if name == "category"]
    return [row[at[0]] for row in rows[1:]] if at else []


def of_markdown(text: str) -> list[list[list[str]]]:
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [[[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in t.splitlines()] for t in tables]


def of_page(text: str) -> list[list[list[str]]]:
    tables = re.findall(r"<table.*?</table>", text, re.DOTALL)
    return [
        [
            [html.unescape(re.sub("<[^>]*>", "", c)) for c in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
            for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)
        ]
        for table in tables
    ]


def of_terminal(text: str) -> list[list[list[str]]]:
    tables = re.findall(r"^.*\n-[- ]+\n(?:.+\n)+", text, re.MULTILINE)
    return [[re.split(r"  +", line.strip()) for line in table.splitlines()] for table in tables]


def is_last(names: list[str]) -> bool:
    """Whether `all` comes after every category, but for the cost of all prompts."""
    names = [name for name in names if name != "cost" and set(name) - set("-:")]
    return "all" not in names[: len(names) - names.count("all")]


def test_all_prompts_come_last_in_every_table_that_people_read(folder):
    for name, of in (("results.md", of_markdown), ("report.html", of_page), ("printed.txt", of_terminal)):
        columns = [first_columns(table) for table in of(read(folder / name))]
        assert sum("all" in column for column in columns) >= (1 if name == "printed.txt" else 5), name
        assert all(is_last(column) for column in columns), name


def test_all_prompts_come_last_in_latex_and_figures(folder):
    categories = re.findall(r"^    (\w[\w {}-]*) &", read(folder / "results.tex"), re.MULTILINE)
    categories = [name for name in categories if name not in ("Category", "cost")]
    assert len(categories) > 3
    assert is_last(categories)
    assert categories[-1] == "all"
    for name in ("probability", "differences"):
        texts = [
            "".join(e.itertext())
            for e in ET.parse(folder / "figures" / f"{name}.svg").iter("{http://www.w3.org/2000/svg}text")
        ]
        places = [n for n, text in enumerate(texts) if text in ("hate", "violence", "sexual")]
        assert texts.index("all") > max(places)


def test_all_prompts_come_last_of_each_method_in_files_for_machines(folder):
    for name in ("results.csv", "differences.csv", "definitions.csv", "thresholds.csv"):
        with (folder / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        groups = {}
        for row in rows:
            key = tuple(row.get(k) for k in ("method", "definition", "judge", "threshold"))
            groups.setdefault(key, []).append(row["category"])
        assert all(group[-1] == "all" and len(group) > 3 for group in groups.values()), name
    document = json.loads(read(folder / "results.json"))
    assert document["results"][-1]["category"] == document["differences"][-1]["category"] == "all"


def test_nothing_that_people_read_has_a_hyphen_for_a_minus(folder):
    texts = {name: read(folder / name) for name in ("printed.txt", "results.md", "report.html", "results.tex")}
    texts["results.md"] = re.sub(r"^- Command:.*$", "", texts["results.md"], flags=re.MULTILINE)
    page = re.sub(r"<(style|script)>.*?</\1>|<dt>Command</dt>.*?</dd>", "", texts["report.html"], flags=re.DOTALL)
    texts["report.html"] = html.unescape(re.sub(r"<[^>]*>", " ", page))
    for path in (folder / "figures").glob("*.svg"):
        texts[path.name] = " ".join(
            "".join(e.itertext()) for e in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")
        )
    for name, text in texts.items():
        assert [text[m.start() - 20 : m.end() + 5] for m in HYPHEN.finditer(text)] == [], name
    for name in ("printed.txt", "results.md", "report.html", "differences.svg"):
        assert re.search(rf"{MINUS}\d", texts[name]), name


def test_files_for_machines_have_the_hyphen_that_programs_read(folder):
    for name in ("differences.csv", "results.json", "thresholds.csv"):
        text = read(folder / name)
        numbers = text if name.endswith(".csv") else json.dumps(json.loads(text)["differences"], ensure_ascii=False)
        assert re.search(r"[,\s]-0\.\d", numbers)
        assert MINUS not in numbers
