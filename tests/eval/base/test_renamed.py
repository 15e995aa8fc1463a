"""A renamed key is refused by its new name wherever it is typed, and understood where an older run holds it."""

from dataclasses import fields, replace

import pytest
import yaml
from manifests import RUNTIME, manifest_of

import eval.run
import i2p
from eval.base.renamed import RENAMED, renamed_settings, renamed_word
from eval.config.config_dir import CONF
from eval.config.settings import ProtocolSettings
from eval.store.manifest import Manifest
from eval.store.prompts import run_command
from eval.store.rundir import RunDir


@pytest.mark.parametrize("before", RENAMED)
@pytest.mark.parametrize("mark", ["", "+", "++"])
def test_an_old_key_is_refused_by_the_new_one(before, mark, tmp_path, call, capsys):
    assert call(eval.run.main, f"{mark}{before}=x", f"out={tmp_path}/run") == 2
    said = capsys.readouterr().err
    assert said == f"error: {before} is called {RENAMED[before]} now: give {RENAMED[before]}=…\n"


def test_an_old_key_in_a_file_of_the_users_is_refused_by_the_new_one(tmp_path, call, capsys):
    (tmp_path / "protocol").mkdir()
    (tmp_path / "protocol/mine.yaml").write_text("defaults: [base, _self_]\nname: dataset\nnude_labels: esd\n")
    assert call(eval.run.main, f"--config-dir={tmp_path}", "protocol=mine", f"out={tmp_path}/run") == 2
    assert "give protocol.label_set=…" in capsys.readouterr().err


def test_the_command_of_an_older_run_is_told_with_keys_of_today(tmp_path):
    words = ("python", "-m", "eval.run", "protocol.nude_labels=esd", "model=sd14", "out=old")
    command = run_command(RunDir(tmp_path), manifest_of(runtime=replace(RUNTIME, command=words)))
    assert "protocol.label_set=esd model=sd14" in command
    assert renamed_word("+protocol.nude_labels=a=b") == "+protocol.label_set=a=b"
    assert renamed_word("out=protocol.nude_labels=a") == "out=protocol.nude_labels=a"


def test_the_settings_of_an_older_run_are_read_with_keys_of_today():
    document = manifest_of().document()
    document["settings"]["protocol"] = {"name": "esd", "nude_labels": "uce", "steps": None}
    assert Manifest.read(document).settings.part("protocol") == {"name": "esd", "label_set": "uce", "steps": None}
    assert renamed_settings({"out": "x"}) == {"out": "x"}


def test_a_choice_of_the_protocol_has_one_name():
    """On the command line, in its file, in the settings, in the protocol, and so in manifest and clauses."""
    chosen = {field.name for field in fields(ProtocolSettings)} - {"name"}
    assert chosen < {field.name for field in fields(i2p.Protocol)}
    assert chosen == set(yaml.safe_load((CONF / "protocol/base.yaml").read_text()))
