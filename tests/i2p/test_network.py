"""Whether a server can be reached is said soon, whatever is in the way."""

import http.server
import socket
import threading

import pytest

from i2p import network
from i2p.network import is_reachable

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


def test_a_host_is_reachable_where_something_listens():
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert is_reachable(url)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert not is_reachable(url)


@pytest.mark.parametrize("url", ["", "no address", "http://host:port", "http://[bad", "https://name.invalid"])
def test_what_is_no_address_is_not_reachable(url):
    assert not is_reachable(url)


def test_a_name_that_nobody_answers_for_is_given_up(monkeypatch):
    given_up, waited = threading.Event(), []
    monkeypatch.setattr(network, "SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: waited.append(given_up.wait(30)) or [])
    assert not is_reachable("https://hub.example")
    assert not waited
    given_up.set()


def test_behind_a_proxy_it_is_for_the_library_to_find_out(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert is_reachable("https://name.invalid")
