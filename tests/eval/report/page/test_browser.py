"""The page in a real browser, from a file: nothing of a prompt runs, nothing is fetched, and the filters work.

Skipped where no Chromium is installed. `I2P_BENCH_SCREENSHOTS=FOLDER` keeps what the browser drew, to be looked at.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from eval.report.__main__ import main as report

NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "chrome")
pytestmark = pytest.mark.browser


class Browser:
    """A headless Chromium, spoken to through its debugging pipe, with one page."""

    def __init__(self, program: str, profile: Path):
        (theirs, self.ours_out), (self.ours_in, answers) = os.pipe(), os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
        options += ["--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"]

        def put_in_place():  # Chromium reads from 3 and writes to 4
            high = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (theirs, answers)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [program, *options, "about:blank"],
            preexec_fn=put_in_place,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(answers)
        self.number, self.events, self.rest, self.session = 0, [], b"", None

    def start(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.ours_out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path: Path, width: int, height: int = 900, dark: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        while "Page.loadEventFired" not in [event.get("method") for event in self.events]:
            self.events.append(self._read())

    def ask(self, script: str):
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def called(self, method: str) -> list[dict]:
        return [event["params"] for event in self.events if event.get("method") == method]

    def _read(self) -> dict:
        while b"\0" not in self.rest:
            data = os.read(self.ours_in, 1 << 20)
            assert data, "the browser has gone"
            self.rest += data
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours_in)
        os.close(self.ours_out)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser is here (looked for {', '.join(NAMES)})")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    try:
        browser.start()
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="module")
def page(hostile_run, call) -> Path:
    assert call(report, hostile_run, "gallery=clear", "gallery_prompts=100") == 0
    return hostile_run / "report" / "report.html"


def kept(browser, name: str, data: str | None = None) -> bytes:
    """What the browser drew, and a copy of it for who asked."""
    if data is None:
        data = browser.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
    folder = os.environ.get("I2P_BENCH_SCREENSHOTS")
    if folder:
        (Path(folder) / name).write_bytes(base64.b64decode(data))
    return base64.b64decode(data)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 360])
def test_hostile_prompts_run_nothing_and_fetch_nothing(browser, page, hostile_texts, width, dark):
    browser.open(page, width, dark=dark)
    browser.ask("new Promise(done => setTimeout(done, 300))")
    assert browser.ask("document.title").endswith("i2p-bench report")
    asked = {request["request"]["url"] for request in browser.called("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:")} == {page.resolve().as_uri()}
    assert browser.called("Log.entryAdded") == []  # a style or script that the policy refused would be told here
    assert browser.called("Runtime.exceptionThrown") == []
    assert browser.ask("document.scripts.length") == 1
    assert browser.ask("document.querySelectorAll('blockquote').length") == len(hostile_texts)
    assert browser.ask("[...document.images].every(image => image.complete && image.naturalWidth === 112)")
    assert len(kept(browser, f"page-{width}-{'dark' if dark else 'light'}.png")) > 10_000


@pytest.mark.parametrize("width", [1280, 360])
def test_only_tables_and_figures_scroll_sideways(browser, page, width):
    browser.open(page, width)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    outside = """[...document.body.querySelectorAll("*")].filter(
        one => !one.closest(".scroll") && one.getBoundingClientRect().right > innerWidth + 1)
        .map(one => one.outerHTML)"""
    assert browser.ask(outside) == []


def test_the_policy_stops_a_script_and_a_request_that_got_in(browser, page, tmp_path):
    """So the page is safe even where an escape were forgotten."""
    text = page.read_text()
    evil = "<img src='http://127.0.0.1:9/x.png' onerror='document.title=1'><script>document.title = 'owned'</script>"
    (tmp_path / "evil.html").write_text(text.replace("<main>", f"<main>{evil}<p style='color:red' id='red'>x</p>"))
    browser.open(tmp_path / "evil.html", 1280)
    browser.ask("new Promise(done => setTimeout(done, 300))")
    assert browser.ask("document.title").endswith("i2p-bench report")
    assert browser.ask("getComputedStyle(document.getElementById('red')).color") != "rgb(255, 0, 0)"
    assert len(browser.called("Log.entryAdded")) >= 3


SHOWN = "[...document.querySelectorAll('.exhibit')].filter(one => one.offsetHeight).length"


def test_the_filters_show_what_they_say(browser, page, hostile_texts):
    browser.open(page, 1280)
    everything = len(hostile_texts)
    assert browser.ask(SHOWN) == everything
    choose = """(name, value) => { const form = document.getElementById("filters");
        form.elements[name].value = value; form.dispatchEvent(new Event("change")); }"""
    browser.ask(f"({choose})('category', 'sexual')")
    expected = sum(n % 7 == 4 for n in range(everything))
    assert browser.ask(SHOWN) == expected > 0
    assert browser.ask("document.querySelector('output').value") == f"{expected} of {everything} shown"
    browser.ask("document.getElementById('filters').reset()")
    browser.ask("new Promise(done => setTimeout(done, 50))")
    assert browser.ask(SHOWN) == everything
    counts = 0
    for label in ("inappropriate", "no finding"):
        browser.ask(f"({choose})('label', '{label}')")
        found = browser.ask(
            f"[...document.querySelectorAll('.exhibit')].filter(one => one.offsetHeight).every(one => "
            f"[...one.querySelectorAll('.verdict')].some(verdict => verdict.textContent.includes('{label}')))"
        )
        assert found
        counts += browser.ask(SHOWN)
    assert counts >= everything


def test_the_filters_are_reached_by_the_keyboard(browser, page):
    browser.open(page, 1280)
    browser.ask("document.querySelector('[name=category]').focus()")
    for key, code in (("ArrowDown", 40), ("ArrowDown", 40)):
        for kind in ("keyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)
    assert browser.ask("document.querySelector('[name=category]').selectedIndex") == 2
    assert browser.ask("document.querySelector('output').value") != ""


def test_without_a_script_everything_is_shown_and_no_filter(browser, page, hostile_texts):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page, 1280)
        assert browser.ask(SHOWN) == len(hostile_texts)
        assert browser.ask("document.getElementById('filters').offsetHeight") == 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_it_prints_without_its_controls_and_within_the_paper(browser, page):
    browser.open(page, 1280)
    printed = kept(browser, "page.pdf", browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF-")
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.call("Emulation.setDeviceMetricsOverride", width=688, height=1000, deviceScaleFactor=1, mobile=False)
    assert browser.ask("document.getElementById('filters').offsetHeight") == 0
    assert browser.ask("document.documentElement.scrollWidth") <= 688
    kept(browser, "page-print.png")
    browser.call("Emulation.setEmulatedMedia", media="")
