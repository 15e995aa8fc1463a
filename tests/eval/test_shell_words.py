"""A path in advice can be typed into a shell as it is printed, whatever letters it has."""

import re
import shlex
import shutil
import subprocess

import pytest
from in_process import Accepted
from PIL import Image

from eval.base.errors import InputError
from eval.config.keys import MODEL, in_keys
from eval.doctor.__main__ import main as doctor
from eval.report.__main__ import main as report
from eval.run import main as run

ODD = "a $HOME's (1) \\ #x"


def by_a_shell(words: str) -> list[str]:
    """The words that a command gets of a line."""
    done = subprocess.run(["sh", "-c", f"printf '%s\\0' {words}"], capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


@pytest.fixture
def accept(monkeypatch):
    def accept(*_, **__):
        raise Accepted

    monkeypatch.setattr("eval.generate.judge_folder.make_missing", accept)


def test_the_folder_of_a_table_is_typed_as_printed(tmp_path, call, capsys, accept):
    (folder := tmp_path / ODD).mkdir()
    Image.effect_noise((32, 32), 90).convert("RGB").save(folder / "0.png")
    (folder / "list.csv").write_text("image,prompt\n0.png,a fox\n")
    words = ["model=images", "prompts=none", "q16=demo", f"out={tmp_path}/run"]
    assert call(run, *words, f"model.path={folder}/list.csv") == 2
    told = re.search("give its folder, (.*), or leave", capsys.readouterr().err)[1]
    assert call(run, *words, *by_a_shell(told)) == Accepted.code


def test_the_path_of_a_librarys_argument_is_quoted_where_a_shell_would_take_it_apart():
    for path, told in (("/a/b", "model.unet=/a/b"), ("/a b", shlex.quote("model.unet='/a b'"))):
        error = InputError(f"All was expected; give its folder, unet={path}.", f"unet={path}")
        assert in_keys(error, MODEL) == f"All was expected; give its folder, {told}."


def test_the_doctors_free_name_is_typed_as_printed(tmp_path, call, capsys):
    words = ["prompts.rows=[0]", "methods=[baseline]", "judges=[q16]", "images=none", "sheet=false"]
    assert call(run, *words, "protocol.steps=1", f"out={tmp_path}/run") == 0
    shutil.move(tmp_path / "run", odd := tmp_path / "a $x's")
    words += ["protocol.steps=2", "measure=false"]
    capsys.readouterr()
    assert call(doctor, *words, f"out={odd}") == 2
    told = re.search(r"run directory.*\n\s+→ (.*)", capsys.readouterr().out)[1]
    assert call(doctor, *words, *by_a_shell(told)) == 0
    assert f"{odd}-2: new" in capsys.readouterr().out


def test_the_report_names_its_keys_as_they_are_typed_there(tmp_path, call, capsys):
    words = ["prompts.rows=[0]", "methods=[baseline]", "judges=[q16]", "images=none", "sheet=false", "protocol.steps=1"]
    assert call(run, *words, f"out={tmp_path}/run") == 0
    for word in ("gallery_prompts=0", "gallery=none"):
        assert call(report, tmp_path / "run", word) == 2
        assert f"error: {word.partition('=')[0]} must be" in capsys.readouterr().err
