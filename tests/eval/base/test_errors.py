"""Every error of eval is of one module, and each kind ends a command with one exit code."""

import ast
import builtins
import errno
import os
from pathlib import Path

import pytest

import i2p
import sld
from eval.base import errors
from eval.base.cli import exit_code_of

EVAL = Path(errors.__file__).resolve().parents[1]
CASES = [
    (errors.InputError("steps must be 1 or more, found 0"), 2, "error: steps must be 1 or more, found 0"),
    (errors.Refused("sbatch", "no such partition"), 2, "error: sbatch refused (no such partition)"),
    (i2p.InputError("expected a prompt,\n  found none"), 2, "error: expected a prompt, found none"),
    (sld.InputError("expected a device"), 2, "error: expected a device"),
    (errors.StorageError("the disk is full"), 3, "stopped: the disk is full"),
    (errors.JudgeError("q16 is broken"), 3, "stopped: q16 is broken"),
    (errors.WorkersLost("3 images were not made"), 3, "stopped: 3 images were not made"),
    (errors.Stopped("SIGTERM asked for it"), 3, "stopped: SIGTERM asked for it"),
    (errors.StoppedAtOnce("SIGTERM asked for it"), 3, "stopped: SIGTERM asked for it"),
    (KeyboardInterrupt(), 3, "stopped: interrupted"),
]


@pytest.mark.parametrize(("error", "code", "sentence"), CASES, ids=lambda value: type(value).__name__)
def test_an_expected_error_is_one_sentence_and_an_exit_code(error, code, sentence, capsys):
    def command():
        raise error

    assert exit_code_of(command) == code
    printed = capsys.readouterr().err
    assert printed.startswith(sentence)
    assert printed.count("\n") == 1


def test_a_bug_keeps_its_traceback():
    def command():
        raise ZeroDivisionError("division by zero")

    with pytest.raises(ZeroDivisionError):
        exit_code_of(command)
    assert errors.explain(ZeroDivisionError("division by zero")) == (1, "ZeroDivisionError: division by zero")
    assert errors.explain(errors.Unreadable("an empty file"))[0] == 1  # it is counted, and ends no command


def exceptions_in(path: Path) -> set[str]:
    """Classes that a file derives from an exception, of Python's or ours."""
    known = {name for module in (builtins, errors) for name in vars(module) if _is_exception(getattr(module, name))}
    classes = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef))
    return {c.name for c in classes if any(ast.unparse(base).split(".")[-1] in known for base in c.bases)}


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def test_no_other_module_of_eval_makes_an_error_of_its_own():
    elsewhere = {path: exceptions_in(path) for path in EVAL.rglob("*.py")}
    ours = elsewhere.pop(Path(errors.__file__).resolve())
    assert {"InputError", "Incomplete", "StoppedAtOnce", "Unreadable"} <= ours
    assert {path: names for path, names in elsewhere.items() if names} == {}


def test_a_current_folder_that_is_gone_is_bad_input_and_no_bug(tmp_path, monkeypatch):
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for name in ("relative", "."):
        with pytest.raises(FileNotFoundError) as caught:
            Path(name).absolute()
        assert errors.explain(caught.value)[0] == 2
        assert "the current folder must exist" in errors.explain(caught.value)[1]
    monkeypatch.chdir(tmp_path)
    assert errors.explain(caught.value)[0] == 1


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, "(Permission denied): give the user permission, or give another path"),
        (errno.EPERM, "(Operation not permitted): give the user permission, or give another path"),
        (errno.ENOTDIR, "(Not a directory): give another path"),
        (errno.ELOOP, "(Too many levels of symbolic links): give another path"),
        (errno.ESTALE, "(Stale file handle): give another path"),
        (errno.ENAMETOOLONG, "(File name too long): give another path"),
        (errno.EIO, "(Input/output error): give another path"),
    ],
)
def test_a_path_out_of_reach_is_named_with_what_helps(number, told):
    error = OSError(number, os.strerror(number), "runs/a")
    sentence = f"runs/a must be a path that this user can reach, found that it can't be {told}"
    assert errors.explain(error) == (errors.BAD_INPUT, sentence)
    code, words = errors.explain(OSError(number, os.strerror(number)))  # of no path, such as a pipe's
    assert (code, "must be a path" in words) == (errors.BUG, False)
