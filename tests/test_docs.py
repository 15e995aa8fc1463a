"""What docs/architecture.md and CONTRIBUTING.md claim of the code, as far as it can be held."""

import ast
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from eval.measure.metrics import Metrics
from eval.report.tables import tidy_csv

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def links(text: str) -> list[str]:
    """The targets of links within the repository."""
    targets = (target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text))
    return [target for target in targets if target and "://" not in target]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_exists(page):
    path = ROOT / page
    missing = [target for target in links(path.read_text(encoding="utf-8")) if not (path.parent / target).exists()]
    assert missing == []


def test_a_prompt_is_followed_through_at_most_six_files():
    walk = ARCHITECTURE.partition("## One prompt")[2].partition("\n## ")[0]
    files = links(walk)
    assert 0 < len(files) <= 6
    assert files[0] == "../eval/run.py"
    assert all(file.startswith("../eval/") for file in files)


def test_a_change_of_each_kind_touches_at_most_three_files():
    rows = [line.split("|")[1:3] for line in ARCHITECTURE.splitlines() if line.startswith("| a ")]
    assert {name.strip() for name, _ in rows} == {
        "a judge",
        "a model family",
        "a column of results.csv",
        "a protocol",
        "a folder layout",
        "a source of pictures (`model.kind`)",
        "a configuration key",
        "a sentence about a run",
        "a section of the page",
        "a number of a comparison of runs",
    }
    for name, files in rows:
        assert 0 < len(links(files.partition("; or ")[0])) <= 3, name


def test_the_drawing_has_the_packages_in_their_order():
    drawing = ARCHITECTURE.partition("```\n")[2].partition("```")[0]
    drawn = [line[:46].split() for line in drawing.splitlines() if line[0].isalpha() and not line.startswith("sld")]
    tree = ast.parse((ROOT / "tests" / "test_house.py").read_text(encoding="utf-8"))
    (order,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "LINES")
    assert [sorted(line) for line in drawn] == [sorted(line.split()) for line in reversed(ast.literal_eval(order))]


@dataclass(frozen=True)
class More(Metrics):
    """A row of results.csv with a column that nothing else knows of."""

    median: float = 0.25


def test_a_column_of_results_csv_is_a_field_of_metrics_and_nothing_else():
    known = dict.fromkeys(Metrics.__dataclass_fields__, 0) | {"method": "baseline", "category": "all"}
    plain, more = (tidy_csv([row]).splitlines() for row in (Metrics(**known), replace(More(**known), median=0.5)))
    assert more[0] == plain[0] + ",median"
    assert more[1] == plain[1] + ",0.5"
