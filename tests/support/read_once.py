"""CLIP's tokenizers and networks without weights, made once per process of files with equal bytes.

Small checkpoints differ in their weights, and share CLIP's vocabulary and their configurations. Making the tokenizer
and the empty networks, against which weights are checked, is two thirds of loading one. Other bytes are read anew, and
so is whatever is refused.
"""

import functools
from collections.abc import Callable
from pathlib import Path


@functools.cache
def share() -> None:
    """Replace the two functions of `sld`, wherever they have been imported to."""
    from sld.checkpoints import configured, original, weights_check
    from sld.models import text

    text._read_tokenizer = _tokenizers(text._read_tokenizer)
    shared = _networks(configured.configured)
    for module in (configured, original, weights_check):
        module.configured = shared


def _tokenizers(read: Callable) -> Callable:
    known = {}

    def read_tokenizer(folder: Path, name: str, encoder):
        if not encoder.cls.startswith("CLIP"):  # T5's depends on a package, which a test takes away
            return read(folder, name, encoder)
        files = sorted(file for file in (folder / name).rglob("*") if file.is_file())
        contents = tuple((file.relative_to(folder).as_posix(), file.read_bytes()) for file in files)
        key = encoder.cls, contents, _content(folder / encoder.part / "config.json")
        if key not in known:
            known[key] = read(folder, name, encoder)
        return known[key]

    return read_tokenizer


def _networks(make: Callable) -> Callable:
    known = {}

    def configured(component, folder: Path, device: str = "meta"):
        if device != "meta":
            return make(component, folder, device)
        key = component.cls, _content(folder / "config.json")
        if key not in known:
            known[key] = make(component, folder)
        return known[key]

    return configured


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
