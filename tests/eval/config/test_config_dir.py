"""A folder of one's own configurations adds choices; nothing in it reaches Hydra's own settings or hides ours."""

import json
import os
import sys
from pathlib import Path

import in_process
import processes
import pytest

from eval.base.errors import InputError
from eval.config.compose import compose_and_call, compose_jobs
from eval.config.config_dir import choices, with_config_dir
from eval.config.places import check_nothing_open
from eval.config.settings import read_settings
from eval.config.values import typed_again
from eval.doctor.__main__ import main as doctor
from eval.run import main
from eval.submit.__main__ import main as submit

ROOT = Path(__file__).resolve().parents[3]
MINE = """# @package _global_
defaults:
  - override /protocol: mine
methods: baseline
judges: q16
images: none
sheet: false
prompts: {rows: 0-1}
slurm: {partition: gpu}
"""
PROTOCOL = """defaults:
  - base
  - _self_
name: dataset
steps: 2
"""
OVER = "# @package _global_\ndefaults: [{override /protocol: open}]\n"
OPEN = "# @package _global_\nprotocol:\n  steps: ???\n"


@pytest.fixture
def folder(tmp_path):
    """An experiment and a protocol, in a folder whose name holds what a shell or Hydra could stumble over."""
    made = tmp_path / "my conf, v2 (x)"
    for name, text in (("experiment/mine", MINE), ("protocol/mine", PROTOCOL)):
        path = made / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return made


@pytest.mark.parametrize("flag", [["--config-dir", "{}"], ["--config-dir={}"], ["-cd", "{}"], ["-cd={}"]])
def test_the_folder_is_one_word_with_its_whole_path_at_the_front(folder, monkeypatch, flag):
    monkeypatch.chdir(folder.parent)
    given = ["model=demo", *(word.format(folder.name) for word in flag), "-m"]
    assert with_config_dir(given) == [f"--config-dir={folder}", "model=demo", "-m"]
    monkeypatch.setenv("HOME", str(folder.parent))
    assert with_config_dir(["-cd", f"~/{folder.name}"]) == [f"--config-dir={folder}"]
    assert choices(folder) == {"experiment": ["mine"], "protocol": ["mine"]}


def test_a_run_with_an_experiment_of_ones_own_says_in_its_record_how_it_is_gone_on_with(
    folder, tmp_path, call, capfd, caplog, monkeypatch
):
    monkeypatch.chdir(folder.parent)
    assert call(main, "--config-dir", folder.name, "experiment=mine", f"out={tmp_path}/run") == 0
    capfd.readouterr()
    assert "slurm.* is not used here" in caplog.text
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["runtime"]["command"][2:4] == [f"--config-dir={folder}", "experiment=mine"]
    assert (manifest["identity"]["protocol"]["steps"], manifest["identity"]["prompts"]["count"]) == (2, 2)
    assert call(doctor, "-cd", folder.name, "experiment=mine", f"out={tmp_path}/run", "measure=false") == 0
    assert "2 of 2 images are done" in capfd.readouterr().out


def test_shards_get_the_folder_by_its_whole_path(folder, tmp_path, call, monkeypatch):
    monkeypatch.chdir(folder.parent)
    words = ["-cd", folder.name, "experiment=mine", "shard.count=2", f"out={tmp_path}/run", "dry_run=true"]
    assert call(submit, *words) == 0
    assert f"--config-dir={folder}" in (tmp_path / "run" / "slurm" / "shard.sbatch").read_text()


def test_jobs_of_a_sweep_get_the_folder_too(folder, tmp_path, monkeypatch):
    words = ["run", "-m", "--config-dir", folder.name, "experiment=mine", "protocol.steps=1,2", "out=sweep"]
    monkeypatch.setattr(sys, "executable", processes.python())
    done = in_process.run(ROOT / "i2p_bench.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == [
        "logs",
        "protocol.steps=1",
        "protocol.steps=2",
    ]


def test_help_lists_what_is_there(folder, call, capfd):
    assert call(main, "--config-dir", folder, "--help") == 0
    assert f"In {folder}\n\n  experiment    mine\n  protocol      mine" in capfd.readouterr().out


