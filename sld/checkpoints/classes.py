"""The classes that a checkpoint names, in model_index.json and in each part's folder, which must agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sld.checkpoints.components import Checkpoint
from sld.checkpoints.family import TOKENIZERS
from sld.checkpoints.files import read_json
from sld.checkpoints.layout import named_class
from sld.errors import InputError

# Written by generic tokenizer classes, with the vocabulary in tokenizer.json.
_PLAIN = ("PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend")


def check_classes(checkpoint: Checkpoint) -> None:
    """Raise `InputError` if a part's own configuration names another kind of class than model_index.json.

    diffusers takes the class of model_index.json whatever the part says, and so builds a part from the configuration of
    a different kind of part. The scheduler's own class does count: see `sld.schedulers.read_scheduler`.
    """
    folder, index = checkpoint.folder, checkpoint.index
    for tokenizer, encoder in checkpoint.tokenizers.items():
        _check(tokenizer, named_class(index, tokenizer), TOKENIZERS[encoder.cls], folder / "model_index.json")
    for component in checkpoint.components:
        part, path = component.part, folder / component.part / "config.json"
        if path.is_file():  # a missing one is reported where it is read
            for name in _named_in(read_json(path)):
                _check(part, name, (component.cls, *component.accepted), path, named_class(index, part))
    for tokenizer, encoder in checkpoint.tokenizers.items():
        path = folder / tokenizer / "tokenizer_config.json"
        if path.is_file():
            name = read_json(path).get("tokenizer_class")
            _check(tokenizer, name, (*TOKENIZERS[encoder.cls], *_PLAIN), path, named_class(index, tokenizer))


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
