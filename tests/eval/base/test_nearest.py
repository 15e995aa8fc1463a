"""Which name was meant by another."""

from pathlib import Path

import pytest

from eval.base.nearest import nearest, similar_path


@pytest.mark.parametrize(
    ("word", "meant"),
    [("sd1.4", "sd14"), ("SD14", "sd14"), ("batch-size", "batch_size"), ("sdlx", "sdxl"), ("flux", None), ("", None)],
)
def test_a_slip_is_the_closest_name_and_another_word_is_none(word, meant):
    assert nearest(word, ["sd14", "sd15", "sdxl", "batch_size"]) == meant


def test_a_word_of_another_program_counts_where_its_name_is_there():
    assert nearest("FP16", ["float16", "float32"], {"fp16": "float16"}) == "float16"
    assert nearest("fp16", ["int8"], {"fp16": "float16"}) is None


def test_a_path_is_met_name_by_name(tmp_path, monkeypatch):
    (tmp_path / "runs/demo").mkdir(parents=True)
    assert similar_path(tmp_path / "run/demoo") == tmp_path / "runs/demo"
    assert similar_path(tmp_path / "other/demo") is None
    monkeypatch.chdir(tmp_path)
    assert similar_path(Path("runz/demo")) == Path("runs/demo")