REFUSED = {
    "settings of Hydra's": ("experiment/x.yaml", "# @package _global_\nhydra: {run: {dir: /tmp}}", "Hydra's own"),
    "a package of Hydra's": ("experiment/x.yaml", "# @package hydra.callbacks\na: 1", "Hydra's own"),
    "a package beneath": ("experiment/x.yaml", "# @package _global_.hydra.callbacks\na: 1", "Hydra's own"),
    "a default of Hydra's": ("experiment/x.yaml", "defaults: [{override /hydra/launcher: joblib}]", "Hydra's own"),
    "a default into Hydra's": ("experiment/x.yaml", "defaults: ['/model@hydra.callbacks: demo']", "Hydra's own"),
    "a default in a path": ("experiment/x.yaml", "defaults: [../../etc/x]", "a path or a reference"),
    "a default by reference": ("experiment/x.yaml", "defaults: [{/model: '${oc.env:X}'}]", "a path or a reference"),
    "code to be called": ("experiment/x.yaml", "methods: [{name: a, _target_: os.system}]", "_target_"),
    "a group of Hydra's": ("hydra/launcher/x.yaml", "a: 1", "Hydra's own"),
    "a name of ours": ("experiment/paper.yaml", "methods: [baseline]", "rename it"),
    "our main file": ("run.yaml", "methods: [baseline]", "rename it"),
    "another suffix": ("experiment/x.yml", "methods: [baseline]", "a name that ends in .yaml"),
    "a key's name": ("methods/x.yaml", "# @package _global_\nmethods: [baseline]", "would hide the key methods"),
    "no YAML": ("experiment/x.yaml", "methods: [baseline", "must be YAML, found"),
    "a list": ("experiment/x.yaml", "[1, 2]", "must hold KEY: VALUE"),
    "a tab": ("experiment/x.yaml", "prompts:\n\tsample: 3", "must be YAML, found"),
    "a key twice": ("experiment/x.yaml", "prompts:\n  sample: 3\n  sample: 4", "duplicate key sample"),
    "half a reference": ("experiment/x.yaml", "out: ${nope", "must be YAML, found"),
    "another encoding": ("experiment/x.yaml", "out: gr\udcfcn", "must be YAML, found"),
    "a byte order mark": ("experiment/x.yaml", "\ufeff# @package _global_\nmethods: [baseline]", "byte order mark"),
    "a default at the root": ("experiment/x.yaml", "defaults: [{/: tmp/x}]", "a path or a reference"),
    "a default from the root": ("experiment/x.yaml", "defaults: [//tmp/x]", "a path or a reference"),
    "a number with an underscore": (
        "experiment/x.yaml",
        "a: b\nprotocol: {steps: 1_0}",
        "must have numbers in decimal digits, found 1_0 (line 2), which YAML reads as 10: write that number, or",
    ),
    "an octal number": ("experiment/x.yaml", "a: [010]", "found 010 (line 1), which YAML reads as 8"),
    "a number in sixties": ("experiment/x.yaml", "slurm: {time: 1:30}", "found 1:30 (line 1), which YAML reads as 90"),
    "a fraction with an underscore": ("experiment/x.yaml", "a: &b 1_0.5", "found 1_0.5 (line 1), which YAML reads as"),
    "bytes": ("experiment/x.yaml", "model: {size: !!binary aGk=}", "found 'aGk=' (line 1): write it as it is"),
    "half of a pair": ("experiment/x.yaml", 'out: "a\\ud800"', r"found 'a\ud800' (line 1): write it as it is"),
    "a method that is no list": ("experiment/x.yaml", "methods: {name: a, negative_prompt: b}", "put it in brackets"),
    "metrics without their key": ("experiment/x.yaml", "quality: [kid]", "write quality: {metrics: […]}"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_could_reach_hydra_or_hide_ours_is_refused_wherever_it_stands(folder, case):
    name, text, word = REFUSED[case]
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(InputError) as error:
        with_config_dir(["--config-dir", str(folder)])
    assert str(path.parent if "hide" in word else path) in str(error.value)
    assert word in str(error.value)


@pytest.mark.parametrize("target", ["pipe", "/dev/zero"])
def test_what_could_be_read_for_ever_is_refused(folder, target):
    path = folder / "experiment" / "x.yaml"
    os.mkfifo(path) if target == "pipe" else path.symlink_to(target)
    with pytest.raises(InputError, match=r"x\.yaml must be a file, found a pipe or a device: remove it"):
        with_config_dir(["--config-dir", str(folder)])


def test_what_a_file_leaves_open_may_be_given_by_the_command_line_or_another_file(folder):
    (folder / "experiment" / "open.yaml").write_text("# @package _global_\nout: ???\nreport: {title: '???'}\n")
    (folder / "site").mkdir()
    (folder / "site" / "mine.yaml").write_text("# @package _global_\nout: runs/x\n")
    chosen = [f"--config-dir={folder}", "experiment=open"]
    for words in (["+site=mine", "report.title=x"], ["out=x", "report={title: x}"]):
        check_nothing_open([*chosen, *words])
    for words, key in ((["+site=mine"], "report.title"), (["report.title=x"], "out")):
        with pytest.raises(InputError, match=f"^{key} must be given"):
            check_nothing_open([*chosen, *words])


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        ({"experiment/open": "# @package protocol\nsteps: ???\n"}, "open"),
        ({"experiment/open": "# @package _global_.protocol\nsteps: ???\n"}, "open"),
        ({"protocol/open": "defaults: [base, _self_]\nname: mine\nsteps: ???\n", "experiment/a": OVER}, "a"),
        ({"experiment/open": OPEN, "experiment/a": "# @package _global_\ndefaults: [open, _self_]\n"}, "a"),
        ({"experiment/open": OPEN, "experiment/a": "# @package _global_\ndefaults: [/experiment/open]\n"}, "a"),
        ({"experiment/sub/open": OPEN}, "sub/open"),
        ({"experiment/open": OPEN}, "open,mine"),
    ],
)
def test_what_any_file_of_a_run_leaves_open_must_be_given(folder, monkeypatch, files, chosen):
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    words = ["eval.run", "--config-dir", str(folder), f"experiment={chosen}", f"report.title={'long' * 1200}", "-m"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(
        InputError, match=r"^protocol\.steps must be given, because a file leaves it open .*open\.yaml, l"
    ):
        compose_jobs("run", read_settings)
    monkeypatch.setattr(sys, "argv", [*words, "protocol.steps=3"])
    assert {settings.protocol.steps for _, settings in compose_jobs("run", read_settings)} == {3}


def test_a_file_whose_aliases_repeat_one_another_is_refused_before_they_are_written_out(folder):
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    path = folder / "experiment" / "x.yaml"
    path.write_text("\n".join(["# @package _global_", "a0: &a0 [x]", *lines]))
    with pytest.raises(
        InputError, match=r"x\.yaml must hold at most 100,000 values, found more with those of its alias"
    ):
        with_config_dir(["--config-dir", str(folder)])
    path.write_text("# @package _global_\nmethods: &m [*m]\n")
    with pytest.raises(InputError, match=r"x\.yaml must be YAML"):
        with_config_dir(["--config-dir", str(folder)])
    path.write_text("methods: [&m {name: a, preset: max}, {<<: *m, name: b}]\nprotocol: &p {steps: 3}\n")
    with_config_dir(["--config-dir", str(folder)])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config-dir"], "found no name"),
        (["--config-dir="], "found no name"),
        (["--config-dir", "nowhere"], "found none at"),
        (["--config-dir", "file"], "found none at"),
        (["--config-dir", "empty"], "experiment/mine.yaml"),
        (["-cd", "empty", "--config-dir=empty"], "--config-dir must be given once, found 2 times"),
    ],
)
def test_what_is_no_such_folder_is_one_sentence(tmp_path, monkeypatch, call, capfd, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert call(main, *words) == 2
    printed = capfd.readouterr()
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [("colour: red", "colour"), ("model: {method: 1.10}", "model.method must be a text, found 1.1"), ("out: 7", "out")],
)
def test_keys_and_values_are_held_to_the_same_as_on_the_command_line(folder, tmp_path, call, capfd, text, said):
    (folder / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    assert call(main, "--config-dir", folder, "experiment=mine") == 2
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("methods: [baseline]\n", "must have # @package _global_ as its first line"),
        ("# mine\n# @package _global_\nmethods: [baseline]\n", "must have # @package _global_ as its first line"),
        ("# @package _global_\ndefaults: paper\n", "must have a list of GROUP: NAME as its defaults, found 'paper'"),
        ("# @package _global_\ndefaults: [1]\n", "must have a list of GROUP: NAME as its defaults, found [1]"),
        ("# @package _global_\ndefaults: [{override model: sd14}]\n", "write override /model: NAME"),
        ("# @package _global_\nreport: [1]\n", "must have a mapping as its report, found a list"),
        ("# @package _global_\nslurm: [1]\n", "must have a mapping as its slurm, found a list"),
        ("# @package _global_\nmodel: [1]\n", "must have a mapping as its model, found a list"),
        ("# @package _global_\nout: ???\n", "out must be given, because a file leaves it open with ???"),
        ("# @package _global_\nreport: {title: '???'}\n", "report.title must be given, because a file leaves it open"),
        ("# @package _global_\nmethods: [{name: {a: b}}]\n", "an entry of methods must have a text as its name, found"),
        ("# @package _global_\nmethods: [{name: [a]}]\n", "an entry of methods must have a text as its name, found"),
        (
            "# @package _global_\nout: ${oc.env:NO_SUCH}\n",
            "out must refer to a value, found an interpolation without one",
        ),
        ("# @package _global_\ndefaults: [mine, _self_]\n", "found a circle"),
        ("# @package _global_\ndefaults: [{override /modle: sd14}]\n", "modle"),
        ("# @package _global_\ndefaults: [{override /model: sd99}]\n", "model must be one of checkpoint, demo"),
    ],
)
def test_what_can_not_be_composed_is_one_sentence_that_names_it(folder, call, capfd, text, said):
    (folder / "experiment" / "mine.yaml").write_text(text)
    assert call(main, "--config-dir", folder, "experiment=mine") == 2
    printed = capfd.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert "Config search path" not in printed


