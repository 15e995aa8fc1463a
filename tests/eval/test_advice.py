"""Every advice to type something works: typed as told, it is accepted."""

import os
import re
import runpy
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler
from huggingface_hub import constants
from in_process import Accepted

import i2p
import sld
from eval.base.errors import InputError
from eval.compare.__main__ import main as compare
from eval.judges import judge_class
from eval.power.__main__ import main as power
from eval.report.__main__ import main as report
from eval.run import main as run
from eval.status import main as status
from eval.submit.__main__ import main as submit
from sld.safety import check_guidance

pytestmark = pytest.mark.long

ROOT = Path(sld.__file__).parents[1]
HERE = Path(__file__)
READING = runpy.run_path(str(HERE.with_name("sentences.py")))
SENTENCES, as_told = dict(READING["sentences_to_type"](ROOT)), READING["as_told"]
HARNESS, JUDGES, LIBRARIES, MAKERS = (
    runpy.run_path(str(HERE.with_name(f"advice{part}.py"))) for part in ("", "_judges", "_libraries", "_files")
)
TRIALS = [trial for part in (HARNESS, JUDGES, LIBRARIES) for trial in part["TRIALS"]]
EXCEPTIONS = LIBRARIES["EXCEPTIONS"]
# What only a script can have raised, and not the command line, or needs blanks in a word; below.
IN_PYTHON = (
    "the scheduler must be for …, as",
    "must hold prompts without negative prompts of their own",
    "the scheduler must end without signal",
    "safety guidance must be a frozen dataclass",
    "correct index= or count=",
    "leave …= out for the default",
    "must be a mapping from methods to names for print",  # tests/eval/config/test_names.py
    "either unet or parts must name the UNet",
    "pipe must have text encoders and a",  # docs/attach.md's examples load so: tests/sld/test_attach_page.py
)
COMMANDS = {"REPORT": report, "COMPARE": compare, "STATUS": status, "SUBMIT": submit, "POWER": power}
# What test_advice_hub tries: it needs a hub.
ON_THE_HUB = (
    *("found no such file: set allow_pickle", "the data set has changed"),
    *("found a cached version that may be another", "(in a copy of the set", "download the file and give it"),
)
# Where a command is accepted, by how far it has to come for that.
PLACES = {
    "checked": ("eval.config.paths.check_paths",),
    "loaded": ("eval.generate.drawing_run.open_models", "eval.generate.judge_folder.make_missing"),
    "opened": ("eval.generate.drawing_run.choose_engine",),
    "drawn": ("eval.generate.loop.draw_missing",),
    "fetched": ("eval.judges.clip.weights._fetch_from_hub", "i2p.sources._from_hub"),
    "weighed": ("sld.checkpoints.single_file.check_original",),
    "fitted": ("eval.judges.clip.encoder.load_model",),
    "judged": ("eval.generate.models.load_model",),
    "read": ("eval.generate.judge_folder.read_ahead",),
    "ends": (),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory, call) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("advice")
    made = {}
    for kind in ("texts", "checkpoints", "judges", "clusters"):
        made |= MAKERS[kind](folder)
    made |= MAKERS["runs"](folder, call)
    data = os.environ.get("I2P_BENCH_DATA", ROOT.parent / "shared/data")
    checkout = folder / "checkout"  # lines are split into words, and the real path may have spaces
    checkout.symlink_to(ROOT)
    made = {name: _below(checkout, ROOT, path) for name, path in made.items()}
    return made | {
        "none": folder / "none",
        "empty": folder / "empty",
        "published": Path(data, "q16/ViT-L-14.prompts.p"),
    }


def _below(other: Path, root: Path, path: Path | str) -> Path | str:
    """A path below a folder as a path below another one; what is no such path, as it is."""
    return other / Path(path).relative_to(root) if Path(path).is_relative_to(root) else path


@pytest.fixture(scope="module")
def accepted() -> dict:
    """What became of the words that were typed as told."""
    return {}


