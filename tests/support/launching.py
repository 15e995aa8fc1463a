"""The launcher of `processes`: `python -IS launching.py SOCKET …` is `python …` in a fork of the server behind SOCKET.

It stands for the fork: it hands over its streams and whatever else it was given, passes signals on, and ends as the
fork ends, which is killed where this process is. What the server can't fork it becomes itself.
"""

import _signal  # `signal` and `socket` take longer to import than all of this does
import _socket
import marshal
import os
import sys

PASSED_ON = (1, 2, 3, 10, 12, 15)  # HUP, INT, QUIT, USR1, USR2, TERM


def ask(connection, words: list, cwd: str, environment: dict, descriptors: dict[int, int], blocked=()) -> int:
    """Have the server fork a process that becomes a command.

    Args:
        connection: to the server; it is the process's life.
        words: of the command, the first of which is its `sys.executable`.
        cwd: its folder.
        environment: all its variables.
        descriptors: of this process, by the numbers that they have in that one.
        blocked: the signals that it holds back.

    Returns:
        Its id, 0 where the server can't fork such a process.
    """
    asked = {
        "words": words,
        "cwd": cwd,
        "environment": environment,
        "descriptors": list(descriptors),
        "blocked": [int(number) for number in blocked],
        "ignored": [number for number in PASSED_ON if _signal.getsignal(number) == _signal.SIG_IGN],
    }
    payload = marshal.dumps(asked)
    packed = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in descriptors.values())
    beside = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)]
    connection.sendmsg([len(payload).to_bytes(8, "big")], beside)
    connection.sendall(payload)
    return read(connection)


def read(connection) -> int:
    """Return the next number from the server: a process's id, or the exit code, negative for a signal."""
    answer = b""
    while len(answer) < 8:
        part = connection.recv(8 - len(answer))
        if not part:
            raise RuntimeError("the server of the tests' processes has ended")
        answer += part
    return int.from_bytes(answer, "big", signed=True)


def main() -> None:
    """Stand for the fork until it ends."""
    blocked = _signal.pthread_sigmask(_signal.SIG_BLOCK, PASSED_ON)  # until they can be passed on
    address, *words = sys.argv[1:]
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(address)
    given = [number for number in map(int, os.listdir("/proc/self/fd")) if _is_given(number)]
    python = os.path.join(os.path.dirname(address), "python")
    descriptors = {number: number for number in given}
    child = ask(connection, [python, *words], os.getcwd(), dict(os.environ), descriptors, blocked)
    if child == 0:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
        os.execv(sys.executable, [sys.executable, *words])
    for number in PASSED_ON:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, lambda number, frame: os.kill(child, number))
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    for descriptor in given:  # or whoever reads to their end would wait for this process too
        os.close(descriptor)
    code = read(connection)
    if code < 0:
        if -code in PASSED_ON:
            _signal.signal(-code, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _is_given(descriptor: int) -> bool:
    """Whether a descriptor came from outside; Python's own are never handed on."""
    try:
        return os.get_inheritable(descriptor)
    except OSError:  # that of the list itself
        return False


if __name__ == "__main__":
    main()
