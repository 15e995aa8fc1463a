"""A name always stands for a whole file."""

import errno
import os
import resource
import subprocess
import sys
from multiprocessing.pool import ThreadPool

import pytest

from eval.base.errors import StorageError
from eval.base.files import cannot_write, cannot_write_file, strict_json, write_atomic, write_new


def test_an_atomic_write_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "deep" / "file"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_new_file_is_written_by_exactly_one_of_many(tmp_path):
    path = tmp_path / "file"
    with ThreadPool(16) as pool:
        won = pool.map(lambda i: write_new(path, str(i).encode()), range(64))
    assert sum(won) == 1
    assert path.read_bytes() == str(won.index(True)).encode()
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("write", [write_atomic, write_new])
def test_a_failed_write_keeps_the_old_file_and_says_where_and_why(tmp_path, write, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"file could not be written \(No space left on device; .* MiB are free"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, "give this user permission or set out="),
        (errno.EROFS, "have the file system made writable or set out="),
        (errno.EDQUOT, "make room within this user's quota or set out="),
        (errno.EMFILE, "raise the limit on the number of open files (ulimit -n), then"),
        (errno.EIO, "check the disk or set out="),
    ],
)
def test_what_to_do_depends_on_why_a_write_is_refused(number, told, tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError) as refused:
        write_atomic(tmp_path / "file", b"new")
    assert f"({os.strerror(number)}): {told}" in str(refused.value)  # how much is free has nothing to do with it


def test_a_limit_on_the_size_of_a_file_is_named(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StorageError, match=r"too large\): raise the limit on the size of a file \(ulimit -f\), "):
            write_atomic(tmp_path / "file", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("place", ["before the rename", "while writing"])
def test_a_process_killed_in_a_write_leaves_the_old_file(tmp_path, place):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    function = "replace" if place == "before the rename" else "fsync"
    code = (
        "import os, signal, sys, pathlib\n"
        "from eval.base.files import write_atomic\n"
        f"os.{function} = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomic(pathlib.Path(sys.argv[1]), b'new' * 100000)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_bytes() == b"old"
    write_atomic(path, b"after")
    assert path.read_bytes() == b"after"


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(StorageError, match="folder/file could not be written"):
        write_atomic(tmp_path / "folder" / "file", b"x")


def test_without_hard_links_a_new_file_is_still_written_by_exactly_one(tmp_path, monkeypatch):
    def no_links(source, target):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    test_a_new_file_is_written_by_exactly_one_of_many(tmp_path)


def test_a_claim_that_a_killed_process_left_is_taken_over(tmp_path, monkeypatch):
    def without(*names):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("eval.base.files.os.link", without)
    monkeypatch.setattr("eval.base.files.CLAIM", 1)
    path = tmp_path / "manifest.json"
    path.touch()
    assert write_new(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert not write_new(path, b"late")


def test_json_is_what_every_reader_takes():
    assert strict_json({"a": "é"}) == '{\n  "a": "é"\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        strict_json({"a": float("inf")})


def test_a_disk_that_takes_an_empty_file_only_can_t_be_written(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        assert cannot_write(tmp_path / "new", 1000) is None
        assert cannot_write(tmp_path / "new", 1001) == (tmp_path, "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [*tmp_path.iterdir()]


def test_a_file_into_which_a_process_prints_is_not_replaced(tmp_path):
    """As in `power out=/dev/stdout > plan.csv`, which would make a file of the link in /dev."""
    (path := tmp_path / "printed").touch()
    link, kept = tmp_path / "link", os.dup(0)
    link.symlink_to("/proc/self/fd/0")
    assert cannot_write_file(path) is None
    with path.open() as file:
        try:
            os.dup2(file.fileno(), 0)
            assert {cannot_write_file(name) for name in (path, link)} == {"what is printed goes there"}
            os.close(0)
            assert cannot_write_file(path) is None
        finally:
            os.dup2(kept, 0)
            os.close(kept)
