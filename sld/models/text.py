"""Texts as the text encoder reads them: with a vocabulary that fits, learned tokens in full, cut to its length."""

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sld.checkpoints.family import TOKENIZERS, Component
from sld.errors import InputError, first_line

# Any vocabulary that a model can be prompted in distinguishes these.
_WORDS = ("a", "cat", "dog", "red", "house", "water", "person", "painting", "light", "oil", "by", "zebra")
_ASKED = 400  # words of the vocabulary, each of which must be read as its own token
_FILES = {"CLIP": "vocab.json and merges.txt, or tokenizer.json", "T5": "tokenizer.json, or spiece.model"}


class Texts:
    """A tokenizer with the length that its text encoder reads.

    Args:
        tokenizer: of transformers.
        config: that of its text encoder.
        length: the maximum number of tokens of a text; None for that of the tokenizer and of CLIP's text encoder.
        clean: applied to every text first.
        beside: what else reads the texts, and how much of them, as sentences add it in parentheses.
    """

    def __init__(
        self,
        tokenizer: Any,
        config: Any,
        length: int | None = None,
        clean: Callable[[str], str] = str,
        beside: str = "",
    ):
        self.tokenizer, self._clean, self.beside = tokenizer, clean, beside
        self.length = length or int(min(tokenizer.model_max_length, config.max_position_embeddings))
        """The maximum number of tokens of a text, start and end included."""
        added = tokenizer.added_tokens_encoder
        self._learned = {
            number: (_pattern(tokenizer.added_tokens_decoder[number]), _vectors(token, added))
            for token, number in added.items()
            if f"{token}_1" in added
        }

    def read(self, texts: Sequence[str]):
        """Return token numbers and attention mask, (N, length) tensors; a long text is cut and keeps its end token."""
        return self.tokenizer(
            [self._with_learned_tokens(text) for text in texts],
            padding="max_length",
            max_length=self.length,
            truncation=True,
            return_tensors="pt",
        )

    def are_cut(self, texts: Sequence[str]) -> list[bool]:
        """Return whether each text has more tokens than are read."""
        complete = [self._with_learned_tokens(text) for text in texts]
        numbers = self.tokenizer(complete, truncation=True, max_length=self.length + 1).input_ids if complete else []
        return [len(tokens) > self.length for tokens in numbers]

    def _with_learned_tokens(self, text: str) -> str:
        """Return the text with the further vectors of every learned token, as diffusers' pipelines read it.

        Source: diffusers' `TextualInversionLoaderMixin.maybe_convert_prompt`, which goes through the tokens of a text
        in no fixed order; here the order is that of the text. It looks for a token in lower case, as the tokenizer
        reports it, and so misses further vectors if the token's name or the text has capitals; here all are used.
        """
        text = self._clean(text)
        if not self._learned:
            return text
        for number in dict.fromkeys(self.tokenizer(text, add_special_tokens=False).input_ids):
            if number in self._learned:
                pattern, vectors = self._learned[number]
                text = pattern.sub(lambda _, vectors=vectors: vectors, text)
        return text


def _pattern(token: Any) -> re.Pattern:
    """Return a pattern for an added token; a normalized one ignores case, as CLIP normalizes to lower case."""
    return re.compile(re.escape(token.content), re.IGNORECASE if token.normalized else 0)


def _vectors(token: str, added: dict[str, int]) -> str:
    names = [token]
    while f"{token}_{len(names)}" in added:
        names.append(f"{token}_{len(names)}")
    return " ".join(names)


def read_tokenizers(folder: Path, encoders: Mapping[str, Component]) -> dict[str, Any]:
    """Return the tokenizers of a checkpoint in diffusers' layout by their folders' names.

    Args:
        folder: of the checkpoint.
        encoders: the text encoder of each tokenizer.

    Raises:
        InputError: one is missing, does not know words, or has tokens without an embedding.
    """
    return {name: _read_tokenizer(folder, name, encoder) for name, encoder in encoders.items()}


