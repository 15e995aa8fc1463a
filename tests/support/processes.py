"""Commands in processes of their own that begin with everything imported: real signals, exit codes and streams, fast.

A command spends seconds on imports before its first line. A server (`forking.py`) imports them once; for each command
it forks a child, which gets the caller's streams, folder and environment and becomes `python -m MODULE …` or
`python SCRIPT …`. `run` and `start` are used as `subprocess.run` and `subprocess.Popen` are. What Python or a library
reads when it starts can't be given to a child: a command with options of Python's, or with environment variables other
than those in `FREE` that differ from the server's, is started in the usual way.
"""

import atexit
import functools
import io
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# Read by the commands themselves, whenever they look; or set by libraries, for themselves, where they are imported.
FREE = ("SLURM", "SBATCH", "PATH", "PWD", "COLUMNS", "LOG", "STATE", "PYTEST_", "CUDA_VISIBLE_DEVICES", "I2P_BENCH")
FREE += ("TORCHINDUCTOR_", "KMP_", "ORT_", "LD_LIBRARY_PATH", "QT_QPA_")


class Process:
    """A child of the server, with what of `subprocess.Popen` the tests use."""

    def __init__(self, connection: socket.socket, streams: Mapping[str, io.IOBase | None]):
        self._connection = connection
        self.stdout, self.stderr = streams["stdout"], streams["stderr"]
        self.returncode: int | None = None
        self.pid = json.loads(self._answer())["pid"]

    def _answer(self) -> bytes:
        answer = b""
        while not answer.endswith(b"\n"):  # byte by byte: the next line may be there already
            part = self._connection.recv(1)
            if not part:
                raise RuntimeError("the server of the tests' processes has ended")
            answer += part
        return answer

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
                    self.returncode = json.loads(self._answer())["code"]
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
    """Start a command as `subprocess.Popen` does, from the server where that is the same."""
    words = [os.fspath(word) for word in words]
    environment = dict(os.environ if env is None else env)
    if not _can_fork(words, environment):
        return subprocess.Popen(words, stdout=stdout, stderr=stderr, text=text, cwd=cwd, env=env)
    ours, theirs = {}, []
    for name, wanted in (("stdout", stdout), ("stderr", stderr)):
        ours[name] = None
        if wanted == subprocess.PIPE:
            reading, writing = os.pipe()
            ours[name] = open(reading, "r" if text else "rb", **({"encoding": "utf-8"} if text else {}))  # noqa: SIM115
        elif wanted == subprocess.DEVNULL:
            writing = os.open(os.devnull, os.O_WRONLY)
        else:
            writing = os.dup(wanted.fileno() if wanted else {"stdout": 1, "stderr": 2}[name])
        theirs.append(writing)
    request = {"words": words[1:], "cwd": os.fspath(cwd or os.getcwd()), "environment": environment}
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(_server())
    payload = json.dumps(request).encode("utf-8", "surrogateescape")
    socket.send_fds(connection, [len(payload).to_bytes(8, "big")], theirs)
    connection.sendall(payload)
    for writing in theirs:
        os.close(writing)
    return Process(connection, ours)


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


def _can_fork(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    changed = {key for key in {*environment, *os.environ} if environment.get(key) != os.environ.get(key)}
    as_script = len(words) > 1 and words[1].endswith(".py")
    return (
        words[0] == sys.executable
        and (words[1:2] == ["-m"] or as_script)
        and all(key.startswith(FREE) for key in changed)
    )


@functools.cache
def _server() -> str:
    """The address of this process's server, which is started at the first call and ends with this process."""
    folder = tempfile.mkdtemp(prefix="processes-")
    address = os.path.join(folder, "socket")
    program = Path(__file__).with_name("forking.py")
    # It reads its standard input to the end, which comes when this process has gone, however.
    server = subprocess.Popen([sys.executable, program, address], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    atexit.register(_end, server, folder)
    while not os.path.exists(address):
        if server.poll() is not None:
            raise RuntimeError("the server of the tests' processes does not start")
        time.sleep(0.02)
    return address


def _end(server: subprocess.Popen, folder: str) -> None:
    server.stdin.close()
    server.wait()
    shutil.rmtree(folder)
