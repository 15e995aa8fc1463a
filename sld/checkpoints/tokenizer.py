"""CLIP's tokenizer without a download: its vocabulary ships in the open_clip wheel."""

import functools
import gzip
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

from sld.errors import InputError

_MERGES = 49152 - 256 - 2  # as many of the file's merges as OpenAI trained CLIP with
START, END = "<|startoftext|>", "<|endoftext|>"


def write_clip_tokenizer(
    folder: Path, pad_token: str = END, merges: Sequence[str] | None = None, length: int = 77
) -> None:
    """Write `vocab.json`, `merges.txt` and `tokenizer_config.json` of CLIP's tokenizer, for transformers to load.

    The order of the vocabulary is that of OpenAI's `simple_tokenizer.py`.

    Args:
        folder: created if necessary.
        pad_token: `<|endoftext|>` (49407) for SD 1.x, `!` (0) for SD 2.x.
        merges: the pairs that byte-pair encoding joins, most important first; None for CLIP's own.
        length: the maximum number of tokens of a text, start and end included.

    Raises:
        InputError: CLIP's merges are needed and open_clip is not installed.
    """
    vocabulary, pairs = _vocabulary(merges if merges is None else tuple(merges))
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": length,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": pad_token,
        "do_lower_case": True,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(vocabulary, encoding="utf-8")
    (folder / "merges.txt").write_text(pairs, encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


@functools.lru_cache(maxsize=1)  # a checkpoint may have the same words in two tokenizers
def _vocabulary(merges: tuple[str, ...] | None) -> tuple[str, str]:
    """Return the texts of `vocab.json` and `merges.txt`."""
    merges = _clip_merges() if merges is None else merges
    letters = _byte_letters()
    words = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        *(pair.replace(" ", "") for pair in merges),
        START,
        END,
    ]
    numbers = {word: number for number, word in enumerate(words)}
    return json.dumps(numbers, ensure_ascii=False), "\n".join(["#version: 0.2", *merges, ""])


def _clip_merges() -> list[str]:
    spec = importlib.util.find_spec("open_clip")  # located, not imported: importing it takes seconds
    if spec is None or spec.origin is None:
        raise InputError(
            "the open_clip package must be installed for CLIP's vocabulary, found none: pip install open_clip_torch"
        )
    packed = Path(spec.origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    return gzip.decompress(packed.read_bytes()).decode("utf-8").split("\n")[1 : _MERGES + 1]


def _byte_letters() -> list[str]:
    """Return printable stand-ins for the 256 bytes, since byte-level BPE has no spaces or control characters."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    stand_ins = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(stand_ins)]
