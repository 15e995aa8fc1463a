"""A judge and a method of another package: installed, they are there on the command line as those of ours are."""

import csv
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eval.base.errors import InputError
from eval.doctor.__main__ import _main as doctor_code
from eval.judges import JUDGES, judge_class
from eval.measure.definitions import definitions_with
from eval.report.__main__ import main as report
from eval.run import main
from eval.store.scores import SCHEMA

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["prompts.rows=0-1", "model.size=64", "protocol.steps=1", "sheet=false", "images=none", "device=cpu"]
ASKED = [*SMALL, "judges=[q16,nudenet,softness]", "methods=[baseline,gentle]"]
MODULE = '''
"""How bright pictures are, and a method that asks for less."""
from dataclasses import dataclass

import numpy as np

import sld
from eval.judges import Judge, Rule


@dataclass(frozen=True)
class SoftnessSettings:
    scale: float = 1.0
    title: str = "plain"


class Softness(Judge):
    name = "softness"
    version = "1"
    help = "how bright pictures are"
    settings = SoftnessSettings
    expects = "a brightness and three levels"
    rules = (
        Rule("bright", "brightness above 0", "this test", lambda said: said["softness_mean"].to_numpy() > 0),
        Rule("dark", "no brightness", "this test", lambda said: said["softness_mean"].to_numpy() <= 0),
    )

    def __init__(self, scale, title):
        self.scale, self.title = scale, title

    @classmethod
    def columns(cls):
        import pyarrow as pa

        return {"softness_mean": pa.float64(), "softness_levels": pa.list_(pa.int32()), "softness_title": pa.string()}

    @classmethod
    def cells(cls, record):
        mean, levels, title = record
        return {"softness_mean": mean, "softness_levels": levels, "softness_title": title}

    @classmethod
    def is_record(cls, record):
        return len(record) == 3 and 0 <= record[0] <= 1e6

    @classmethod
    def load(cls, settings, device, threads=None):
        return cls(settings.scale, settings.title)

    def describe(self):
        return {"scale": self.scale, "title": self.title}

    def judge(self, images):
        return [(float(np.mean(one)) * self.scale, [int(x) for x in one[0, 0]], self.title) for one in images]


GENTLE = sld.Method(name="gentle", negative_prompt="a harsh picture")
'''
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "softness-judge"
version = "0.3"
[project.entry-points."i2p_bench.judges"]
softness = "softness:Softness"
[project.entry-points."i2p_bench.methods"]
gentle = "softness:GENTLE"
[tool.setuptools]
py-modules = ["softness"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The package as pip installs it, in a folder of its own."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "softness.py").write_text(MODULE)
    (source / "pyproject.toml").write_text(PROJECT)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--target", folder]
    subprocess.run([*pip, *options, source], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def run(site, tmp_path_factory, call):
    """A run with the judge and the method."""
    out = tmp_path_factory.mktemp("run") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        assert call(main, f"out={out}", *ASKED, "softness.scale=0.5", "softness.title=010", "report.images=true") == 0
    return out


@pytest.fixture
def installed(site, monkeypatch):
    """The package in this process."""
    monkeypatch.syspath_prepend(site)


def bring(folder, group, name, value, package="other"):
    """Metadata of a package that brings one name, by hand."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def results(path):
    return json.loads((path / "results.json").read_text())


def test_its_columns_are_in_the_score_parts_and_in_the_rows_per_image(run):
    parts = [pq.read_table(path) for path in (run / "scores").glob("*.parquet")]
    assert parts
    for part in parts:
        assert pa.schema(list(part.schema)[: len(SCHEMA)]) == SCHEMA
        assert part.schema.names[len(SCHEMA) :] == ["softness_mean", "softness_levels", "softness_title"]
    stored = [row for part in parts for row in part.to_pylist()]
    assert len(stored) == 4
    assert all(row["softness_title"] == "010" for row in stored)  # as it was typed
    listed = {(row["method"], row["row"]): row for row in rows(run / "report" / "images.csv")}
    for row in stored:
        shown = listed[row["method"], str(row["row"])]
        assert float(shown["softness_mean"]) == row["softness_mean"]
        assert shown["softness_levels"] == ", ".join(map(str, row["softness_levels"]))


def test_it_is_part_of_what_the_run_is(run):
    identity = json.loads((run / "manifest.json").read_text())["identity"]
    described = {"name": "softness", "version": "1", "scale": 0.5, "title": "010"}
    assert identity["judges"]["softness"] == described
    assert [method["name"] for method in identity["methods"]] == ["baseline", "gentle"]


def test_its_definitions_stand_beside_those_of_the_field_and_are_chosen_by_flags(run, installed, call, capfd):
    shares = {row["definition"]: row["probability"] for row in rows(run / "report" / "definitions.csv")}
    assert float(shares["bright"]) == 1
    assert float(shares["dark"]) == 0
    assert results(run / "report")["definition"]["name"] == "i2p"
    assert call(report, run, "flags=bright") == 0
    assert "brightness above 0" in capfd.readouterr().out
    assert all(row["probability"] == 1 for row in results(run / "report" / "flags-bright")["results"])
    assert call(report, run, "flags=brightest") == 2
    assert "bright, dark, found 'brightest'" in capfd.readouterr().err


def test_a_run_resumes_with_the_same_settings_and_is_another_one_with_others(run, installed, call, capfd):
    before = {path: path.read_bytes() for path in (run / "scores").iterdir()}
    assert call(main, f"out={run}", *ASKED, "softness.scale=0.5", "softness.title=010") == 0
    assert {path: path.read_bytes() for path in (run / "scores").iterdir()} == before
    capfd.readouterr()
    assert call(main, f"out={run}", *ASKED, "softness.scale=2", "softness.title=010") == 2
    assert "judges.softness.scale is 0.5 there and 2.0 here" in capfd.readouterr().err


def test_a_report_of_a_run_whose_package_has_gone_says_what_it_leaves_out(run, call, capfd):
    assert call(report, run) == 0
    assert "The package that brings the judge softness is not installed" in capfd.readouterr().out
    assert "softness_mean" in rows(run / "report" / "images.csv")[0]
    assert {"bright", "dark"}.isdisjoint(row["definition"] for row in rows(run / "report" / "definitions.csv"))


def test_the_doctor_looks_at_it(installed, tmp_path, call, capfd):
    words = [f"out={tmp_path}/run", *ASKED, "measure=false"]
    assert call(lambda: sys.exit(doctor_code()), *words) == 0
    assert "softness-judge 0.3: how bright pictures are" in capfd.readouterr().out


def test_the_help_lists_what_is_installed_and_imports_none_of_it(site):
    code = (
        "import sys, atexit, eval.run as r\n"
        "atexit.register(lambda: print('softness' in sys.modules, file=sys.stderr))\n"
        "sys.argv = ['eval.run', '--help', *sys.argv[1:]]\n"
        "r.main()"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    shown = {}
    for word in ("out=x", "judges=[q16,softness]"):
        command = [sys.executable, "-c", code, word]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        shown[word] = done.stdout
        assert "softness      softness-judge 0.3" in done.stdout
        assert "gentle        softness-judge 0.3" in done.stdout
        assert done.stderr.strip() == str("softness" in word)
    assert "softness.scale=1.0" not in shown["out=x"]
    assert "softness.scale=1.0" in shown["judges=[q16,softness]"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["softness.scale=1"], "softness has keys set, which would have no effect"),
        (["judges=[q16,softness]", "softness.size=1"], "softness.size"),
        (["judges=[q16,softness]", "softness.scale=much"], "softness.scale"),
        (["judges=[q16,softnes]"], f"judges must be one of {', '.join(JUDGES)}, softness, found 'softnes'"),
        (["judges=[softness]"], "found softness alone, so that no picture could count: add nudenet or q16 to judges"),
        (["methods=[gentlest]"], "gentlest"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(words, sentence, installed, tmp_path, call, capfd):
    assert call(main, f"out={tmp_path}/run", *SMALL, *words) == 2
    printed = capfd.readouterr().err
    assert sentence in printed
    assert printed.count("\n") == 1


def test_keys_of_a_judge_are_accepted_with_the_judges_that_are_advised(installed, tmp_path, call, capfd):
    words = [f"out={tmp_path}/run", *SMALL, "softness.scale=0.5", "methods=[baseline]"]
    assert call(main, *words) == 2
    advised = re.search(r"add it, (judges=\[[\w,]+\])", capfd.readouterr().err)[1]
    assert call(main, *words, advised) == 0


def test_a_judge_that_calls_sys_exit_as_it_is_loaded_ends_no_command_as_if_it_were_complete(
    installed, tmp_path, monkeypatch, call, capfd
):
    monkeypatch.setattr(judge_class("softness"), "load", lambda *_, **__: sys.exit(0))
    words = [f"out={tmp_path}/run", *ASKED]
    with pytest.raises(RuntimeError, match=r"sys\.exit\(0\) was called before the command had ended"):
        call(main, *words)
    assert call(lambda: sys.exit(doctor_code()), *words) == 2
    assert "sys.exit(0) was called before the command had ended" in capfd.readouterr().out


BROKEN = {
    "raises": ("raise RuntimeError('half installed')", "is broken (RuntimeError: half installed)"),
    "exits": ("raise SystemExit(0)", "is broken (SystemExit: 0)"),
    "missing": ("", "is broken (AttributeError"),
    "function": ("def thing(): pass", "it is no class that derives from eval.judges.Judge"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package_is_one_sentence_where_it_is_asked_for_and_nothing_elsewhere(
    kind, run, tmp_path, monkeypatch, call, capfd
):
    text, why = BROKEN[kind]
    module = f"other_{kind}"
    (tmp_path / f"{module}.py").write_text(text)
    bring(tmp_path, "i2p_bench.judges", "thing", f"{module}:thing")
    monkeypatch.syspath_prepend(tmp_path)
    for words in (["judges=[q16,thing]"], ["thing.key=1"]):
        assert call(main, f"out={tmp_path}/run", *SMALL, *words) == 2
        printed = capfd.readouterr().err
        assert why in printed
        assert "other 1.0" in printed
        assert printed.count("\n") == 1
    assert call(main, f"out={tmp_path}/run", "--help") == 0
    assert call(report, run) == 0
    assert call(lambda: sys.exit(doctor_code()), f"out={tmp_path}/run", *SMALL, "measure=false") == 0


@pytest.mark.parametrize(
    ("rule", "why"), [("i2p", "there is another (its definition 'i2p')"), ("a/b", "it is no name of a folder")]
)
def test_a_definition_with_the_name_of_another_or_of_no_folder_is_refused(rule, why, tmp_path, monkeypatch):
    module = f"rule_{rule[0]}"
    (tmp_path / f"{module}.py").write_text(MODULE.replace('Rule("bright"', f'Rule("{rule}"'))
    bring(tmp_path, "i2p_bench.judges", "softness", f"{module}:Softness")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=re.escape(why)):
        definitions_with(["q16", "softness"])


@pytest.mark.parametrize(
    ("group", "name", "words"),
    [
        ("i2p_bench.judges", "q16", ["judges=[q16]"]),
        ("i2p_bench.methods", "sld_max", ["methods=[baseline,sld_max]"]),
        ("i2p_bench.judges", "protocol", ["judges=[q16,protocol]"]),
    ],
)
def test_a_name_that_is_taken_is_refused_where_it_is_asked_for(group, name, words, tmp_path, monkeypatch, call, capfd):
    (tmp_path / "taker.py").write_text(MODULE.replace('"softness"', f'"{name}"').replace("softness_", f"{name}_"))
    bring(tmp_path, group, name, "taker:Softness")
    monkeypatch.syspath_prepend(tmp_path)
    assert call(main, f"out={tmp_path}/run", *SMALL, *words) == 2
    printed = capfd.readouterr().err
    assert "other 1.0" in printed
    assert "its name is a key" in printed or f"{name} must be i2p-bench's own" in printed
    assert printed.count("\n") == 1


def test_two_packages_with_one_name_are_refused(tmp_path, monkeypatch, call, capfd):
    for package in ("one", "two"):
        bring(tmp_path, "i2p_bench.methods", "mine", f"{package}:MINE", package)
    monkeypatch.syspath_prepend(tmp_path)
    assert call(main, f"out={tmp_path}/run", *SMALL, "methods=[mine]") == 2
    assert "found it in one 1.0 and two 1.0" in capfd.readouterr().err


def test_its_settings_travel_to_other_processes(installed):
    from eval.config.settings import settings_with

    kind = settings_with(["softness"])
    parts = dict.fromkeys(("model", "prompts", "protocol", "q16", "nudenet"))
    settings = kind(**parts, methods=[], judges=["softness"], out="x")
    assert settings.softness.scale == 1.0
    restored = pickle.loads(pickle.dumps(settings))
    assert vars(restored) == vars(settings)


def test_a_run_without_packages_has_the_columns_that_it_always_had():
    names = "method row image state digest q16_safe q16_inappropriate detections replayed batch_size engine error"
    assert SCHEMA.names == names.split()
