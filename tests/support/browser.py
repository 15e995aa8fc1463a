"""A page in a headless Chromium, spoken to through its debugging pipe: no driver, no port, no other package.

`I2P_BENCH_SCREENSHOTS=FOLDER` keeps what the browser drew, to be looked at.
"""

import base64
import fcntl
import json
import os
import re
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "chromium-headless-shell", "google-chrome", "chrome")


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


def kept(browser, name: str, data: str | None = None) -> bytes:
    """What the browser drew, and a copy of it for who asked."""
    if data is None:
        data = browser.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
    folder = os.environ.get("I2P_BENCH_SCREENSHOTS")
    if folder:
        (Path(folder) / name).write_bytes(base64.b64decode(data))
    return base64.b64decode(data)


RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FOUND = """axe.run(document, {runOnly: RULES}).then(results => ({
    fulfilled: results.passes.length,
    violations: results.violations.map(rule => [rule.id, rule.help, rule.nodes.map(node => node.html.slice(0, 200))]),
}))"""


def axe_results(browser, page: Path, copy: Path, engine: Path, width: int, dark: bool) -> dict:
    """What an accessibility engine finds in a page with everything unfolded, and how many rules the page fulfils.

    It runs in a copy of the page that lacks the policy, which would stop it.
    """
    text, policies = re.subn('<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    assert policies == 1
    copy.write_text(text)
    browser.open(copy, width, dark=dark)
    browser.ask("for (const fold of document.querySelectorAll('details')) fold.open = true")
    browser.ask("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    browser.ask(f"{engine.read_text(encoding='utf-8')}; 0")
    return browser.ask(FOUND.replace("RULES", json.dumps(RULES)))
