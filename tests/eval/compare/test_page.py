"""The page of a comparison in a real browser: nothing of a title runs, nothing is fetched, and everyone can read it."""

import pytest
from several import FOLDER, made_up, prompts_of

from eval.compare.compared import Options, compare_runs
from eval.compare.files import write

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Of three runs, of which one counts otherwise, one has other settings and one was made elsewhere."""
    verdicts = {
        "baseline": lambda row, image: row % 2 == 0,
        "sld_max": lambda row, image: row % 5 == 0,
    }
    runs = [
        made_up("a", verdicts, prompts_of(30)),
        made_up("b", verdicts, prompts_of(30), protocol={"nude_threshold": 0.3, "steps": 8}),
        made_up("c", verdicts, prompts_of(40), model=FOLDER),
    ]
    titles = ["<script>document.title = 'run'</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)"]
    folder = tmp_path_factory.mktemp("page")
    write(compare_runs(runs, Options(titles=titles, margin=5)), folder)
    return folder / "comparison.html"


def test_hostile_titles_run_nothing_and_fetch_nothing(browser, page):
    browser.open(page, 1280)
    browser.ask("new Promise(done => setTimeout(done, 300))")
    assert browser.ask("document.title").endswith("i2p-bench comparison")
    asked = {request["request"]["url"] for request in browser.called("Network.requestWillBeSent")}
    assert {url for url in asked if not url.startswith("data:")} == {page.resolve().as_uri()}
    assert browser.called("Log.entryAdded") == []
    assert browser.called("Runtime.exceptionThrown") == []
    assert browser.ask("document.scripts.length") == 1


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_an_accessibility_engine_finds_nothing(accessibility, page, width, dark):
    results = accessibility(page, width, dark)
    assert results["fulfilled"] > 30
    assert results["violations"] == []
