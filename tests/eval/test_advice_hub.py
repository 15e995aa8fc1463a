"""Advice on what the hub or a disk has: typed as told, it is accepted. The hub is a folder here, read by `datasets`."""

import io
import re
import subprocess
import urllib.request

import datasets
import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError
from in_process import Accepted
from safetensors.torch import save_file

from eval.run import main
from i2p import hub as hub_of_prompts

HEADER = "prompt,categories,sd_seed\n"
PATH = (r"prompts\.path=FILE", "prompts=i2p prompts.path={file}")


@pytest.fixture
def refuse_then_accept(call, capsys, monkeypatch, tmp_path):
    """Types what is refused, checks the sentence, and types what it says, up to where `place` is reached."""

    def accept(*_, **__):
        raise Accepted

    def refuse_then_accept(typed: str, advice: str, then: str, place: str = "eval.generate.drawing_run.open_models"):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(place, accept)
        monkeypatch.setattr(
            huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache")
        )  # a user's own may hold it
        assert call(main, *typed.split(), "out=fresh") == 2
        sentence = capsys.readouterr().err.splitlines()[-1]
        assert re.search(advice, sentence), sentence
        code = call(main, *then.split(), "out=fresh")
        assert code == Accepted.code, capsys.readouterr().err

    return refuse_then_accept


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Takes the text of the CSV that every data set of the hub is, and whether the hub answers."""
    there, cache = datasets.load_dataset, str(tmp_path / "cache")
    (path := tmp_path / "hub.csv").write_text(HEADER)

    def load_dataset(name, revision=None, split=None, **options):
        if options:  # as where an earlier version put the set into the cache
            raise ValueError("Couldn't find a cache for this config")
        return there("csv", data_files=str(path), split=split, cache_dir=cache)

    def hub(text: str, reachable: bool = True):
        path.write_text(text)
        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", not reachable)
        monkeypatch.setattr(hub_of_prompts, "is_reachable", lambda _: reachable)

    datasets.disable_progress_bars()
    yield hub
    datasets.enable_progress_bars()


@pytest.fixture
def file(tmp_path):
    (path := tmp_path / "list.csv").write_text(HEADER + "a fox,hate,1\n")
    return path


@pytest.mark.parametrize(
    ("text", "reachable", "typed", "advice", "then"),
    [
        (HEADER + "a fox,hate,1\n", True, "prompts=i2p", *PATH),
        (
            HEADER + "a fox,hate,1\n",
            True,
            "prompts=i2p",
            r"the data set has changed: .* prompts\.revision=COMMIT",
            "prompts=i2p prompts.revision=0123456",
        ),
        (
            HEADER + "a fox,hate,1\n",
            False,
            "prompts=i2p prompts.source=a/b prompts.revision=0123456",
            r"may be another, .*leave prompts\.revision= out",
            "prompts=i2p prompts.source=a/b",
        ),
        (
            HEADER + "a fox,hate,-1\n",
            True,
            "prompts=i2p prompts.source=a/b",
            r"in a copy of the set, which is given with prompts\.path=FILE",
            PATH[1],
        ),
        (
            HEADER + "NA,hate,1\na fox,hate,2\n",
            True,
            "prompts=i2p prompts.source=a/b",
            r"download the file and give it, prompts\.path=FILE",
            PATH[1],
        ),
    ],
)
def test_what_is_said_of_a_set_of_the_hubs_is_accepted(
    text, reachable, typed, advice, then, hub, file, refuse_then_accept
):
    hub(text, reachable)
    refuse_then_accept(typed, advice, then.format(file=file))


def test_weights_that_the_hub_has_as_a_pickle_are_taken_once_that_is_allowed(tmp_path, monkeypatch, refuse_then_accept):
    save_file({"prompts": torch.tensor([[1.0], [-1.0]]).repeat(1, 768)}, tmp_path / "pair.safetensors")
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.bin")

    def download(repository, name, **_):
        if name.endswith(".safetensors"):
            raise EntryNotFoundError("none")
        return str(tmp_path / "weights.bin")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    words = (
        f"q16=vit_l_14 q16.architecture=ViT-L-14-quickgelu q16.weights=openai q16.prompts={tmp_path}/pair.safetensors"
    )
    refuse_then_accept(
        words, r"set q16\.allow_pickle=true", f"{words} q16.allow_pickle=true", "eval.judges.clip.encoder.load_model"
    )


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_run_that_a_full_disk_stopped_ends_once_there_is_room_or_another_place(
    disk, tmp_path, call, capsys, elsewhere
):
    words = ["prompts.rows=[0,1]", "protocol.steps=1", "methods=[baseline]", "judges=[q16]", "sheet=false"]
    (disk / "filler").write_bytes(bytes(330_000))
    assert call(main, *words, f"out={disk}/run") == 3
    advice = "make room or set out= to another place, then run the same command again"
    assert advice in capsys.readouterr().err
    if not elsewhere:
        (disk / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,size=100M", disk], check=True)
    assert call(main, *words, f"out={tmp_path if elsewhere else disk}/run") == 0