@pytest.fixture
def type_words(files, call, tmp_path, monkeypatch):
    """Types a line of the table and returns the exit code, or `Accepted.code` where it came as far as it had to."""

    def accept(*_, **__):
        raise Accepted

    def type_words(line: str, place: str):
        if str(files["published"]) in line and not files["published"].is_file():
            pytest.skip("the published pair is not here")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # a user's own may hold what is not to be found
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        words = line.split()
        command = COMMANDS[words.pop(0)] if words and words[0] in COMMANDS else run
        if command in (run, submit) and "--help" not in words and not any(word.startswith("out=") for word in words):
            words.append("out=fresh")
        with monkeypatch.context() as patch:
            for name in PLACES[place]:
                patch.setattr(name, accept)
            for word in [word for word in words if word.startswith("PATH=")]:
                patch.setenv("PATH", word.removeprefix("PATH="))
                words.remove(word)
            return call(command, *words)

    return type_words


@pytest.mark.parametrize(
    ("source", "typed", "advice", "values", "place"), TRIALS, ids=[f"{n}-{trial[0]}" for n, trial in enumerate(TRIALS)]
)
def test_what_a_sentence_says_to_type_is_accepted(
    source, typed, advice, values, place, type_words, files, accepted, capsys
):
    capsys.readouterr()
    assert type_words(typed.format(**files), place) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    [pattern] = [pattern for text, pattern in SENTENCES.items() if source in text]
    assert pattern.search(sentence), sentence
    told = re.search(re.escape(advice.format(**files)).replace("…", ".*"), sentence)
    assert told, sentence
    then = as_told(typed.format(**files), told[0], values.format(**files))
    if (then, place) not in accepted:  # many sentences lead to the same words
        accepted[then, place] = type_words(then, place)
    code = accepted[then, place]
    assert code == (0 if place == "ends" else Accepted.code), capsys.readouterr().err


def test_every_sentence_with_something_to_type_is_tried():
    sources = [*(trial[0] for trial in TRIALS), *IN_PYTHON, *ON_THE_HUB, *EXCEPTIONS]
    for source in sources:
        assert len([text for text in SENTENCES if source in text]) == 1, source
    untried = [text for text in SENTENCES if not any(source in text for source in sources)]
    assert not untried


def test_a_scheduler_object_that_contradicts_a_mark_gives_way_to_a_name_or_a_setting(files):
    def load(scheduler):
        return sld.load_model(files["zero_v"], config=files["model"], scheduler=scheduler)

    for config, sentence in (
        ({}, "choose one by name, as in scheduler=ddim, or set that in its own configuration"),
        ({"prediction_type": "v_prediction"}, "choose one of ddim, .*, as in scheduler=ddim"),
    ):
        with pytest.raises(sld.InputError, match=sentence):
            load(DDIMScheduler(**config))
    load("ddim")
    load(DDIMScheduler(prediction_type="v_prediction", rescale_betas_zero_snr=True))


def test_guidance_is_taken_once_it_is_decorated_as_told():
    class Mine(sld.SafetyGuidance):
        warmup_steps: int = 0

        def guide(self, e_0, e_p, e_s, memory):
            return torch.zeros_like(e_0), memory

    with pytest.raises(sld.InputError, match=r"decorate it with @dataclass\(frozen=True\)"):
        check_guidance(Mine())
    check_guidance(dataclass(frozen=True)(Mine)())


def test_a_shard_is_there_once_its_index_or_count_is_corrected():
    prompts = i2p.load_prompts("demo")
    with pytest.raises(i2p.InputError, match="correct index= or count="):
        i2p.shard(prompts, 2, 2)
    assert i2p.shard(prompts, 1, 2)
    assert i2p.shard(prompts, 2, 3)


def test_nudenet_takes_its_default_once_a_setting_is_left_out():
    with pytest.raises(InputError, match="leave threads= out for the default"):
        judge_class("nudenet")(threads=0)
    assert judge_class("nudenet")()


def test_a_list_with_negative_prompts_is_taken_once_their_column_is_renamed_and_one_is_a_methods(
    tmp_path, call, capsys, monkeypatch
):
    def accept(*_):
        raise Accepted

    monkeypatch.setattr("eval.generate.drawing_run.open_models", accept)
    (path := tmp_path / "list.csv").write_text("prompt,negative\na fox,blurry\n")
    words = ["prompts=i2p", f"prompts.path={path}", f"out={tmp_path}/run"]
    assert call(run, *words) == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    path.write_text(path.read_text().replace("negative", re.search(r"call it '(\w+)'", sentence)[1]))
    assert call(run, *words) == Accepted.code
    assert call(run, *words, re.search(r"methods=.*", sentence)[0]) == Accepted.code
