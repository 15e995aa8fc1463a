"""The server behind `processes`: `python forking.py FOLDER` imports what commands import and forks a child per request.

A request is what `launching.ask` makes of a command. It is answered with the process id of a child, 0 where a fork is
no good, and then with the child's exit code, negative for a signal. A child is killed when its connection ends, and the
server ends when nobody is connected any more. One of the children may be a server itself, of the tests' workers
(`collecting.py`).
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import marshal
import multiprocessing
import os
import pkgutil
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

# Imported before the first command, with every module of ours. Not onnxruntime: a fork of it hangs at its end, waiting
# for a thread that was not forked.
LIBRARIES = (
    "torch pandas pyarrow.parquet scipy.stats cv2 jinja2 safetensors.torch datasets hydra open_clip tqdm",
    "matplotlib.figure matplotlib.backends.backend_agg matplotlib.backends.backend_svg",
    "PIL.PngImagePlugin PIL.JpegImagePlugin",
    "transformers.models.clip.modeling_clip transformers.models.clip.tokenization_clip diffusers.schedulers",
    "diffusers.models.unets.unet_2d_condition diffusers.models.autoencoders.autoencoder_kl",
)
OURS = ("eval", "sld", "i2p")
# Variables that may differ from the server's: read by the commands themselves, whenever they look; set by libraries,
# for themselves, where they are imported; and what a shell sets, or SLURM for its jobs.
FREE = (
    *("SLURM", "SBATCH", "HYDRA_", "LOG", "STATE", "PYTEST_", "I2P_BENCH", "CUDA_VISIBLE_DEVICES", "PYTHONSAFEPATH"),
    *("TORCHINDUCTOR_", "KMP_", "ORT_", "LD_LIBRARY_PATH", "QT_QPA_"),
    *("HF_HUB_DISABLE_PROGRESS_BARS", "TOKENIZERS_PARALLELISM"),
    *("PATH", "PWD", "OLDPWD", "SHLVL", "COLUMNS", "LINES", "_", "ENVIRONMENT", "HOSTNAME", "TMPDIR"),
)
WORKER = "from multiprocessing.spawn import spawn_main"
HIGH = 512  # above every number that a command was given


@dataclass(frozen=True)
class Child:
    """A command at work, and the connection of whoever waits for it."""

    pid: int
    pidfd: int
    connection: socket.socket


def import_all() -> None:
    """Import what commands import, and have libraries ready."""
    gc.disable()  # what is imported stays
    for library in " ".join(LIBRARIES).split():
        importlib.import_module(library)
    for package in OURS:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(module.name)
    _prepare()


def serve(folder: Path, can_fork: Callable[[dict, dict], bool], stdin: bool) -> dict:
    """Fork a child for each request; return the request in the child.

    Args:
        folder: of the socket and of the launcher, `python`.
        can_fork: whether a fork does what is asked for: of a request and this environment.
        stdin: whether this process ends when its input and all connections have ended, rather than when it is killed.
    """
    environment = dict(os.environ)
    listening = _listen(folder)
    gc.freeze()  # or a child's first collection would copy every page
    gc.enable()
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ)
    if stdin:
        selector.register(0, selectors.EVENT_READ)  # whose end comes when the one that started the server has gone
    while not stdin or len(selector.get_map()) > 1:
        (key, _), *_ = selector.select()
        if key.fileobj is listening:
            selector.register(listening.accept()[0], selectors.EVENT_READ)
        elif key.data is not None:
            _end(key, selector)
        elif key.fileobj == 0:
            selector.unregister(0)
        elif (request := _receive(key.fileobj)) is None:
            selector.unregister(key.fileobj)
            key.fileobj.close()
        elif not can_fork(request, environment):
            _close(request["received"])
            _answer(key.fileobj, 0)
        elif pid := os.fork():
            _close(request["received"])
            _answer(key.fileobj, pid)
            child = Child(pid, os.pidfd_open(pid), key.fileobj)
            selector.modify(child.connection, selectors.EVENT_READ, child)
            selector.register(child.pidfd, selectors.EVENT_READ, child)
        else:
            _close(other.fd for other in [*selector.get_map().values()])
            selector.close()
            return request
    shutil.rmtree(folder)
    os._exit(0)


def _prepare() -> None:
    """Do what is done once per process: read grammars, plugins and the demo's model, compile patterns, find fonts."""
    import composing
    import demo_model
    import in_process
    import pytest
    import torch
    from measured import metrics_row
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    import sld
    from eval.report.figures import probability_figure
    from i2p.demo import trained

    patch = pytest.MonkeyPatch()  # for good
    composing.read_once(patch)
    demo_model.load_once(patch)
    for command in ("run", "submit"):
        assert in_process.run(f"eval.{command}", "--cfg", "job").returncode == 0
    get_checkpoint_conversion_mapping("clip")
    assert probability_figure([metrics_row("baseline")]).png
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # or a fork would wait for the others
    model = sld.load_model(trained.FOLDER / "model", device="cpu", dtype="float32")
    sld.sample(model, ["unused"], ["baseline"], steps=1, height=64, width=64, seeds=[0])
    torch.set_num_threads(threads)


