"""Texts as the text encoder reads them: by a vocabulary that fits it, learned tokens whole, cut to its length."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sld.errors import InputError, first_line

# Any vocabulary that a model can be asked in tells these apart.
_WORDS = ("a", "cat", "dog", "red", "house", "water", "person", "painting", "light", "oil", "by", "zebra")
_ASKED = 400  # words of the vocabulary that must be read as what they are there
_REMEDY = "complete its folder (vocab.json and merges.txt, or tokenizer.json)"


class Texts:
    """A tokenizer with the length of its text encoder: `config` is that of a CLIPTextModel."""

    def __init__(self, tokenizer: Any, config: Any):
        self.tokenizer = tokenizer
        self.length = int(min(tokenizer.model_max_length, config.max_position_embeddings))
        """The most tokens of a text, start and end included."""
        added = tokenizer.added_tokens_encoder
        self._learned = {
            number: (_pattern(tokenizer.added_tokens_decoder[number]), _vectors(token, added))
            for token, number in added.items()
            if f"{token}_1" in added
        }

    def read(self, text: str):
        """Token numbers and attention mask, (1, length) tensors: cut where it is longer, the end token kept."""
        return self.tokenizer(
            self._whole(text), padding="max_length", max_length=self.length, truncation=True, return_tensors="pt"
        )

    def are_cut(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text has more tokens than are read."""
        whole = [self._whole(text) for text in texts]
        numbers = self.tokenizer(whole, truncation=True, max_length=self.length + 1).input_ids if whole else []
        return [len(each) > self.length for each in numbers]

    def _whole(self, text: str) -> str:
        """The text with every learned token of several vectors followed by its others, as diffusers' pipelines read it.

        Source: diffusers' `TextualInversionLoaderMixin.maybe_convert_prompt`, which goes through the tokens of a text
        in no fixed order; here it is that of the text. It looks for a token as the tokenizer reports it, in small
        letters, and so misses the others of one that has capitals, in its name or in the text; here all are used.
        """
        if not self._learned:
            return text
        for number in dict.fromkeys(self.tokenizer(text, add_special_tokens=False).input_ids):
            if number in self._learned:
                pattern, vectors = self._learned[number]
                text = pattern.sub(lambda _, vectors=vectors: vectors, text)
        return text


def _pattern(token: Any) -> re.Pattern:
    """What is read as an added token: one that is normalized in any case, as CLIP's normalization is lower case."""
    return re.compile(re.escape(token.content), re.IGNORECASE if token.normalized else 0)


def _vectors(token: str, added: dict[str, int]) -> str:
    names = [token]
    while f"{token}_{len(names)}" in added:
        names.append(f"{token}_{len(names)}")
    return " ".join(names)


def read_tokenizer(folder: Path):
    """The CLIP tokenizer of a checkpoint in diffusers' layout, which fits its text encoder.

    Raises `InputError` if there is none, or none that knows words, or that has tokens without an embedding.
    """
    from transformers import CLIPTextConfig

    tokenizer = load_tokenizer(folder / "tokenizer")
    try:
        config = CLIPTextConfig.from_pretrained(folder / "text_encoder", local_files_only=True)
    except Exception as error:  # a foreign configuration makes the library raise nearly anything
        raise InputError(
            f"The configuration of a CLIPTextModel was expected, found another ({first_line(error)}) in "
            f"{folder / 'text_encoder'}; download it again."
        ) from error
    check_vocabulary(tokenizer, config, folder / "tokenizer")
    return tokenizer


def load_tokenizer(folder: Path):
    """The CLIP tokenizer in a folder, whatever it knows. Raises `InputError` if there is none."""
    from transformers import CLIPTokenizer

    if not folder.is_dir():
        raise InputError(
            f"A folder with CLIP's tokenizer was expected, found none at {folder}; complete the checkpoint."
        )
    try:
        return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # as above
        raise InputError(
            f"CLIP's tokenizer was expected, found files it cannot be made from ({first_line(error)}) in {folder}; "
            "download them again."
        ) from error


def check_vocabulary(tokenizer: Any, config: Any, place: Path) -> None:
    """Raise `InputError` unless the tokenizer tells words apart and the text encoder has an embedding for each token.

    The tokenizer itself is asked: of a folder without a vocabulary transformers makes one that has two tokens, to
    which all texts are the same, and without its merges a vocabulary falls into letters.
    """
    _check_settings(tokenizer, config, place)
    vocabulary = tokenizer.get_vocab()
    tokens = 1 + max(vocabulary.values(), default=-1)
    read = tokenizer(list(_WORDS), add_special_tokens=False).input_ids
    unknown = tokenizer.unk_token_id
    if len({*map(tuple, read)}) < len(_WORDS) or not all(read) or any(unknown in numbers for numbers in read):
        raise InputError(
            f"CLIP's vocabulary was expected, found a tokenizer of {tokens:,} tokens that does not tell words apart in "
            f"{place}; {_REMEDY}."
        )
    if tokens > config.vocab_size:
        raise InputError(
            f"An embedding for every token was expected, found {tokens} tokens in {place} and {config.vocab_size} "
            "embeddings in the text encoder beside it; give the tokenizer that belongs to it, without tokens that were "
            "added since."
        )
    words = sorted(token[:-4] for token in vocabulary if re.fullmatch(r"[a-z]{2,}</w>", token))
    words = words[:: 1 + len(words) // _ASKED]
    numbers = tokenizer(words, add_special_tokens=False).input_ids if words else []
    broken = [word for word, found in zip(words, numbers, strict=True) if found != [vocabulary[f"{word}</w>"]]]
    if len(broken) > len(words) // 20:
        raise InputError(
            f"The merges of CLIP's vocabulary were expected, found that {broken[0]!r} and {len(broken) - 1} more of "
            f"{len(words)} of its words are not read as one token in {place}; {_REMEDY}."
        )


def _check_settings(tokenizer: Any, config: Any, place: Path) -> None:
    """Raise `InputError` unless texts can be cut and filled up to one length."""
    most = tokenizer.model_max_length
    if isinstance(most, bool) or not isinstance(most, int | float) or min(most, config.max_position_embeddings) < 3:
        raise InputError(  # of the three, two are start and end
            f"A tokenizer that reads texts of 3 tokens or more was expected, found model_max_length {most!r} in "
            f"{place}; correct its tokenizer_config.json."
        )
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"A tokenizer that fills texts up was expected, found none of its tokens named as pad_token in {place}; "
            'set "pad_token": "<|endoftext|>" in its tokenizer_config.json.'
        )