def test_a_default_may_be_named_from_the_top(folder, call, capfd):
    text = "# @package _global_\ndefaults:\n  - /experiment/mine\n  - _self_\nprompts: {rows: 0-2}\n"
    (folder / "experiment" / "more.yaml").write_text(text)
    assert call(main, "--config-dir", folder, "experiment=more", "--cfg", "job") == 0
    assert "rows: 0-2" in capfd.readouterr().out


@pytest.mark.parametrize("name", ["my exp", "2 (x)", "it's", "1.10", "sub/mine"])
def test_a_file_is_chosen_by_its_name_whatever_that_is_and_in_a_sweep_too(folder, monkeypatch, name):
    path = folder / "experiment" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("# @package _global_\nprompts: {rows: 0-6}\n")
    monkeypatch.setattr("sys.argv", ["eval.run", "--config-dir", str(folder), "-m", f"experiment={name},quick"])
    ((words, settings), _) = compose_jobs("run", read_settings)
    assert settings.prompts.rows == "0-6"
    monkeypatch.setattr("sys.argv", ["eval.run", f"--config-dir={folder}", *map(typed_again, words)])
    again = []
    compose_and_call("run", lambda config: again.append(read_settings(config)) or 0)
    assert again == [settings]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("modle=sd14", "did you mean model=sd14?"),
        ("prompts.row=3", "did you mean prompts.rows=3?"),
        ("slurm.time=1", "tells SLURM how to run this"),
        ("experiment=mine", "that holds it with --config-dir FOLDER"),
        ("experiment=null", "leave it out"),
        ("model=demo,sd14", "add -m, for one run per value"),
    ],
)
def test_a_choice_or_key_that_there_is_not_is_said_with_what_there_is(call, capfd, word, said):
    assert call(main, word) == 2
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("model: {unet: gone.safetensors}\n", [], "correct model.unet=PATH ({file}, line 2)"),
        (
            "protocol:\n  seed_offset: 1\n  steps: many\n",
            [],
            "found 'many': correct it, or leave it out ({file}, line 4)",
        ),
        ("protocol:\n  stepz: 3\n", [], "did you mean protocol.steps? ({file}, line 3)"),
        ("methods:\n  - baseline\n  - sld_maxx\n", [], "did you mean 'sld_max'? ({file}, line 4)"),
        ("defaults:\n  - override /protocol: papr\n", [], "did you mean paper? ({file}, line 3)"),
        ("model: {lora: [{path: gone.safetensors}]}\n", [], "give the path of the file ({file}, line 2)"),
        ("protocol: {steps: many}\n", ["protocol.steps=few"], "found 'few': correct it, or leave it out"),
        ("out: runs/x\n", ["prompts.path=x.csv"], "choose prompts=i2p): leave it out"),
        ("images: some\n", [], "found 'some': choose one of these ({file}, line 2)"),
        ("protocol: {steps: 20}\n", ["dtype=half"], "found 'half': did you mean float16?"),
    ],
)
@pytest.mark.parametrize("sweep", [False, True])
def test_a_refusal_names_the_file_and_line_of_what_it_refuses(tmp_path, call, capfd, text, words, told, sweep):
    (tmp_path / "experiment").mkdir()
    (file := tmp_path / "experiment/mine.yaml").write_text(f"# @package _global_\n{text}")
    more = ["-m", "protocol.reuse=1,2"] if sweep else []
    words = ["--config-dir", str(tmp_path), "experiment=mine", *words, *more, f"out={tmp_path}/run"]
    assert call(main, *words) == 2
    assert capfd.readouterr().err.endswith(f"{told.format(file=file)}\n")
