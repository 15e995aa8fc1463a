"""`references.bib` has what a run used and nothing else, as LaTeX reads it; CITATION.cff has this version."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from manifests import manifest_of

import sld
from eval.base.cli import version
from eval.report.references import MODELS, references_bib

ROOT = Path(sld.__file__).parents[1]
SD = {"source": "sd", "family": "stable-diffusion"}
SLD = "schramowski2023safe"
MAX = [{"name": "sld_max", "preset": "max"}]


def keys(manifest) -> list[str]:
    return re.findall(r"^@\w+\{(\S+),$", references_bib(manifest), re.MULTILINE)


@pytest.mark.parametrize(
    ("fields", "used"),
    [
        (
            {"model": SD, "methods": MAX, "benchmark": "AIML-TUDA/i2p"},
            [
                "schramowski2023safe",
                "schramowski2022can",
                "radford2021learning",
                "bedapudi2019nudenet",
                "rombach2022high",
            ],
        ),
        (
            {"model": SD, "methods": ["baseline"], "judges": ["nudenet"], "benchmark": None},
            ["bedapudi2019nudenet", "rombach2022high"],
        ),
        ({"model": {**SD, "demo": True}, "methods": MAX, "judges": {"q16": {"demo": True}}}, [SLD]),
        (
            {"model": {"source": "x", "family": "mine"}, "judges": ["nudenet"], "benchmark": None},
            ["bedapudi2019nudenet"],
        ),
        (
            {"model": {"source": "x", "layout": "row"}, "judges": ["nudenet"], "benchmark": None},
            ["bedapudi2019nudenet"],
        ),
    ],
)
def test_what_was_used_is_cited(fields, used):
    assert keys(manifest_of(**fields)) == [*used, "i2p-bench"]


def test_names_keep_their_capitals_where_a_style_writes_titles_small():
    """`plain` of BibTeX and others write all but the first letter of a title small, outside of braces."""
    source = (ROOT / "eval/report/references.py").read_text()
    titles = re.findall(r"^ *\"? *title += \{(.*?)\},(?:\\n)?\"?$", source, re.MULTILINE | re.DOTALL)
    assert len(titles) == 9
    for title in titles:
        unprotected = re.sub(r"\{.*?\}", "", title)
        assert not re.findall(r"\b\w*[a-z0-9][A-Z]\w*|\b[A-Z]{2,}\b", unprotected), title


def test_every_entry_is_read_by_bibtex(tmp_path):
    if shutil.which("bibtex") is None:
        pytest.skip("no bibtex here")
    texts = [references_bib(manifest_of(model={**SD, "family": family}, methods=MAX)) for family in MODELS]
    entries = dict.fromkeys(entry for text in texts for entry in text.strip().split("\n\n"))
    (tmp_path / "references.bib").write_text("\n\n".join(entries), encoding="ascii")
    (tmp_path / "doc.aux").write_text("\\citation{*}\n\\bibdata{references}\n\\bibstyle{plain}\n")
    done = subprocess.run(["bibtex", "doc"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Warning" not in done.stdout
    assert (tmp_path / "doc.bbl").read_text().count("\\bibitem") == len(entries) == 9


def test_the_citation_has_the_projects_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert str(citation["version"]) == version()
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
