"""A quick test of whether a server can be reached: libraries retry for half a minute before they give up."""

from __future__ import annotations

import socket
import threading
import urllib.parse
import urllib.request

SECONDS = 5.0  # to wait for an answer


def is_reachable(url: str) -> bool:
    """Return, within `SECONDS`, whether the host of an address accepts a connection.

    Behind a proxy nothing can be tested: the answer is True, and the library that connects next reports the failure.
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

        # Looking up a host name has no timeout of its own.

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return bool(answer)