def _read_tokenizer(folder: Path, name: str, encoder: Component):
    tokenizer = load_tokenizer(folder / name, TOKENIZERS[encoder.cls][0])
    try:
        config = encoder.load_class().config_class.from_pretrained(folder / encoder.part, local_files_only=True)
    except Exception as error:  # the library may raise anything for a foreign configuration
        raise InputError(
            f"{folder / encoder.part} must hold the configuration of a {encoder.cls}, found another "
            f"({first_line(error)}): download it again"
        ) from error
    check_vocabulary(tokenizer, config, folder / name)
    return tokenizer


def load_tokenizer(folder: Path, cls: str = "CLIPTokenizer"):
    """Return the tokenizer in a folder, without a check of its vocabulary.

    Args:
        folder: of the tokenizer.
        cls: of transformers' tokenizers, CLIPTokenizer or T5Tokenizer.

    Raises:
        InputError: there is none.
    """
    import transformers

    kind = cls.removesuffix("Tokenizer")
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder with {kind}'s tokenizer, found none: complete the checkpoint")
    is_converted = kind == "T5" and not (folder / "tokenizer.json").is_file()
    if is_converted and importlib.util.find_spec("sentencepiece") is None:
        raise InputError(
            f"the sentencepiece package must be installed for T5's tokenizer in {folder}, found none: "
            "pip install 'i2p-bench[t5]'"
        )
    try:
        return getattr(transformers, cls).from_pretrained(folder, local_files_only=True)
    except Exception as error:  # as above
        raise InputError(
            f"{folder} must hold {kind}'s tokenizer, found files from which it cannot be built ({first_line(error)}): "
            "download them again"
        ) from error


def check_vocabulary(tokenizer: Any, config: Any, place: Path) -> None:
    """Raise `InputError` unless the tokenizer distinguishes words and the text encoder embeds all of its tokens.

    The tokenizer is tried out: from a folder without a vocabulary transformers builds one with two tokens, to which all
    texts are the same, and without its merges a vocabulary splits words into letters.
    """
    _check_settings(tokenizer, config, place)
    kind = "T5" if type(tokenizer).__name__.startswith("T5") else "CLIP"
    remedy = f"complete its folder ({_FILES[kind]})"
    vocabulary = tokenizer.get_vocab()
    tokens = 1 + max(vocabulary.values(), default=-1)
    read = tokenizer(list(_WORDS), add_special_tokens=False).input_ids
    unknown = tokenizer.unk_token_id
    if len({*map(tuple, read)}) < len(_WORDS) or not all(read) or any(unknown in numbers for numbers in read):
        raise InputError(
            f"{place} must hold {kind}'s vocabulary, found a tokenizer of {tokens:,} tokens that does not distinguish "
            f"words: {remedy}"
        )
    if tokens > config.vocab_size:
        raise InputError(
            f"{place} must hold a tokenizer whose tokens all have an embedding, found {tokens} tokens and "
            f"{config.vocab_size} embeddings in the text encoder: give the tokenizer that belongs to it, without "
            "tokens that were added later"
        )
    ends = (token[:-4] for token in vocabulary if token.endswith("</w>") and token.isascii())
    words = sorted(word for word in ends if len(word) > 1 and word.isalpha() and word.islower())
    words = words[:: 1 + len(words) // _ASKED]
    numbers = tokenizer(words, add_special_tokens=False).input_ids if words else []
    broken = [
        word for word, tokens_read in zip(words, numbers, strict=True) if tokens_read != [vocabulary[f"{word}</w>"]]
    ]
    if len(broken) > len(words) // 20:
        raise InputError(
            f"{place} must hold the merges of CLIP's vocabulary, found that {broken[0]!r} and {len(broken) - 1} more "
            f"of {len(words)} of its words are not read as one token: {remedy}"
        )


def _check_settings(tokenizer: Any, config: Any, place: Path) -> None:
    """Raise `InputError` unless texts can be cut and padded to one length."""
    length = tokenizer.model_max_length
    is_number = isinstance(length, int | float) and not isinstance(length, bool)
    if not is_number or min(length, getattr(config, "max_position_embeddings", length)) < 3:
        raise InputError(  # two of the three are start and end
            f"{place} must hold a tokenizer that reads texts of 3 tokens or more, found model_max_length {length!r}: "
            "correct its tokenizer_config.json"
        )
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"{place} must hold a tokenizer that pads texts, found no token named as pad_token: "
            'set "pad_token": "<|endoftext|>" in its tokenizer_config.json'
        )
