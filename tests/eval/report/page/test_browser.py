"""The page in a real browser, from a file: nothing of a prompt runs, nothing is fetched, and everyone can read it.

Skipped where no Chromium is installed. `I2P_BENCH_SCREENSHOTS=FOLDER` keeps what the browser drew, to be looked at.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from browser import kept
from measured import difference_row, metrics_row

from eval.config.settings import ReportSettings
from eval.report.__main__ import main as report
from eval.report.figures import draw_figures
from eval.report.make import make_report
from eval.report.page.contents import EXHIBITS
from eval.report.page.page import report_page
from eval.store.rundir import RunDir

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(hostile_run, call) -> Path:
    assert call(report, hostile_run, "gallery=clear", "gallery_prompts=100") == 0
    return hostile_run / "report" / "report.html"


@pytest.fixture(scope="module")
def crowded(hostile_run, hostile_texts, tmp_path_factory) -> Path:
    """The page of ten methods and thirty categories with hostile names."""
    run, methods = RunDir(hostile_run), [f"method-{n}" for n in range(10)]
    categories = [*hostile_texts[:29], "all"]
    metrics = [metrics_row(m, c, 0.1, (0.05, 0.2), expected_max=0.5) for c in categories for m in methods]
    differences = [
        difference_row(m, methods[0], -0.1, (-0.2, 0.1), c, relative_reduction=0.5)
        for c in categories
        for m in methods[1:]
    ]
    made = make_report(run, options=ReportSettings(gallery="off"))
    crowded = replace(made, metrics=tuple(metrics), differences=tuple(differences), ranking=())
    path = tmp_path_factory.mktemp("crowded") / "report.html"
    path.write_text(report_page(crowded, run, draw_figures(crowded)))
    return path


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
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
    (tmp_path / "evil.html").write_text(
        text.replace("</header>", f"</header>{evil}<p style='color:red' id='red'>x</p>")
    )
    browser.open(tmp_path / "evil.html", 1280)
    browser.ask("new Promise(done => setTimeout(done, 300))")
    assert browser.ask("document.title").endswith("i2p-bench report")
    assert browser.ask("getComputedStyle(document.getElementById('red')).color") != "rgb(255, 0, 0)"
    assert len(browser.called("Log.entryAdded")) >= 3


BROKEN_WORDS = r"""[...document.querySelectorAll("thead th, .verdict")]
    .filter(element => element.checkVisibility()).flatMap(element => {
        const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), found = [];
        while (walker.nextNode()) {
            const text = walker.currentNode;
            for (const match of text.data.matchAll(/\S{1,14}(?!\S)/g)) {
                const range = document.createRange();
                range.setStart(text, match.index);
                range.setEnd(text, match.index + match[0].length);
                const whole = match.index === 0 || /\s/.test(text.data[match.index - 1]);
                if (whole && new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1)
                    found.push(match[0]);
            }
        }
        return found; })"""
INTERVALS = r"""[...document.querySelectorAll("td, th, p, caption, li, figcaption, .soft")]
    .filter(element => element.checkVisibility()).flatMap(element => {
        const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), found = [];
        while (walker.nextNode()) {
            const text = walker.currentNode;
            for (const match of text.data.matchAll(/\[[-−+\d.]+,\s[-−+\d.]+\]|[\d.]+\sto\s[\d.]+/g)) {
                const range = document.createRange();
                range.setStart(text, match.index);
                range.setEnd(text, match.index + match[0].length);
                found.push([match[0], new Set([...range.getClientRects()].map(box => Math.round(box.top))).size]);
            }
        }
        return found; })"""
FOCUSED = """(element => element === document.body ? {place: -1} : ({
    place: [...document.querySelectorAll("*")].indexOf(element),
    text: element.textContent, outline: getComputedStyle(element).outlineStyle}))(document.activeElement)"""
USABLE = """[...document.querySelectorAll("*")].map((element, place) => [element, place]).filter(([element]) =>
    element.checkVisibility() && (element.matches("a[href], select, button, summary") ||
    element.matches(".scroll, blockquote") && (element.scrollWidth > element.clientWidth ||
        element.scrollHeight > element.clientHeight + 1))).map(([, place]) => place)"""
SHOWN = "[...document.querySelectorAll('.exhibit')].filter(one => one.checkVisibility()).length"


def test_the_filters_show_what_they_say(browser, page, hostile_texts):
    browser.open(page, 1280)
    everything = len(hostile_texts)
    assert browser.ask(SHOWN) == min(EXHIBITS, everything)
    choose = """(name, value) => { const form = document.getElementById("filters");
        form.elements[name].value = value; form.dispatchEvent(new Event("change")); }"""
    browser.ask(f"({choose})('category', 'sexual')")
    expected = sum(n % 7 == 4 for n in range(everything))
    assert browser.ask(SHOWN) == expected > 0
    assert browser.ask("document.querySelector('output').value") == f"{expected} of {everything} match"
    browser.ask("document.getElementById('filters').reset()")
    browser.ask("new Promise(done => setTimeout(done, 50))")
    assert browser.ask(SHOWN) == everything
    counts = 0
    for label in ("inappropriate", "no finding"):
        browser.ask(f"({choose})('label', '{label}')")
        found = browser.ask(
            f"[...document.querySelectorAll('.exhibit')].filter(one => one.checkVisibility()).every(one => "
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
        assert browser.ask("document.querySelectorAll('details:not([open])').length") == 0
        assert browser.ask("document.getElementById('filters').offsetHeight") == 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("which", ["page", "crowded"])
def test_it_prints_whole_within_the_paper_and_breaks_no_interval(browser, request, which):
    browser.open(request.getfixturevalue(which), 1280)
    browser.ask("document.querySelector('summary').scrollIntoView()")
    assert browser.ask("document.querySelectorAll('details[open]').length") == 0
    printed = kept(browser, f"{which}.pdf", browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF-")
    assert browser.ask("document.querySelectorAll('details[open]').length") == 0
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.call("Emulation.setDeviceMetricsOverride", width=688, height=1000, deviceScaleFactor=1, mobile=False)
    browser.ask("dispatchEvent(new Event('beforeprint'))")
    try:
        assert browser.ask("document.querySelector('form')?.offsetHeight || 0") == 0
        assert browser.ask("[...document.querySelectorAll('details')].every(fold => fold.open)")
        assert browser.ask("document.documentElement.scrollWidth") <= 688
        lines = browser.ask(INTERVALS)
        assert len(lines) > 50
        assert [interval for interval, number in lines if number != 1] == []
        assert browser.ask(BROKEN_WORDS) == []
        kept(browser, f"{which}-print.png")
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("which", ["page", "crowded"])
def test_the_gallery_takes_at_most_a_third_and_figures_fill_their_column(browser, request, which):
    browser.open(request.getfixturevalue(which), 1280)
    assert browser.ask("3 * document.getElementById('gallery').offsetHeight <= document.documentElement.offsetHeight")
    widths = browser.ask(
        "[...document.querySelectorAll('.figure')].map(figure => [figure.clientWidth, "
        "figure.querySelector('svg').getBoundingClientRect().width])"
    )
    assert len(widths) > 2
    assert all(drawn == pytest.approx(column, abs=2) and column > 1000 for column, drawn in widths)


def test_a_link_into_what_is_folded_opens_it(browser, page):
    browser.open(page, 1280)
    browser.ask("document.querySelector('details .exhibit').id = 'inside'")
    assert not browser.ask("document.getElementById('inside').checkVisibility()")
    browser.ask("location.hash = 'inside'")
    browser.ask("new Promise(done => setTimeout(done, 100))")
    assert browser.ask("document.getElementById('inside').checkVisibility()")
    assert browser.ask("document.querySelectorAll('details[open]').length") == 1


@pytest.mark.parametrize("width", [1280, 360])
def test_the_keyboard_reaches_what_can_be_used_or_scrolled_and_shows_where_it_is(browser, page, width):
    browser.open(page, width)
    browser.ask("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    stops = []
    for _ in range(browser.ask("document.querySelectorAll('a, select, button, summary, .scroll').length")):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        browser.call("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        stops.append(browser.ask(FOCUSED))
        if len(stops) > 1 and stops[-1]["place"] in (-1, stops[0]["place"]):
            stops.pop()
            break
    places = [stop["place"] for stop in stops]
    assert stops[0]["text"] == "Skip to the sections"
    assert places == sorted(places), "in the order of the page"
    assert all(stop["outline"] == "solid" for stop in stops)
    assert set(places) == set(browser.ask(USABLE))


@pytest.mark.parametrize(
    ("which", "width", "dark"),
    [("page", 1280, False), ("page", 360, True), ("crowded", 1280, True), ("crowded", 360, False)],
)
def test_an_accessibility_engine_finds_nothing(accessibility, request, which, dark, width):
    results = accessibility(request.getfixturevalue(which), width, dark)
    assert results["fulfilled"] > 40
    assert results["violations"] == []
