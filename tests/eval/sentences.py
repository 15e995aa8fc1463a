"""The sentences of errors as the source has them; … stands for what is filled in when one is raised."""

import ast
import re
from pathlib import Path

RAISED = ("InputError", "JudgeError", "StorageError", "Stopped", "WorkersLost")
TO_TYPE = re.compile(r"[\w.…]+=|`|--")


def errors_of(path: Path):
    """Yield (line, text, declared arguments) of every error that a module makes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for call in ast.walk(tree):
        name = getattr(call, "func", None)
        if isinstance(call, ast.Call) and isinstance(name, ast.Name) and name.id in RAISED and call.args:
            yield call.lineno, constant(call.args[0]), [constant(argument) for argument in call.args[1:]]


def constant(node: ast.AST) -> str:
    """A text as the source has it."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(constant, node.values))
    if isinstance(node, ast.BinOp):
        return constant(node.left) + constant(node.right)
    return "…"


def advice_of(text: str) -> str:
    """What a sentence says to do: all behind its last ; or :."""
    return re.split(r"[;:] (?![A-Z]{2})", text)[-1]  # not within {name: NAME}


def sentences_to_type(root: Path):
    """Yield ("PATH: TEXT", pattern) of each sentence that says to type a key, a flag or a command.

    The pattern takes a key of the command line for each argument that the error declares.
    """
    for path in sorted([*root.glob("eval/**/*.py"), *root.glob("sld/**/*.py"), *root.glob("i2p/*.py")]):
        for _, text, declared in errors_of(path):
            if not declared and not TO_TYPE.search(advice_of(text)):
                continue
            pattern = re.escape(text)
            for argument in declared:
                if argument.startswith("…"):  # filled in, with the text
                    continue
                name, _, value = argument.partition("=")
                value = value.replace("True", "true").replace("False", "false")
                pattern = pattern.replace(re.escape(argument), rf"(?:[\w.]*{name}|[\w.]+)={re.escape(value)}")
            yield f"{path.relative_to(root)}: {text}", re.compile(pattern.replace("…", ".*"), re.DOTALL)


def as_told(typed: str, advice: str, values: str) -> str:
    """What is typed when somebody does as told, and changes nothing else.

    Each KEY=VALUE of the advice takes the place of that key's word, or is added; each "leave KEY= out" takes it away.
    `values` are given for what stands for one (FILE, …, or nothing), in turn; behind > there is a whole line.
    """
    if values.startswith("> "):
        return values.removeprefix("> ")
    words, given = typed.split(), values.split()
    left = re.search(r"\bleave (.*) out", advice)
    for key, value in re.findall(r"([\w.]+)=(\[[^\]]*\]|[^\s,)`]*)", advice):
        if re.fullmatch(r"[A-Z]*|…", value):
            value = "" if left else given.pop(0)
        if value or not left:
            words.append(f"{key}={value}")
        words = [
            word for n, word in enumerate(words) if not word.startswith(f"{key}=") or (value and n == len(words) - 1)
        ]
    assert not given, given
    return " ".join(words)
