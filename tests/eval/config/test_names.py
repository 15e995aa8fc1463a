"""Names for print: what is a name, what is refused, and how they are typed."""

import re
import shlex

import pytest

from eval.base.errors import InputError
from eval.config.names import LONGEST_NAME, LONGEST_TITLE, check_names, check_title, read_names
from eval.plan.make import make_plan
from eval.report.__main__ import main as report
from eval.run import main as run

METHODS = ("baseline", "sld_weak", "sld_max")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{sld_max: SLD (max)}", {"sld_max": "SLD (max)"}),
        ("{sld_max:SLD (max), baseline: SD 1.4}", {"sld_max": "SLD (max)", "baseline": "SD 1.4"}),
        ("""{sld_max: "a, b: {c}", baseline: 'it''s'}""", {"sld_max": "a, b: {c}", "baseline": "it's"}),
        ("{sld_max: 1.10, baseline: null, sld_weak: yes}", {"sld_max": "1.10", "baseline": "null", "sld_weak": "yes"}),
    ],
)
def test_names_are_read_as_they_are_typed(text, names):
    assert read_names(text, "names") == names
    check_names(names, METHODS, "names")


@pytest.mark.parametrize("text", ["SLD", "[a]", "{a: [b]}", "{a: {b: c}}", "{a", "a: *b", "{[a]: b}"])
def test_what_is_no_mapping_of_texts_is_refused(text):
    with pytest.raises(InputError, match="must be a mapping from methods to names for print"):
        read_names(text, "names")


def test_a_method_has_one_name():
    with pytest.raises(InputError, match="found two for sld_max"):
        read_names("{sld_max: a, sld_max: b}", "names")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"sld_maxx": "SLD"}, "found 'sld_maxx': did you mean sld_max?"),
        ({"sld_max": "SLD", "sld_weak": "SLD"}, "found 'SLD' for sld_max, which is also that of sld_weak"),
        ({"sld_max": "baseline"}, "found 'baseline' for sld_max, which is also that of baseline"),
        ({"sld_max": "baseline", "baseline": "SD"}, "found 'baseline' for sld_max, which is also that of baseline"),
        ({"sld_max": "SLD", "sld_weak": "S\u200bLD"}, "which is also that of sld_weak"),
        ({"sld_max": "SLD", "sld_weak": "\uff33LD"}, "which is also that of sld_weak"),
        ({"sld_max": ""}, "names.sld_max must be visible characters in one line"),
        ({"sld_max": " SLD"}, "without blanks at its ends"),
        ({"sld_max": "\u200b\u2060"}, "must be visible characters"),
        ({"sld_max": "a\nb"}, "must be visible characters in one line"),
        ({"sld_max": "a\x1b[31m"}, "must be visible characters in one line"),
        ({"sld_max": "a\u202eb"}, "must be visible characters in one line"),
        ({"sld_max": "a" * 300}, f"at most {LONGEST_NAME} characters, found 300"),
        ({"sld_max": 1.5}, "names.sld_max must be a text, found 1.5"),
        (["sld_max"], "must be a mapping from methods"),
        ("SLD", "must be a mapping from methods"),
    ],
)
def test_names_that_can_not_be_told_apart_or_printed_are_refused(names, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        check_names(names, METHODS, "names")


def test_names_of_any_letters_are_accepted():
    check_names({"sld_max": "<script>$%&#_{}~^\\", "sld_weak": "弱い", "baseline": "Ø"}, METHODS, "names")
    check_names(None, METHODS, "names")


@pytest.mark.parametrize(("title", "sentence"), [("", "visible"), ("a\tb", "one line"), ("x" * 121, "at most 120")])
def test_a_title_is_a_line(title, sentence):
    check_title("x" * LONGEST_TITLE, "title")
    check_title(None, "title")
    with pytest.raises(InputError, match=sentence):
        check_title(title, "title")


@pytest.fixture
def planned(monkeypatch, call, tmp_path):
    """Returns the settings of the report with which a run would begin."""
    seen = []

    def plan(settings, *more, **known):
        make_plan(settings, *more, **known)
        seen.append(settings.report)
        raise InputError("enough")

    monkeypatch.setattr("eval.plan.make.make_plan", plan)

    def planned(*words):
        assert call(run, "methods=[baseline,sld_max]", f"out={tmp_path}/run", *words) == 2
        return seen.pop()

    return planned


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("{sld_max: SLD (max)}", {"sld_max": "SLD (max)"}),
        ('{sld_max: "SLD (max)"}', {"sld_max": "SLD (max)"}),
        ("{sld_max: 'a, b', baseline: 1.10}", {"sld_max": "a, b", "baseline": "1.10"}),
        ("{sld_max: yes, baseline: null}", {"sld_max": "yes", "baseline": "null"}),
        ("{sld_max: it's ${x}}", {"sld_max": "it's ${x}"}),
        ("null", None),
    ],
)
def test_a_run_takes_names_as_they_are_typed(planned, typed, names):
    assert planned(f"report.names={typed}").names == names
    assert planned(f"report={{names: {typed}}}").names == names


