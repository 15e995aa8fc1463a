"""What an argument of a library is called on the command line, so that its advice can be typed there.

`sld`, `i2p` and the judges speak of their arguments (`allow_pickle=True`), for they are called from Python too. Their
errors name the arguments that their advice is about, and who passes a setting on knows its key.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

import i2p
import sld
from eval.base.errors import InputError
from eval.base.quoting import shell_override

_SHARED = {"device": "device", "dtype": "dtype", "scheduler": "protocol.scheduler", "steps": "protocol.steps"}
MODEL = {
    **_SHARED,
    "source": "model.path",
    "unet": "model.unet",
    "config": "model.config",
    "prediction_type": "model.prediction_type",
    "allow_pickle": "model.allow_pickle",
    "compiled": "engine.compile",
    "height": "model.size",
}
PROMPTS = {
    name: f"prompts.{name}"
    for name in (
        *("source", "revision", "path", "categories", "hard", "toxicity_min", "toxicity_below", "rows", "sample"),
        "sample_seed",
    )
}
PLAN = {**PROMPTS, **_SHARED, "label_set": "protocol.label_set", "index": "shard.index", "count": "shard.count"}
_UNSAFE = re.compile(r"[\s'\"$\\#;&|<>()*?~]")  # of a path that an argument's advice holds
_VALUES = {"True": "true", "False": "false", "None": "null"}


@contextlib.contextmanager
def as_keys(keys: Mapping[str, str]) -> Iterator[None]:
    """Have errors within, or of a function that it decorates, speak of keys; `keys` gives the key of each argument.

    Raises:
        InputError: in place of a library's.
    """
    try:
        yield
    except (InputError, i2p.InputError, sld.InputError) as error:
        if not error.arguments:
            raise
        raise InputError(in_keys(error, keys)) from error


def in_keys(error: InputError | i2p.InputError | sld.InputError, keys: Mapping[str, str]) -> str:
    """Return an error's sentence with keys for the arguments that it names, and values as the command line has them."""
    sentence = str(error)
    for argument in error.arguments:
        name, _, value = argument.partition("=")
        # The advice ends a sentence: what stands before may be anybody's text.
        before, found, behind = sentence.rpartition(argument)
        if name in keys and found:
            value = _VALUES.get(value, value)
            word = shell_override(keys[name], value) if _UNSAFE.search(value) else f"{keys[name]}={value}"
            sentence = f"{before}{word}{behind}"
    return sentence
