"""Runs have titles that tell them apart, and words on the command line name the columns that were meant."""

from dataclasses import replace

import pytest
from several import DRAWN, FOLDER, made_up, prompts_of

from eval.base.errors import InputError
from eval.compare.compared import Options, compare_runs
from eval.compare.members import default_titles


def run(name, *methods, **fields):
    return made_up(name, dict.fromkeys(methods or ("m",), lambda row, image: bool(row % 2)), prompts_of(4), **fields)


def of(source, **fields):
    return {**DRAWN, "source": source, **fields}


def test_a_run_is_titled_by_its_model_where_that_tells_it_apart_else_by_its_folder():
    runs = [
        run("r1", model=of("CompVis/stable-diffusion-v1-4")),
        run("r2", model=of("org/other")),
        run("r3", model=of("org/other")),
        run("r4", model=of("org/base", weights={"unet=esd.pt": "a" * 64})),
        run("r5", model=FOLDER),
        run("x/r5", model={**DRAWN, "demo": True}),
        run("r6", model=of("org/adapted", lora=[{"name": "style.safetensors", "scale": 1}])),
    ]
    assert default_titles(runs) == [
        "stable-diffusion-v1-4",
        "made-up/r2",
        "made-up/r3",
        "made-up/r4",
        "made-up/r5",
        "x/r5",
        "made-up/r6",
    ]


RUNS = [run("a", "baseline", "sld_max"), run("b", "baseline", "mine"), run("c", "only")]


def headings(**options):
    return [column.heading for column in compare_runs(RUNS, Options(**options)).columns]


def test_columns_are_chosen_by_method_title_or_both():
    every = ["a: baseline", "a: sld_max", "b: baseline", "b: mine", "c"]
    assert headings() == every
    assert headings(methods=["baseline", "c"]) == ["a", "b", "c"]
    assert headings(methods=["b:mine", "a", "only"]) == ["a: baseline", "a: sld_max", "b", "c"]
    assert headings(methods=["c", "b:mine", "a: sld_max"]) == ["a", "b", "c"]
    named = headings(titles=["SD", "Own", "Third"], methods=["Own", "SD:baseline", "Third"])
    assert named == ["SD", "Own: baseline", "Own: mine", "Third"]


def test_names_for_print_head_columns_and_choose_them():
    names = {"sld_max": "SLD (max)"}
    assert headings(names=names)[1] == "a: SLD (max)"
    assert headings(names=names, methods=["SLD (max)", "mine", "only"]) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("against", "reference"),
    [
        (None, "a: baseline"),
        ("b: mine", "b: mine"),
        ("b:mine", "b: mine"),
        ("mine", "b: mine"),
        ("c", "c"),
        ("only", "c"),
    ],
)
def test_a_reference_is_named_by_its_heading_or_by_what_only_it_has(against, reference):
    assert compare_runs(RUNS, Options(against=against)).reference.headings == {reference}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"against": "baseline"}, "found 'baseline', which a: baseline, b: baseline are: give one of these"),
        ({"against": "b:mien"}, "found 'b:mien': did you mean b: mine?"),
        (
            {"methods": ["sld_mx"]},
            "methods must be one of baseline, a, a:baseline, .* found 'sld_mx': did you mean sld_max?",
        ),
        ({"methods": ["zzz"]}, "found 'zzz': choose one of these"),
        ({"against": "a", "methods": ["a", "b:mine", "only"]}, "must be a run with a method that another has"),
        ({"titles": ["x", "x: baseline", "y"], "methods": ["x", "mine", "only"]}, "found 'x: baseline' twice"),
        ({"titles": ["x", "\u200bx: baseline", "y"], "methods": ["x", "mine", "only"]}, "found 'x: baseline' twice"),
        ({"methods": ["a", "mine"]}, "methods must choose a column of every run, found none of c: add one, or leave"),
        (
            {"methods": ["sld_max", "mine", "only"], "against": "a:baseline"},
            "found 'a:baseline', which methods= leaves out: add it to methods",
        ),
    ],
)
def test_what_names_no_column_or_several_is_refused(options, sentence):
    with pytest.raises(InputError, match=sentence.replace("?", r"\?").replace(".* ", ".*")):
        compare_runs(RUNS, Options(**options))


def test_titles_that_differ_in_a_blank_name_their_own_columns():
    options = Options(titles=["SD 1", "SD1", "x"], methods=["baseline", "only"])
    for title in options.titles:
        assert compare_runs(RUNS, replace(options, against=title)).reference.headings == {title}


def test_the_title_of_the_only_run_is_no_reference():
    with pytest.raises(InputError, match="against must name one column where there is one run, found 'model'"):
        compare_runs([run("a", "baseline", "sld_max")], Options(against="model"))
