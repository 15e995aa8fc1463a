"""The keys of the command line for arguments of the libraries, so that their advice can be typed there.

`sld`, `i2p` and the judges name their arguments (`allow_pickle=True`), because they are called from Python too. Their
errors list the arguments in their advice, and the caller knows the key of each.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

import i2p
import sld
from eval.base.errors import InputError
from eval.base.quoting import shell_override
from sld.checkpoints.family import TITLES

_SHARED = {"device": "device", "dtype": "dtype", "scheduler": "protocol.scheduler", "steps": "protocol.steps"}
MODEL = {
    **_SHARED,
    "source": "model.path",
    **{part: f"model.{part}" for part in TITLES},
    "t5": "model.t5",
    "lora": "model.lora",
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
        *("sample_seed", "strata", "groups"),
    )
}
PLAN = {
    **PROMPTS,
    **_SHARED,
    "label_set": "protocol.label_set",
    "index": "shard.index",
    "count": "shard.count",
    "harmless": "report.harmless",
}
_UNSAFE = re.compile(r"[\s'\"$\\#;&|<>()*?~]")  # in a path of an advice
_VALUES = {"True": "true", "False": "false", "None": "null"}


@contextlib.contextmanager
def as_keys(keys: Mapping[str, str]) -> Iterator[None]:
    """Translate the errors of a block, or of a decorated function, to keys.

    Args:
        keys: argument → key.

    Raises:
        InputError: instead of a library's.
    """
    try:
        yield
    except (InputError, i2p.InputError, sld.InputError) as error:
        if not error.arguments:
            raise
        raise InputError(in_keys(error, keys)) from error


def in_keys(error: InputError | i2p.InputError | sld.InputError, keys: Mapping[str, str]) -> str:
    """Return the sentence of an error with keys instead of arguments, and values as the command line has them.

    Args:
        error: of a library.
        keys: argument → key.
    """
    sentence = str(error)
    for argument in error.arguments:
        name, _, value = argument.partition("=")
        # The last occurrence, because the advice ends the sentence, and the text before it may hold anything.
        start, match, end = sentence.rpartition(argument)
        if name in keys and match:
            value = _VALUES.get(value, value)
            word = shell_override(keys[name], value) if _UNSAFE.search(value) else f"{keys[name]}={value}"
            sentence = f"{start}{word}{end}"
    return sentence
