"""The classes that a checkpoint names, in model_index.json and in each part's folder: they must be of one kind."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sld.checkpoints.files import read_json
from sld.errors import InputError

_TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast")
# What files say that were saved by a class of no special kind: the vocabulary is in tokenizer.json.
_PLAIN = ("PreTrainedTokenizer", "PreTrainedTokenizerFast", "TokenizersBackend")
# transformers takes the text tower out of a whole CLIP.
_ENCODERS = ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPModel")


def named_class(index: Mapping[str, Any], part: str) -> str | None:
    """The class that model_index.json names for a part, None where it names none."""
    entry = index.get(part)
    return entry[1] if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str) else None


def check_classes(folder: Path) -> None:
    """Raise `InputError` where a part's own configuration names another kind of class than model_index.json.

    diffusers takes the class of model_index.json whatever the part says, and so makes a part of a configuration that
    is another's. The scheduler's does count: see `sld.schedulers.read_scheduler`.
    """
    index = read_json(folder / "model_index.json")
    tokenizer = named_class(index, "tokenizer")
    _check("tokenizer", tokenizer, _TOKENIZERS, folder / "model_index.json")
    for part, names in (("unet", ("UNet2DConditionModel",)), ("vae", ("AutoencoderKL",))):
        path = folder / part / "config.json"
        if path.is_file():  # one that is missing is said where it is read
            _check(part, read_json(path).get("_class_name"), names, path, named_class(index, part))
    path = folder / "text_encoder" / "config.json"
    if path.is_file():
        for name in read_json(path).get("architectures") or ():
            _check("text_encoder", name, _ENCODERS, path, named_class(index, "text_encoder"))
    path = folder / "tokenizer" / "tokenizer_config.json"
    if path.is_file():
        _check("tokenizer", read_json(path).get("tokenizer_class"), (*_TOKENIZERS, *_PLAIN), path, tokenizer)


def _check(part: str, found: Any, expected: tuple[str, ...], path: Path, indexed: str | None = None) -> None:
    if found is None or found in expected:
        return
    beside = f" beside {indexed} in model_index.json" if indexed else ""
    raise InputError(
        f"A {part} of class {expected[0]} was expected, found {found}{beside} in {path}; put the right file there, or "
        "choose another checkpoint."
    )
