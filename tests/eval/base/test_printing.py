"""Printing neither raises nor costs a report: other encodings, a full disk, a reader that has left, a closed stream."""

import ast
import codecs
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import in_process
import processes
import pytest
from manifests import manifest_of

from eval.base.printing import _Formatter, say, say_in_place

SIGNS = "≥ 0.9 – 64×64 … é −1"
CODES = {"good": 0, "bad": 2, "bug": 1}
# Each in a process of its own, forked once all is imported; their exit codes come into a file.
CODE = f"""
import json, logging, os, sys, warnings
from pathlib import Path
from eval.base.cli import exit_code_of
from eval.base.errors import COMPLETE, InputError
from eval.base.printing import say
from eval.generate.progress import Progress

def command(name):
    say({SIGNS!r})
    say({SIGNS!r} * 3000)
    logging.warning({SIGNS!r})
    warnings.warn({SIGNS!r})
    with Progress(2, 2) as progress:
        progress.count({{{SIGNS!r}: 2}})
    if name == "bad":
        raise InputError({SIGNS!r})
    if name == "bug":
        raise RuntimeError({SIGNS!r})
    return COMPLETE

def end_each(names, path):
    codes = {{}}
    for name in names:
        if not (child := os.fork()):
            sys.exit(exit_code_of(lambda: command(name)))
        codes[name] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    Path(path).write_text(json.dumps(codes))
"""
ONCE = CODE + "end_each(sys.argv[2:], sys.argv[1])\n"
# The same in other streams, each time in another fork: as `>` and PYTHONIOENCODING have them where Python begins.
STREAMS = """
names, *streams = map(json.loads, sys.argv[1:])
for path, out, error, encoding in streams:
    if not (child := os.fork()):
        for number, place in ((1, out), (2, error)):
            os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT), number)
        sys.stdout.reconfigure(encoding=encoding, errors="strict")
        sys.stderr.reconfigure(encoding=encoding, errors="backslashreplace")
        end_each(names, path)
        os._exit(0)
    os.waitpid(child, 0)
"""
ENCODINGS = ("iso8859-1", "cp1252", "ascii", "cp437", "utf-8")
FULL = (">/dev/full", "2>/dev/full", ">/dev/full 2>&1") if os.path.exists("/dev/full") else ()


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The exit codes of the commands, and what they print, by their streams: an encoding, or which of them are full."""
    folder, streams = tmp_path_factory.mktemp("streams"), {}
    for number, name in enumerate((*ENCODINGS, *FULL)):
        codes, out, error = (f"{folder}/{number}.{kind}" for kind in ("codes", "out", "err"))
        out, error = "/dev/full" if name[0] == ">" else out, "/dev/full" if "2>" in name else error
        streams[name] = codes, out, error, name if name in ENCODINGS else "utf-8"
    run(["-c", CODE + STREAMS, *map(json.dumps, ([*CODES], *streams.values()))])
    read = {path: Path(path).read_bytes() for paths in streams.values() for path in paths[:3] if path != "/dev/full"}
    return {name: (json.loads(read[codes]), *map(read.get, more)) for name, (codes, *more, _) in streams.items()}


def run(arguments, **options):
    return subprocess.run([sys.executable, *arguments], check=False, timeout=120, **options)


def as_printed(letter, encoding):
    """A letter in an encoding that may lack it: a sign of numbers is ASCII's then, since 12 is not −12."""
    has_it = letter.encode(encoding, errors="ignore")
    return letter if has_it else "-" if letter in "\u2212\u2013" else "?"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_signs_that_an_encoding_lacks_are_replaced_and_the_exit_code_is_that_of_the_command(encoding, printed):
    codes, out, error = printed[encoding]
    assert codes == CODES, error
    assert b"UnicodeEncodeError" not in error
    signs = "".join(as_printed(letter, encoding) for letter in SIGNS)
    expected = signs.encode(encoding)
    assert out.splitlines() == [expected, 3000 * expected] * 3


@pytest.mark.parametrize("redirection", FULL)
def test_full_streams_change_no_exit_code(redirection, printed):
    codes, _, error = printed[redirection]
    assert codes == CODES, error
    if redirection == ">/dev/full":  # what is lost is said, once
        assert error.count(b"stdout can't be written") == len(CODES)


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_change_no_exit_code(redirection, tmp_path):
    words = ["sh", "-c", f'"$0" "$@" {redirection}', sys.executable, "-c", ONCE, tmp_path / "codes", *CODES]
    done = subprocess.run(words, capture_output=True, timeout=120)
    assert json.loads((tmp_path / "codes").read_text()) == CODES, done.stderr


def test_a_reader_that_has_left_is_no_failure(tmp_path):
    command = ["bash", "-c", '"$0" "$@" | true', sys.executable, "-c", ONCE, codes := tmp_path / "codes", "good"]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert (json.loads(codes.read_text()), b"written" in done.stderr) == ({"good": 0}, False)


def test_a_closed_stdout_gives_its_number_to_no_file(tmp_path):
    """Else what a library prints would be written into the file that is opened next."""
    code = (
        "import os\nfrom eval.base.printing import prepare_printing\nprepare_printing()\n"
        f"file = open({str(tmp_path / 'data')!r}, 'w')\nassert file.fileno() > 2\nos.write(1, b'x')\nprint('y')"
    )
    assert subprocess.run(["sh", "-c", '"$0" -c "$1" >&-', sys.executable, code], check=False).returncode == 0
    assert (tmp_path / "data").read_bytes() == b""