def _listen(folder: Path) -> socket.socket:
    python, address, program = folder / "python", folder / "socket", Path(__file__).with_name("launching.py")
    command = shlex.join([sys.executable, "-IS", str(program), str(address)])
    python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    python.chmod(0o755)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{address}.new")
    listening.listen(64)
    os.rename(f"{address}.new", address)
    return listening


def _receive(connection: socket.socket) -> dict | None:
    length, received, _, _ = socket.recv_fds(connection, 8, 250)
    payload, size = b"", int.from_bytes(length, "big")
    while len(payload) < size and (part := connection.recv(1 << 16)):
        payload += part
    if not size or len(payload) < size:  # whoever asked has gone
        _close(received)
        return None
    request = marshal.loads(payload) | {"received": received}
    options = subprocess._args_from_interpreter_flags()  # those of its parent, which are ours
    if request["words"][1 : 1 + len(options)] == options:
        del request["words"][1 : 1 + len(options)]
    return request


def can_fork(request: dict, environment: dict) -> bool:
    """Whether a fork does what the interpreter would: our code, no options of Python's, no variables that it reads."""
    _, first, second, *_ = [*request["words"], "", ""]
    ours = first.endswith(".py") or (first == "-m" and second.startswith(OURS))
    worker = first == "-c" and second.startswith(WORKER)
    changed = {name for name, _ in environment.items() ^ request["environment"].items()}
    return (ours or worker) and all(name.startswith(FREE) for name in changed)


def _answer(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits for it any more
        connection.sendall(number.to_bytes(8, "big", signed=True))


def _end(key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
    """Answer with how a child has ended; kill it where nobody waits for it any more."""
    child = key.data
    if key.fileobj is child.connection:
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    else:
        code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
        selector.unregister(child.pidfd)
        os.close(child.pidfd)
        if child.connection.fileno() < 0:
            return
        _answer(child.connection, code)
    selector.unregister(child.connection)
    child.connection.close()


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def follow(request: dict) -> None:
    """Turn a child into the command that was asked for, and end as it ends."""
    code = None
    try:
        _become(request)
    except SystemExit as stopped:
        code = stopped.code
    except BaseException as error:
        traceback.print_exc()
        code = 1
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    _end_process(code)


def _become(request: dict) -> None:
    _take_over(request)
    sys.executable, *words = request["words"]
    sys.orig_argv = [sys.executable, *words]
    safe = "PYTHONSAFEPATH" in os.environ
    if words[0] == "-m":
        sys.path[:1] = [] if safe else [request["cwd"]]
        sys.argv = words[1:]
        main = f"{words[1]}.__main__"  # of a command that is a folder; found imported, it would be warned of
        sys.modules.pop(main if main in sys.modules else words[1], None)
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.path[:1] = [] if safe else [""]
        sys.argv = ["-c", *words[2:]]
        warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)  # the parent's main module
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(words[1], vars(main))
    else:
        sys.path[:1] = [] if safe else [os.path.dirname(os.path.realpath(words[0]))]
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def _take_over(request: dict) -> None:
    """Take over what a process has from the one that starts it: descriptors, signals, environment and folder."""
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH) for descriptor in request["received"]]
    _close(request["received"])
    for descriptor, number in zip(moved, request["descriptors"], strict=True):
        os.dup2(descriptor, number)
    _close(moved)
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # which is found once, by TMPDIR
    os.chdir(request["cwd"])
    import drawn_once

    if folder := os.environ.get(drawn_once.FOLDER):
        drawn_once.share_in(Path(folder))


def _end_process(code: object) -> None:
    """End a child as Python would, but for taking apart what was imported, which takes a second."""
    threading._shutdown()
    atexit._run_exitfuncs()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    try:
        sys.stdout.flush()
    except OSError:
        code = 120  # Python's own, where nobody reads any more
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    import_all()
    multiprocessing.set_executable(str(folder / "python"))
    follow(serve(folder, can_fork, stdin=True))
