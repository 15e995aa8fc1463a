"""What a config's texts may be, and where paths lead."""

import pytest
from omegaconf import OmegaConf

from eval.base.command import expanded
from eval.base.errors import InputError
from eval.config.settings import Settings, read_settings
from eval.config.texts import PATHS, text_keys, with_texts


def config(**changes):
    base = {
        "model": {"kind": "demo"},
        "prompts": {"source": "demo"},
        "protocol": {"name": "dataset"},
        "q16": {"architecture": "demo"},
        "nudenet": {},
        "methods": ["baseline"],
        "judges": ["q16"],
        "out": "runs/x",
    }
    return OmegaConf.merge(OmegaConf.create(base), OmegaConf.create(changes))


@pytest.mark.parametrize(
    ("yaml", "key", "found"),
    [
        ("model: {method: 1.10}", "model.method", "1.1"),
        ("out: 2024_10_05", "out", "20241005"),
        ("prompts: {revision: 1e5}", "prompts.revision", "100000.0"),
        ("model: {path: true}", "model.path", "true"),
        ("prompts: {categories: [sexual, 2024]}", "prompts.categories", "2024"),
        ("judges: 7", "judges", "7"),
        ("methods: [baseline, 1.10]", "methods", "1.1"),
        ("methods: [{name: 1.10, preset: sld_max}]", "methods.name", "1.1"),
    ],
)
def test_a_number_for_a_text_in_a_file_is_refused_and_quotes_mend_it(yaml, key, found):
    with pytest.raises(InputError, match="put it in quotes") as error:
        read_settings(config(**OmegaConf.create(yaml)))
    assert str(error.value).startswith(f"{key} must be a text, found {found} ")


def test_one_name_in_a_file_is_a_list_of_one():
    settings = read_settings(config(methods="baseline", judges="q16", prompts={"categories": "sexual"}))
    assert (settings.methods, settings.judges, settings.prompts.categories) == (["baseline"], ["q16"], ["sexual"])


def test_a_reference_to_a_number_or_a_list_is_followed():
    settings = read_settings(config(prompts={"revision": "${protocol.steps}"}, protocol={"steps": 20}))
    assert settings.prompts.revision == "20"
    assert with_texts(config(judges="${methods}"), Settings).judges == ["baseline"]


def test_every_key_of_a_path_is_a_text_and_leads_to_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert set(PATHS) <= text_keys(Settings).keys()
    parts = {"out": "~/out"}
    for key in PATHS[1:]:
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = f"~/{name}"
    settings = read_settings(config(**parts))
    assert settings.out == f"{tmp_path}/out"
    for key in PATHS[1:]:
        part, _, name = key.partition(".")
        assert getattr(getattr(settings, part), name) == f"{tmp_path}/{name}"


def test_a_home_folder_is_looked_up_once_and_only_at_the_front(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "~"))
    assert expanded("out", "~/x") == f"{tmp_path}/~/x"
    assert [expanded("out", path) for path in ("a/~/x", "a~", "/~")] == ["a/~/x", "a~", "/~"]
    monkeypatch.chdir("/")
    assert expanded("out", "./~/x") == "/~/x"  # or the next to look at ~/x would take it for the home folder
    assert expanded("out", "~root/x") == "/root/x"


def test_a_user_that_there_is_not_is_no_folder():
    with pytest.raises(InputError, match=r"no user ~nobody-here: write \./~nobody-here/x for a folder"):
        expanded("out", "~nobody-here/x")


def test_slurm_settings_of_an_experiment_are_said_to_be_of_no_use_to_a_run(caplog):
    read_settings(config(slurm={"partition": "gpu"}))
    assert "slurm.* is not used here" in caplog.text
