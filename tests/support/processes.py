"""Commands in processes of their own that begin with everything imported: real signals, exit codes and streams, fast.

A command spends seconds on imports before its first line. A server (`forking.py`) imports them once; for each command
it forks a child, which gets the caller's streams, folder and environment and becomes `python -m MODULE …` or
`python SCRIPT …`. `run` and `start` are used as `subprocess.run` and `subprocess.Popen` are. A command that no fork can
become, with options of Python's or other variables of libraries, is started in the usual way.

A command's workers are forks too. So is whatever it starts as `sys.executable`, where its own first word is `python()`.

The workers that xdist runs tests in are forks of that server's own fork, which has collected the tests (`workers`).
"""

import atexit
import functools
import io
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import launching

SERVER = Path(__file__).with_name("forking.py")
COLLECTING = SERVER.with_name("collecting.py")
SHARED = "PYTEST_PROCESSES"  # the variable that names the server's folder to the tests' workers
ENVIRONMENT = dict(os.environ)  # before any test has changed it
LINUX = hasattr(os, "pidfd_open")  # which the server needs; elsewhere commands start in the usual way


class Process:
    """A child of the server, with what of `subprocess.Popen` the tests use."""

    def __init__(self, pid: int, connection: socket.socket, stdout: io.IOBase | None, stderr: io.IOBase | None):
        self.pid, self.stdout, self.stderr = pid, stdout, stderr
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while the process is alive."""
        return self._ended(0)

    def wait(self) -> int:
        """Wait for the exit code."""
        return self._ended(None)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                if selector.select(timeout):
                    self.returncode = launching.read(self._connection)
                    self._connection.close()
        return self.returncode

    def communicate(self) -> tuple:
        """Everything that the process writes, and wait for its end."""
        streams = [stream for stream in (self.stdout, self.stderr) if stream]
        found = dict.fromkeys(streams, b"")
        with selectors.DefaultSelector() as selector:
            for stream in streams:
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    part = os.read(key.fd, 1 << 16)
                    found[key.fileobj] += part
                    if not part:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()
        self.wait()
        return tuple(stream and _as_read(stream, found[stream]) for stream in (self.stdout, self.stderr))

    def send_signal(self, number: int) -> None:
        """Send a signal, if the process is alive."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stream in filter(None, (self.stdout, self.stderr)):
            stream.close()
        self.wait()


def _as_read(stream: io.IOBase, written: bytes) -> str | bytes:
    if not isinstance(stream, io.TextIOBase):
        return written
    return io.TextIOWrapper(io.BytesIO(written), encoding=stream.encoding).read()


def start(words: Sequence, *, stdout=None, stderr=None, text=False, cwd=None, env=None):
    """Start a command as `subprocess.Popen` does, as a fork of the server where that is the same."""
    words = [os.fspath(word) for word in words]
    if LINUX and words[0] in (sys.executable, python()) and (process := _fork(words, stdout, stderr, text, cwd, env)):
        return process
    return subprocess.Popen(words, stdout=stdout, stderr=stderr, text=text, cwd=cwd, env=env)


def run(words: Sequence, *, capture_output=False, text=False, check=False, **options):
    """Run a command as `subprocess.run` does."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(words, text=text, **options) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(words, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def python() -> str:
    """A path that is used as `sys.executable` is, but starts forks of the server where that is the same."""
    return str(_server() / "python") if LINUX else sys.executable


def workers(words: Sequence[str]) -> str | None:
    """Start what forks xdist's workers.

    Args:
        words: of pytest's command line, by which tests are collected.

    Returns:
        The path of the workers' interpreter; None where there can be none: the tests can't be collected, which workers
        then say for themselves, or this is no Linux.
    """
    if not LINUX:
        return None
    os.environ[SHARED] = str(_server())
    folder = _server() / "workers"
    folder.mkdir()
    command = [sys.executable, COLLECTING, folder, *words]
    process = start(command, stdout=subprocess.DEVNULL)
    atexit.register(process._connection.close)  # which is its life
    while not (folder / "socket").exists():
        if process.poll() is not None:
            return None
        time.sleep(0.02)
    return str(folder / "python")


def _fork(words: list[str], stdout, stderr, text: bool, cwd, env: Mapping[str, str] | None) -> Process | None:
    ours, theirs = [], {0: os.open(os.devnull, os.O_RDONLY)}
    for number, wanted in ((1, stdout), (2, stderr)):
        ours.append(None)
        if wanted == subprocess.PIPE:
            reading, theirs[number] = os.pipe()
            ours[-1] = open(reading, "r" if text else "rb", **({"encoding": "utf-8"} if text else {}))  # noqa: SIM115
        elif wanted == subprocess.DEVNULL:
            theirs[number] = os.open(os.devnull, os.O_WRONLY)
        else:
            theirs[number] = os.dup(wanted.fileno() if wanted else number)
    connection = _connect(_server())
    environment = dict(os.environ if env is None else env)
    pid = launching.ask(connection, words, os.fspath(cwd or os.getcwd()), environment, theirs)
    for descriptor in theirs.values():
        os.close(descriptor)
    if pid:
        return Process(pid, connection, *ours)
    for opened in (connection, *filter(None, ours)):
        opened.close()
    return None


@functools.cache
def _server() -> Path:
    """The folder of the server, which all workers of one run of the tests share with the process that started them."""
    if shared := ENVIRONMENT.get(SHARED):
        folder = Path(shared)
    else:
        folder = Path(tempfile.mkdtemp(prefix="processes-"))
        _start_server(folder)
    connection = _connect(folder)
    atexit.register(connection.close)  # which keeps it open until then
    return folder


def _start_server(folder: Path) -> None:
    reading, _ = os.pipe()
    os.set_inheritable(reading, True)
    actions = [(os.POSIX_SPAWN_DUP2, reading, 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    command = [sys.executable, str(SERVER), str(folder)]
    pid = os.posix_spawn(sys.executable, command, ENVIRONMENT, file_actions=actions)
    os.close(reading)  # the other end stays open as long as this process lives, and so does the server
    while not (folder / "socket").exists():
        if os.waitpid(pid, os.WNOHANG)[0]:
            raise RuntimeError("the server of the tests' processes does not start")
        time.sleep(0.02)


def _connect(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(folder / "socket"))
    return connection
