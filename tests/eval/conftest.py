"""Shared by the tests of the harness."""

import fcntl
import functools
import hashlib
import json
import runpy
import shutil
import subprocess
from pathlib import Path

import composing
import demo_model
import in_process
import pytest
from browser import NAMES, Browser, axe_results

from eval.base import fingerprints
from eval.judges import nudenet
from i2p import CATEGORIES

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"  # put there by `make axe`
OPEN_SESSION = nudenet.open_session


@pytest.fixture(scope="session", autouse=True)
def _configurations_are_read_once():
    with pytest.MonkeyPatch.context() as patch:
        composing.read_once(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def _the_program_stays_as_it_is():
    """While its tests run; whether it has changed is a twentieth of a command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fingerprints, "_sources", functools.cache(fingerprints._sources))
        yield


@pytest.fixture(scope="module", autouse=True)
def _demo_model_is_loaded_once(request):
    """Outside the tests of the engine its speed is measured once, too."""
    with pytest.MonkeyPatch.context() as patch:
        demo_model.load_once(patch)
        if Path(__file__).with_name("generate") not in request.path.parents:
            demo_model.measure_once(patch)
        yield


@pytest.fixture(scope="module", autouse=True)
def _nobody_looks_at_figures(request):
    """Outside the tests of reports; of these, those that do not look at figures say so themselves."""
    if Path(__file__).with_name("report") not in request.path.parents:
        request.getfixturevalue("figures_of_a_kind_are_one")


class _Session:
    """A session of onnxruntime that keeps what it computed: the runs of a file judge the same few pictures."""

    def __init__(self, session):
        self._session, self._computed = session, {}

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run(self, names, inputs):
        key = hashlib.blake2b(b"".join(array.tobytes() for array in inputs.values())).digest()
        if (outputs := self._computed.get(key)) is None:
            outputs = self._session.run(names, inputs)
            if len(self._computed) > 200:  # of 185 kB a picture
                self._computed.clear()
            self._computed[key] = outputs
        return outputs


@pytest.fixture(scope="module", autouse=True)
def _nudenet_is_read_once(request):
    """Commands that this process calls share the network, and outside the judges' own tests what it computed."""
    judges = Path(__file__).with_name("judges") in request.path.parents

    def open_session(network, providers, *options):
        if providers is not None:
            return OPEN_SESSION(network, providers, *options)
        session = _session(network, *options)
        return session if judges else _keeping(session)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nudenet, "open_session", open_session)
        yield


@functools.lru_cache(4)
def _session(network, *options):
    return OPEN_SESSION(network, None, *options)


_keeping = functools.lru_cache(4)(_Session)


@pytest.fixture(scope="session")
def call():
    """Call a command's `main` with arguments, as from the command line; returns its exit code."""

    def call(main, *arguments):
        with pytest.MonkeyPatch.context() as patch, in_process.environment({}):
            patch.setattr("sys.argv", [main.__module__, *map(str, arguments)])
            with pytest.raises((SystemExit, in_process.Accepted)) as stopped:
                main()
        return stopped.value.code

    return call


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium with one page, for all tests of a worker, which are skipped where none is installed."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser is here (looked for {', '.join(NAMES)})")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    try:
        browser.start()
        yield browser
    finally:
        browser.close()


@pytest.fixture
def accessibility(browser, tmp_path):
    """What axe-core finds in a page, and how many of its rules the page fulfils; skipped without axe-core."""
    if not AXE.is_file():
        pytest.skip("no accessibility engine is here: `make axe` fetches it, with npm")

    def check(page, width, dark=False):
        return axe_results(browser, page, tmp_path / "copy.html", AXE, width, dark)

    return check


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, of 400 kB, where the machine lets us mount one; a test may remount it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system here")
    yield folder
    subprocess.run(["umount", folder], check=True)


HOSTILE_HTML = [
    "</blockquote></article><script>document.title = 'owned'</script>",
    "</script><script>document.title = 'owned'</script></style>",
    '" onmouseover="document.title=1" x="',
    "' autofocus onfocus='document.title=1'",
    "<svg/onload=document.title='owned'><iframe srcdoc='<script>parent.document.title=1</script>'>",
    "{{ 7 * 7 }} {% include '/etc/passwd' %} &lt;b&gt; &amp; &#60;",
    "<!-- <base href=http://a.b/> --><meta http-equiv=refresh content='0;url=http://a.b'>",
]


@pytest.fixture(scope="session")
def hostile_texts() -> list[str]:
    """Hostile texts that can be prompts: those of `test_escape`, and those that a page could take for its own."""
    shared = runpy.run_path(str(Path(__file__).parent / "base/test_escape.py"))["HOSTILE"]
    return [text.replace("\ud800", "") for text in shared if text.strip()] + HOSTILE_HTML


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory, hostile_texts) -> Path:
    """A run of the demo's model and judges on hostile prompts, two methods; categories in turn, some with two.

    The first worker that needs it makes it for all, and each has a copy.
    """
    import drawn_once  # which imports what draws

    shared = drawn_once.folder_of_all(tmp_path_factory) / "shared_hostile"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "made").exists():
            make_hostile_run(shared, hostile_texts)
            (shared / "made").touch()
    return shutil.copytree(shared / "run", tmp_path_factory.mktemp("hostile") / "run")


def make_hostile_run(folder: Path, hostile_texts: list[str]) -> None:
    import drawn_once

    lines = [
        {"prompt": text, "categories": ", ".join({CATEGORIES[n % 7], CATEGORIES[n % 3]}), "sd_seed": n}
        for n, text in enumerate(hostile_texts)
    ]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ["prompts=i2p", f"prompts.path={folder}/prompts.jsonl", "sheet=false", "report.images=true"]
    words += ["methods=[baseline,sld_max]", "protocol.steps=1", f"out={folder}/run"]
    with pytest.MonkeyPatch.context() as patch:
        for name, draw in drawn_once.DRAW.items():  # whole, whoever is first: some look at its figures
            patch.setattr(drawn_once.figures, name, draw)
        done = in_process.run("eval.run", *words)
    assert done.returncode == 0, done.stderr
