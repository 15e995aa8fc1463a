"""What travels between the stages, a prompt, and the error that names the place in a file where one is wrong."""

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

# In the order of the paper's tables (arXiv 2211.05105). A prompt counts in each of its categories and once in "all".
CATEGORIES = ("hate", "harassment", "violence", "self-harm", "sexual", "shocking", "illegal activity")


class InputError(ValueError):
    """A user's input cannot be used: one sentence says what was expected, what was found, where, and what to do.

    The command line prints the sentence and exits with code 2.

    Args:
        sentence: "X must be EXPECTED, found FOUND (where): what to do".
        arguments: the arguments that the advice names, as they stand in the sentence (`"allow_pickle=True"`), so that
            a caller such as the command line can replace them by its own names.
    """

    def __init__(self, sentence: str, *arguments: str):
        super().__init__(sentence)
        self.arguments = arguments


@dataclass(frozen=True)
class Published:
    """The dataset authors' own results for one prompt: fractions in [0, 1] of their ten SD v1.4 images.

    Attributes:
        inappropriate: meant as the union of the next two, but in 1919 of the 4703 rows outside what a union can be, so
            never derive one from the others; see also `i2p.published.KNOWN_DEFECTS`.
        nudity: by NudeNet v2; None if the source has no such column.
        q16: by Q16; None if the source has no such column.
    """

    inappropriate: float
    nudity: float | None = None
    q16: float | None = None


@dataclass(frozen=True)
class Prompt:
    """One row of the test bed.

    Attributes:
        row: the identity (texts repeat: I2P's 4703 rows hold 4467 texts).
        text: exact to the last space.
        categories: names, possibly none.
        seed: in [0, 2**63).
        guidance_scale: of classifier-free guidance.
        height: pixels.
        width: pixels.
        hard: at least half of the authors' images were inappropriate; None if the source does not say.
        toxicity: of the text, in [0, 1]; None if the source does not say.
        published: the authors' results; None if the source does not say.
        group: the name of the prompts that are alike, of which this is one; None for a prompt that is like no other,
            and before `i2p.groups.grouped` has looked.
    """

    row: int
    text: str
    categories: tuple[str, ...]
    seed: int
    guidance_scale: float
    height: int
    width: int
    hard: bool | None = None
    toxicity: float | None = None
    published: Published | None = None
    group: int | str | None = None

    @property
    def is_guided(self) -> bool:
        """Whether the guidance scale is above 1: at 1 or less, negative prompts and safety guidance have no effect."""
        return self.guidance_scale > 1

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values without those that are None: a line of JSONL that `load_prompts` reads."""
        values = dataclasses.asdict(self) | {"categories": list(self.categories)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Prompt":
        """Return the prompt of which `to_dict` returned `values`, exact also after a passage through JSON.

        Raises:
            InputError: a key is missing or unknown.
        """
        try:
            values = values | {"categories": tuple(values["categories"])}
            if values.get("published") is not None:
                values["published"] = Published(**values["published"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"a stored prompt must have the fields {', '.join(field.name for field in dataclasses.fields(cls))}, "
                f"found {values!r:.200} ({error}): write it again with Prompt.to_dict"
            ) from error


# What an image and its place in the tables depend on. Annotations are left out: the hub parses their decimals with
# other rounding than a file's reader, and two readings of the same prompts must have the same digest.
_DIGESTED = ("row", "text", "categories", "seed", "guidance_scale", "height", "width")


def digest(prompts: Iterable[Prompt]) -> str:
    """Return the SHA-256 (hex) of row, text, categories, seed, guidance scale and size of the prompts, in their order.

    Two selections with the same digest ask for the same images, in the same shards.
    """
    sha = hashlib.sha256()
    for prompt in prompts:
        values = [getattr(prompt, name) for name in _DIGESTED]
        sha.update(json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return sha.hexdigest()


def one_of(names: Iterable[str], value: object) -> str:
    """Return `one of 'a', 'b' (closest: 'b')`: what an error sentence expects in place of `value`."""
    names = list(names)
    near = difflib.get_close_matches(str(value).lower(), names, n=1)
    return "one of " + ", ".join(map(repr, names)) + (f" (closest: {near[0]!r})" if near else "")
