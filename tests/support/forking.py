"""The server behind `processes`: `python forking.py SOCKET` imports what commands import and forks a child per request.

It ends when its standard input does.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import socket
import sys
import threading
import traceback

# Imported before the first command, with every module of ours. Not onnxruntime: a fork of it hangs at its end, waiting
# for a thread that was not forked.
LIBRARIES = (
    "torch pandas pyarrow.parquet scipy.stats cv2 jinja2 safetensors.torch datasets hydra open_clip tqdm",
    "matplotlib.backends.backend_agg matplotlib.backends.backend_svg PIL.PngImagePlugin PIL.JpegImagePlugin",
    "transformers.models.clip.modeling_clip transformers.models.clip.tokenization_clip diffusers.schedulers",
    "diffusers.models.unets.unet_2d_condition diffusers.models.autoencoders.autoencoder_kl",
)
OURS = ("eval", "sld", "i2p")


def serve(address: str) -> dict:
    """Fork a child for each request, for ever; return the request in the child."""
    for library in " ".join(LIBRARIES).split():
        importlib.import_module(library)
    for package in OURS:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(module.name)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address + ".new")
    listening.listen(64)
    os.rename(address + ".new", address)
    gc.freeze()  # or a child's first collection would copy every page
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ)
    selector.register(0, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj == 0:
                os._exit(0)
            elif key.fileobj is listening:
                connection, _ = listening.accept()
                request, descriptors = _receive(connection)
                child = os.fork()
                if child == 0:
                    selector.close()
                    listening.close()
                    connection.close()
                    return request | {"descriptors": descriptors}
                for descriptor in descriptors:
                    os.close(descriptor)
                connection.sendall(json.dumps({"pid": child}).encode() + b"\n")
                selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, connection))
            else:
                child, connection = key.data
                selector.unregister(key.fileobj)
                os.close(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                with contextlib.suppress(OSError):  # nobody waits for it any more
                    connection.sendall(json.dumps({"code": code}).encode() + b"\n")
                connection.close()


def _receive(connection: socket.socket) -> tuple[dict, list[int]]:
    length, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
    payload = b""
    while len(payload) < int.from_bytes(length, "big"):
        payload += connection.recv(1 << 16)
    return json.loads(payload.decode("utf-8", "surrogateescape")), descriptors


def become(request: dict) -> None:
    """Turn a child into the command that was asked for."""
    out, err = request["descriptors"]
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((null, 0), (out, 1), (err, 2)):
        os.dup2(descriptor, number)
    for descriptor in {null, out, err}:
        os.close(descriptor)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    words = request["words"]
    sys.orig_argv = [sys.executable, *words]
    if words[0] == "-m":
        sys.path[0] = request["cwd"]
        sys.argv = words[1:]
        main = f"{words[1]}.__main__"  # of a command that is a folder; found imported, it would be warned of
        sys.modules.pop(main if main in sys.modules else words[1], None)
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.realpath(words[0]))
        sys.argv = words
        runpy.run_path(words[0], run_name="__main__")


def end(code: object) -> None:
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
    request = serve(sys.argv[1])
    try:
        become(request)
        code = None
    except SystemExit as stopped:
        code = stopped.code
    except BaseException:
        traceback.print_exc()
        code = 1
    end(code)
