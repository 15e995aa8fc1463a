import builtins
import hashlib
import os
import pickle
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save

from eval.base.errors import InputError
from eval.judges import prompt_pair
from eval.judges.prompt_pair import fetch_published, load_prompt_pair

PAIR = np.random.default_rng(0).standard_normal((2, 12)).astype(np.float32)


def pair_file(array):
    return save({"prompts": np.ascontiguousarray(array)})


def test_the_published_pair_is_read_as_pickle_would(q16_prompts):
    pair = load_prompt_pair(q16_prompts)
    with q16_prompts.open("rb") as file:
        expected = pickle.load(file)  # the real file, known by its digest
    assert pair.embeddings.dtype == np.float32
    np.testing.assert_array_equal(pair.embeddings, expected.astype(np.float32))
    assert pair.published
    assert pair.sha256 == hashlib.sha256(q16_prompts.read_bytes()).hexdigest()


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numpys_own_pickles_are_read(tmp_path, protocol, dtype, order):
    array = np.array(PAIR, dtype=dtype, order=order)
    path = tmp_path / "pair.p"
    path.write_bytes(pickle.dumps(array, protocol))
    if protocol == 2:  # its bytes go through codecs.encode, a name that an array doesn't need
        with pytest.raises(InputError, match=r"_codecs\.encode"):
            load_prompt_pair(path)
    else:
        np.testing.assert_array_equal(load_prompt_pair(path).embeddings, array.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("pair.safetensors", save({"prompts": PAIR})),
        ("pair.safetensors", save({"anything": PAIR})),
        ("pair.safetensors", save({"prompts": PAIR, "other": PAIR[:1]})),
    ],
)
def test_a_safetensors_file_is_read(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    pair = load_prompt_pair(tmp_path / name)
    np.testing.assert_array_equal(pair.embeddings, PAIR)
    assert pair.sha256 == hashlib.sha256(data).hexdigest()
    assert not pair.published


@pytest.mark.parametrize("name", ["pair.npy", "pair.npz", "pair.pkl"])
def test_a_pair_with_which_an_older_version_began_a_run_is_still_read(tmp_path, name):
    path = tmp_path / name
    writers = {"npy": np.save, "npz": lambda path, array: np.savez(path, prompts=array)}
    writers.get(path.suffix[1:], lambda path, array: path.write_bytes(pickle.dumps(array, 4)))(path, PAIR)
    np.testing.assert_array_equal(load_prompt_pair(path).embeddings, PAIR)


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile_pickles(mark):
    command = f"touch {mark}"
    objects = np.array([[Call(os.system, command), 1], [2, 3]], dtype=object)
    calls = {
        "os.system": Call(os.system, command),
        "eval": Call(builtins.eval, f"__import__('os').system({command!r})"),
        "nested in a list": [PAIR, {"a": Call(os.system, command)}],
        "argument of another": Call(len, Call(os.system, command)),
        "numpy's own loader": Call(np.load, str(mark)),
        "object array": objects,
        "getattr chain": Call(getattr, np.ndarray, "tofile"),
    }
    found = {f"{name}, protocol {p}": pickle.dumps(value, p) for name, value in calls.items() for p in (0, 2, 4, 5)}
    found["GLOBAL by hand"] = b"cposix\nsystem\n(S'" + command.encode() + b"'\ntR."
    found["INST by hand"] = b"(S'" + command.encode() + b"'\niposix\nsystem\n."
    found["STACK_GLOBAL by hand"] = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x01x\x85R."
    found["dotted name"] = b"\x80\x04\x8c\x05numpy\x8c\x13ndarray.__init__.__x\x93."
    found["persistent id"] = b"\x80\x04\x8c\x04name\x51."
    found["extension code"] = b"\x80\x02\x82\x01."
    return found


@pytest.mark.parametrize("name", hostile_pickles("mark"))
def test_hostile_pickles_run_nothing(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pair.p"
    path.write_bytes(hostile_pickles("mark")[name])
    with pytest.raises(InputError, match="can't be read") as error:
        load_prompt_pair(path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "mark").exists()


def test_hostile_pickles_would_run_in_pickle_itself(tmp_path, monkeypatch):
    """So that the test above can't pass with pickles that do nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("os.system, protocol 4", "GLOBAL by hand", "INST by hand", "object array, protocol 2"):
        pickle.loads(hostile_pickles("mark")[name])
        assert (tmp_path / "mark").exists(), name
        (tmp_path / "mark").unlink()


def test_a_pickle_can_not_change_how_the_next_one_is_read(tmp_path):
    poison = b"\x80\x04\x8c\x05numpy\x8c\x07ndarray\x93N}\x8c\x0c__setstate__\x8c\x05numpy\x8c\x05dtype\x93s\x86b."
    for name, data in {"poison.p": poison, "pair.p": pickle.dumps(PAIR, 4)}.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError):
        load_prompt_pair(tmp_path / "poison.p")
    np.testing.assert_array_equal(load_prompt_pair(tmp_path / "pair.p").embeddings, PAIR)


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("pair.p", b"", "can't be read"),
        ("pair.p", pickle.dumps(PAIR, 4)[:-40], "can't be read"),
        ("pair.p", pickle.dumps([1, 2], 4), "no numpy array"),
        ("pair.p", pickle.dumps(np.array([[1, 2], [3, 4]]), 4), "not of floating-point"),
        ("pair.safetensors", b"garbage", "can't be read"),
        ("pair.safetensors", save({"a": PAIR, "b": PAIR}), "none is named prompts"),
        ("pair.bin", b"anything", "must be .safetensors or .p, found"),
        ("pair.safetensors", pair_file(PAIR[:1]), r"shape \(1, 12\)"),
        ("pair.safetensors", pair_file(PAIR.reshape(2, 3, 4)), r"shape \(2, 3, 4\)"),
        ("pair.safetensors", pair_file(PAIR[:, :0]), r"shape \(2, 0\)"),
        ("pair.safetensors", pair_file(np.ones((2, 3), np.int64)), "int64"),
        ("pair.safetensors", pair_file(np.array([[1.0, np.nan], [1, 1]])), "found nan and"),
        ("pair.safetensors", pair_file(np.array([[1.0, 1], [0, 0]])), r"and 0\.0 in"),
        ("pair.safetensors", pair_file(np.array([[1.0, 1e300], [1, 1]])), "found inf and"),
        ("pair.safetensors", pair_file(np.array([[1.0, 1], [1e-30, 1e-30]])), r"and 0\.0 in"),
        ("pair.pt", b"anything", "to .safetensors"),
    ],
)
def test_anything_but_two_directions_is_refused(tmp_path, name, data, found):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=found):
        load_prompt_pair(tmp_path / name)


def test_a_missing_and_a_huge_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="found none at"):
        load_prompt_pair(tmp_path / "none.safetensors")
    with (tmp_path / "huge.safetensors").open("wb") as file:
        file.truncate(prompt_pair.MAX_BYTES + 1)
    with pytest.raises(InputError, match="bytes in"):
        load_prompt_pair(tmp_path / "huge.safetensors")


def test_a_given_digest_has_to_match(tmp_path):
    data = pair_file(PAIR)
    (tmp_path / "pair.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    assert load_prompt_pair(tmp_path / "pair.safetensors", digest.upper()).sha256 == digest
    with pytest.raises(InputError, match=f"must have sha256 {'0' * 64}, found {digest}"):
        load_prompt_pair(tmp_path / "pair.safetensors", "0" * 64)


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """A server of one answer on loopback; the user's cache is a fresh folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    servers, asked = [], []

    def start(status, data):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments):
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/prompts.p"

    start.asked, start.cache = asked, tmp_path / "cache" / "i2p-bench"
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_published_file_is_fetched_once_and_kept(serve):
    data = pickle.dumps(PAIR, 4)
    digest = hashlib.sha256(data).hexdigest()
    url = serve(200, data)
    first = fetch_published(url, digest)
    assert first.read_bytes() == data
    assert fetch_published(url, digest) == first
    assert len(serve.asked) == 1
    assert os.listdir(serve.cache) == [first.name]
    first.write_bytes(data[:-1])  # damaged since
    assert fetch_published(url, digest).read_bytes() == data
    assert len(serve.asked) == 2


@pytest.mark.parametrize(("status", "found"), [(200, "other bytes"), (404, "the HTTP status 404")])
def test_wrong_answers_are_not_stored(serve, status, found):
    with pytest.raises(InputError, match=f"{found}.*put the file with sha256 {'0' * 64} at {serve.cache}"):
        fetch_published(serve(status, b"something"), "0" * 64)
    assert not serve.cache.exists()


def test_offline_nothing_is_asked_for(serve, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="while HF_HUB_OFFLINE is set: put the file"):
        fetch_published(serve(200, b""))


def test_without_a_connection_the_answer_says_where_to_put_the_file(serve):
    url = serve(200, b"")
    port = int(url.split(":")[2].split("/")[0])
    closed = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    closed_url = url.replace(str(port), str(closed.server_port))
    closed.server_close()
    with pytest.raises(InputError, match=f"no connection.*{serve.cache}") as error:
        fetch_published(closed_url)
    assert "\n" not in str(error.value)


def test_no_path_means_the_published_pair_from_the_cache(serve, q16_prompts):
    serve.cache.mkdir(parents=True)
    (serve.cache / "q16-prompts-9b6c4118.p").write_bytes(q16_prompts.read_bytes())
    assert load_prompt_pair().published
