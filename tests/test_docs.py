"""What docs/architecture.md and CONTRIBUTING.md claim of the code, as far as it can be held."""

import ast
import re
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import get_type_hints

import pytest

from eval.config.settings import Settings
from eval.measure.metrics import Metrics
from eval.report.tables import tidy_csv

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "CONTRIBUTING.md"]
PAGES += [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
# Keys that pages write in another way: in a list of parts, by the name of a choice, and as quality=.
OTHERWISE = {"model.text_encoder_3", "protocol.name", "quality.metrics"}


def links(text: str) -> list[str]:
    """The files that are the targets of links within the repository."""
    return [file for file, _ in targets(text) if file]


def targets(text: str) -> list[tuple[str, str]]:
    """The targets of links within the repository: file, empty for the page itself, and heading, empty for its top."""
    found = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    return [(file, heading) for file, _, heading in (target.partition("#") for target in found)]


def headings(path: Path) -> set[str]:
    """The headings of a page as GitHub names them in links."""
    lines = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_exists(page):
    path = ROOT / page
    text = path.read_text(encoding="utf-8")
    found = [(path.parent / file if file else path, heading) for file, heading in targets(text)]
    assert [file for file, _ in found if not file.exists()] == []
    assert [(file.name, heading) for file, heading in found if heading and heading not in headings(file)] == []


def test_every_page_is_linked_from_another():
    linked = set()
    for page in PAGES:
        for file in links((ROOT / page).read_text(encoding="utf-8")):
            linked |= {(ROOT / page).parent.joinpath(file).resolve()} - {ROOT / page}
    assert [page for page in PAGES if (ROOT / page).resolve() not in linked] == ["README.md"]


def test_every_key_of_a_run_is_on_some_page():
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    parts = {name: kind for name, kind in get_type_hints(Settings).items() if is_dataclass(kind)}
    keys = {f"{part}.{field.name}" for part, kind in parts.items() for field in fields(kind)}
    keys |= {field.name for field in fields(Settings)} - parts.keys()
    named = {key for key in keys if re.search(rf"(?<![\w.]){re.escape(key)}\b", text)}
    assert keys - named == OTHERWISE


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
