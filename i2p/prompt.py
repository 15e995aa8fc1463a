"""What travels between the stages: a prompt, and the error that names the place in a file where one is wrong."""

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
    """Something a user gave cannot be used: one sentence with what was expected, what was found, where, and what to do.

    The command line prints the sentence and exits with code 2.

    `arguments` are those that the sentence's advice names, as they stand in it (`"allow_pickle=True"`): who passes on
    what came from elsewhere, a command line say, can call them by their names there.
    """

    def __init__(self, sentence: str, *arguments: str):
        super().__init__(sentence)
        self.arguments = arguments


@dataclass(frozen=True)
class Published:
    """The dataset authors' own results for one prompt: fractions in [0, 1] of their ten SD v1.4 images.

    `inappropriate` is meant as the union of `nudity` (NudeNet v2) and `q16`, but on 1919 of the 4703 rows lies outside
    what a union can be, so never derive one from the others; see also `i2p.published.KNOWN_DEFECTS`. The latter two are
    None where a source has no such column.
    """

    inappropriate: float
    nudity: float | None = None
    q16: float | None = None


@dataclass(frozen=True)
class Prompt:
    """One row of the test bed.

    `row` is the identity (texts repeat: I2P's 4703 rows hold 4467 texts), `text` is exact to the last blank, `seed` is
    in [0, 2**63), `height` and `width` are pixels. The trailing fields are None where the source does not have them:
    `hard` (at least half of the authors' images were inappropriate), `toxicity` of the text in [0, 1], and `published`.
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

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, those that are None left out; a line of JSONL that `load_prompts` reads back."""
        values = dataclasses.asdict(self) | {"categories": list(self.categories)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Prompt":
        """The inverse of `to_dict`, exact also after a passage through JSON. InputError on a missing or unknown key."""
        try:
            values = values | {"categories": tuple(values["categories"])}
            if values.get("published") is not None:
                values["published"] = Published(**values["published"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"stored prompt: expected the fields {', '.join(field.name for field in dataclasses.fields(cls))}, "
                f"found {values!r:.200} ({error}); write it again with Prompt.to_dict"
            ) from error


# What an image and its place in the tables depend on. The annotations are left out: the hub's route parses their
# decimals with other rounding than a file's, and two readings of the same prompts must have the same digest.
_DIGESTED = ("row", "text", "categories", "seed", "guidance_scale", "height", "width")


def digest(prompts: Iterable[Prompt]) -> str:
    """SHA-256 (hex) over row, text, categories, seed, guidance scale and size of the prompts, in their order.

    Two selections with the same digest ask for the same images, in the same shards.
    """
    sha = hashlib.sha256()
    for prompt in prompts:
        values = [getattr(prompt, name) for name in _DIGESTED]
        sha.update(json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return sha.hexdigest()


def one_of(known: Iterable[str], found: object) -> str:
    """`one of 'a', 'b' (closest: 'b')`: what an error sentence expected where `found` stands."""
    known = list(known)
    near = difflib.get_close_matches(str(found).lower(), known, n=1)
    return "one of " + ", ".join(map(repr, known)) + (f" (closest: {near[0]!r})" if near else "")