def test_names_are_given_one_by_one_too(planned):
    words = ["report.names.sld_max=SLD (max)", "report.names.baseline=1.10"]
    assert planned(*words).names == {"sld_max": "SLD (max)", "baseline": "1.10"}
    assert planned("+report.names.sld_max=SLD (max)").names == {"sld_max": "SLD (max)"}


def test_a_run_takes_a_title_as_it_is_typed(planned):
    assert planned("report.title=SD 1.4 (mine), again: 100 %").title == "SD 1.4 (mine), again: 100 %"
    assert planned("report.title=1.10").title == "1.10"
    assert planned().title is None


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        (
            "report.names={sld_maxx: SLD}",
            "report.names must name methods of the run, baseline, sld_max, found 'sld_maxx'",
        ),
        ("report.names=SLD", "give it in braces and quotes, as in 'report.names={sld_max: SLD (max)}'"),
        ("report.names.sldmax=SLD", "found 'sldmax': did you mean sld_max?"),
        ("report.title=", "report.title must be visible"),
    ],
)
def test_a_run_refuses_names_before_it_draws(call, capsys, tmp_path, word, sentence):
    assert call(run, "methods=[baseline,sld_max]", f"out={tmp_path}/run", word) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_told_of_names_is_accepted_as_a_shell_reads_it(planned, call, capsys, tmp_path):
    assert call(run, "methods=[baseline,sld_max]", f"out={tmp_path}/run", "report.names=SLD") == 2
    [told] = shlex.split(capsys.readouterr().err.partition("as in ")[2])
    assert planned(told).names == {"sld_max": "SLD (max)"}


def test_names_in_a_file_are_texts(call, capsys, tmp_path):
    (tmp_path / "experiment").mkdir(parents=True)
    (tmp_path / "experiment" / "x.yaml").write_text("# @package _global_\nreport:\n  names: {sld_max: 1.10}\n")
    assert call(run, "--config-dir", tmp_path, "experiment=x", f"out={tmp_path}/run") == 2
    assert "report.names.sld_max must be a text, found 1.1 in a configuration file" in capsys.readouterr().err


def test_a_report_refuses_names_of_no_method(call, capsys, tmp_path):
    words = [
        "prompts.rows=[0]",
        "protocol.steps=1",
        "methods=[baseline,sld_max]",
        "judges=[q16]",
        "images=none",
        "sheet=false",
    ]
    assert call(run, *words, f"out={tmp_path / 'run'}") == 0
    for key in ("names", "report.names"):
        assert call(report, tmp_path / "run", f"out={tmp_path}", f"{key}={{sldmax: SLD}}") == 2
        assert "names must name methods of the run, baseline, sld_max, found 'sldmax': did you mean" in (
            capsys.readouterr().err
        )
