"""The classes that a checkpoint names, in model_index.json and in each part's folder, which must agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sld.checkpoints.components import ACCEPTED, COMPONENTS
from sld.checkpoints.files import read_json
from sld.errors import InputError

_TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast")
# Written by generic tokenizer classes, with the vocabulary in tokenizer.json.
_PLAIN = ("PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend")


def named_class(index: Mapping[str, Any], part: str) -> str | None:
    """Return the class that model_index.json names for a part; None if it names none."""
    entry = index.get(part)
    return entry[1] if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str) else None


def check_classes(folder: Path) -> None:
    """Raise `InputError` if a part's own configuration names another kind of class than model_index.json.

    diffusers takes the class of model_index.json whatever the part says, and so builds a part from the configuration of
    a different kind of part. The scheduler's own class does count: see `sld.schedulers.read_scheduler`.
    """
    index = read_json(folder / "model_index.json")
    tokenizer = named_class(index, "tokenizer")
    _check("tokenizer", tokenizer, _TOKENIZERS, folder / "model_index.json")
    for part, expected in COMPONENTS.items():
        path = folder / part / "config.json"
        if path.is_file():  # a missing one is reported where it is read
            for name in _named_in(read_json(path)):
                _check(part, name, (expected, *ACCEPTED.get(part, ())), path, named_class(index, part))
    path = folder / "tokenizer" / "tokenizer_config.json"
    if path.is_file():
        _check("tokenizer", read_json(path).get("tokenizer_class"), (*_TOKENIZERS, *_PLAIN), path, tokenizer)


def _named_in(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the classes that a component's own configuration names: diffusers' and transformers' keys for them."""
    return (config.get("_class_name"), *(config.get("architectures") or ()))


def _check(part: str, name: Any, expected: tuple[str, ...], path: Path, indexed: str | None = None) -> None:
    if name is None or name in expected:
        return
    beside = f" beside {indexed} in model_index.json" if indexed else ""
    raise InputError(
        f"{part} must be of class {expected[0]}, found {name}{beside} in {path}: put the right file there, or choose "
        "another checkpoint"
    )
