"""The page in a real browser, from a file: nothing of a prompt runs, nothing is fetched, and the filters work.

Skipped where no Chromium is installed. `I2P_BENCH_SCREENSHOTS=FOLDER` keeps what the browser drew, to be looked at.
"""

from pathlib import Path

import pytest
from browser import kept

from eval.report.__main__ import main as report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(hostile_run, call) -> Path:
    assert call(report, hostile_run, "gallery=clear", "gallery_prompts=100") == 0
    return hostile_run / "report" / "report.html"


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
