"""Whether a server can be reached at all: libraries retry for half a minute before they say that it can't."""

from __future__ import annotations

import socket
import threading
import urllib.parse
import urllib.request

SECONDS = 5.0  # that an answer is waited for


def is_reachable(url: str) -> bool:
    """Whether the host of an address takes a connection, said within `SECONDS`; behind a proxy that can't be told.

    It is then taken to: the library that asks next will say.
    """
    if urllib.request.getproxies().keys() & {"http", "https", "all"}:
        return True
    answer: list[bool] = []

    def connect() -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port or (80 if parts.scheme == "http" else 443)
            socket.create_connection((parts.hostname, port), timeout=SECONDS).close()
            answer.append(True)
        except (OSError, ValueError):  # no host, no answer, or no address that could have one
            pass

    # Asking for a name's address has no timeout of its own.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return bool(answer)
