"""Weights files: given, in torch's cache or downloaded from a server here, and refused with other bytes."""

import functools
import http.server
import pickle
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from eval.base.errors import InputError
from eval.quality import inception, lpips
from eval.quality.weights import Weights, check_weights, fetch, present, read
from sld.checkpoints.files import sha256


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "served" / "network-weights.pth"
    path.parent.mkdir()
    torch.save({"a": torch.arange(3)}, path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def weights(file):
    return Weights("Network", "quality.key", f"http://127.0.0.1:9/{file.name}", sha256(file))


@pytest.fixture
def server(file, weights, monkeypatch):
    """The weights with the address of a server on this machine that has them."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=file.parent)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield replace(weights, url=f"http://127.0.0.1:{running.server_port}/{file.name}")
        running.shutdown()
        thread.join()


def refusal(call, *arguments) -> str:
    with pytest.raises(InputError) as error:
        call(*arguments)
    return str(error.value)


def test_a_given_file_is_read_whatever_its_name(weights, file, cache):
    other = file.rename(file.with_name("renamed.bin"))
    check_weights(weights, str(other))
    assert read(weights, str(other))["a"].tolist() == [0, 1, 2]


def test_a_file_in_the_cache_is_read(weights, file, cache):
    cache.mkdir(parents=True)
    file.rename(cache / file.name)
    check_weights(weights, None)
    assert fetch(weights, None) == cache / file.name
    assert read(weights, None)["a"].tolist() == [0, 1, 2]


def test_other_bytes_are_refused_before_they_are_unpickled(weights, tmp_path, cache):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    hostile = tmp_path / "hostile.pth"
    hostile.write_bytes(pickle.dumps(Bomb(), 2))
    for call in (check_weights, read):
        sentence = refusal(call, weights, str(hostile))
        assert sentence.startswith(f"quality.key must be the file network-weights.pth, sha256 {weights.sha256}, found")
        assert sentence.endswith(f"download {weights.url} (sha256 {weights.sha256}) and give it as quality.key=FILE")
    cache.mkdir(parents=True)
    hostile.rename(cache / weights.name)
    assert refusal(read, weights, None).endswith(f"delete it, so that {weights.url} is downloaded again")
    # A pickle that runs code does not even if its digest is the expected one.
    with pytest.raises(pickle.UnpicklingError):
        read(replace(weights, sha256=sha256(cache / weights.name)), None)
    assert not (tmp_path / "exploded").exists()


def test_without_a_connection_it_is_said_which_file_is_wanted(weights, cache, monkeypatch, tmp_path):
    wanted = f"download {weights.url} (sha256 {weights.sha256}) and give it as quality.key=FILE"
    for call in (check_weights, fetch):
        assert refusal(call, weights, None) == (
            f"Network's weights must be in torch's cache, found none at {cache / weights.name} while HF_HUB_OFFLINE "
            f"is set: {wanted}"
        )
        assert "found none at" in refusal(call, weights, str(tmp_path / "absent.pth"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # nothing listens at the weights' address
    for call in (check_weights, fetch):
        assert refusal(call, weights, None).endswith(f"and no connection: {wanted}")
    assert not cache.exists()


def test_a_missing_file_is_downloaded_once(server, cache, file):
    check_weights(server, None)
    assert present(server, None) == []
    assert not cache.exists()  # neither downloads anything
    assert read(server, None)["a"].tolist() == [0, 1, 2]
    file.unlink()
    assert [fetch(server, None)] == present(server, None) == [cache / file.name]


def test_a_download_of_other_bytes_is_refused_and_leaves_nothing(server, cache):
    sentence = refusal(fetch, replace(server, sha256="0" * 64), None)
    assert "must be readable from" in sentence
    assert "invalid hash value" in sentence
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("weights", [inception.WEIGHTS, *lpips.BACKBONES.values()], ids=lambda weights: weights.name)
def test_a_published_name_ends_in_the_beginning_of_its_digest(weights):
    """As torch.hub checks it of these files."""
    assert re.fullmatch(r"[0-9a-f]{64}", weights.sha256)
    assert torch.hub.HASH_REGEX.search(weights.name)[1] == weights.sha256[:8]