def test_help_is_printed_in_any_encoding_and_into_a_full_disk():
    help_ = ["-m", "eval.run", "--help"]
    done = run(help_, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, b"model=checkpoint" in done.stdout) == (0, True)
    for words in (help_, ["-m", "i2p_bench", "--help"]) if FULL else ():
        with open("/dev/full", "wb") as full:
            assert run(words, stdout=full, stderr=subprocess.PIPE).returncode == 0


LATIN = """
import sys
for stream in (sys.stdout, sys.stderr):
    stream.reconfigure(encoding="iso8859-1", errors=stream.errors)
if __name__ == "__main__":
    from eval.run import main
    main()
"""


def test_a_run_whose_log_is_full_and_latin_has_its_report(tmp_path):
    """The report lies on the disk before a word of it is printed."""
    if not FULL:
        pytest.skip("no /dev/full here")
    (script := tmp_path / "script.py").write_text(LATIN)  # as PYTHONIOENCODING would, in a process without it
    words = ["prompts.rows=0-1", "methods=[baseline]", "protocol.steps=2", "images=none", f"out={tmp_path / 'r'}"]
    with open("/dev/full", "wb") as full:
        done = processes.run([sys.executable, script, *words, "judges=[q16]"], stdout=full, stderr=full)
    assert done.returncode == 0
    assert json.loads((tmp_path / "r/report/results.json").read_text())["images"] == 2


STEERING = "\x1b[2J\x9b31m\x07"
LIBRARY = f"""
import logging, sys, warnings
from eval.base.cli import exit_code_of
from eval.base.printing import say

def command():
    say({STEERING!r})
    logging.getLogger("a.library").warning("%s", {STEERING!r})
    own = logging.getLogger("with.its.own.handler")
    own.addHandler(logging.StreamHandler())
    own.propagate = False
    own.error({STEERING!r})
    warnings.warn({STEERING!r})
    raise RuntimeError({STEERING!r})

sys.exit(exit_code_of(command))
"""


def test_what_libraries_say_and_a_bug_s_traceback_steer_no_terminal():
    done = run(["-c", LIBRARY], capture_output=True)
    assert done.returncode == 1
    assert b"\\x1b[2J" in done.stdout
    assert done.stderr.count(b"\\x1b[2J") >= 4  # Python 3.13 also shows the lines of a command in its traceback
    assert not {b"\x1b", b"\x07", STEERING[4:5].encode()} & {bytes([c]) for c in done.stdout + done.stderr}
    assert b"Traceback" in done.stderr


def test_all_that_is_printed_goes_through_one_function():
    """And so is made plain; the rest of what a process prints is of libraries, by logging."""
    root = Path(__file__).resolve().parents[3] / "eval"
    callers = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stdout.write", "sys.stderr.write")
    }
    assert callers == {"base/printing.py"}


@pytest.mark.parametrize("columns", [0, 1, 30])
def test_a_line_that_is_replaced_fits_a_terminal_of_any_size(columns, monkeypatch):
    monkeypatch.setattr("sys.stderr", in_process.Terminal())
    with monkeypatch.context() as patch:  # pytest asks for the size of its own terminal
        patch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns, 24)))
        say_in_place("job 3 of 12: 120 of 300 images, and more words")
    assert len(sys.stderr.getvalue().strip("\r")) == max(columns - 1, 0)


def test_a_line_that_is_replaced_is_as_wide_as_the_terminal_of_stderr_wherever_stdout_goes(monkeypatch):
    class Terminal(in_process.Terminal):
        def fileno(self):
            return 77

    monkeypatch.setattr("sys.stderr", Terminal())
    with monkeypatch.context() as patch:
        patch.setattr("os.get_terminal_size", lambda number: os.terminal_size(({77: 30}.get(number, 100), 24)))
        say_in_place("job 3 of 12: 120 of 300 images, and more words")
    assert sys.stderr.getvalue() == "\rjob 3 of 12: 120 of 300 image\r"


def test_what_is_printed_is_written_before(tmp_path, monkeypatch):
    from eval.report import files as module

    order = []
    monkeypatch.setattr(module, "write", lambda report, run: order.append("written") or ["results.csv"])
    monkeypatch.setattr(module, "for_people", lambda report: report)
    monkeypatch.setattr(module, "terminal_text", lambda report: "")
    monkeypatch.setattr(module, "say", lambda text: order.append("said"))

    class Report:
        folder, missing, report, by_definition = tmp_path, 0, None, type("ByDefinition", (), {"definitions": ()})
        remedy, metrics, population, manifest = None, (), (), manifest_of()

    module.finish(type("Run", (), {"report": None}), Report())
    assert order[0] == "written"
    assert "said" in order


def test_saying_something_to_a_stream_that_is_closed_or_can_t_be_told_to_replace_characters_never_raises(capsys):
    taken = io.BytesIO()
    say("café", codecs.getwriter("ascii")(taken))
    assert taken.getvalue() == b"caf?\n"
    closed = io.StringIO()
    closed.close()
    say("lost", closed)
    assert "warning: stdout can't be written (I/O operation on closed file" in capsys.readouterr().err


def test_a_librarys_traceback_is_escaped_in_the_log():
    try:
        raise ValueError("a server says \x1b[2J")
    except ValueError:
        record = logging.getLogger("lib").makeRecord("lib", 30, "", 0, "failed", (), sys.exc_info())
    shown = _Formatter("%(message)s").format(record)
    assert "\x1b" not in shown
    assert r"\x1b[2J" in shown
