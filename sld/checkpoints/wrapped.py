"""The weights of one part of a model in the forms in which erasure methods save them.

A file may hold the part's weights alone or a whole model, bare or in dictionaries of dictionaries (`state_dict`,
`unet`, a dictionary per module), with the prefixes of wrappers such as `module.`. Nested dictionaries become dotted
names, so that both kinds of wrapping are prefixes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sld.errors import counted

_STATE = ("state_dict", "model_state_dict", "model", "module", "_orig_mod")
# The names of parts in files of whole models, besides their names in diffusers.
_WHOLE = {
    "unet": ("diffusion_model",),  # CompVis: model.diffusion_model
    "transformer": ("diffusion_model",),
    "text_encoder": (r"cond_stage_model\.transformer", r"conditioner\.embedders\.0\.transformer"),
    "vae": ("first_stage_model",),
}
_DEEPEST = 8  # levels of dictionaries; deeper ones are an optimizer's


def named_tensors(content: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the tensors in nested dictionaries with their keys, joined by dots.

    Whatever else a training script stores beside them (numbers, lists of callbacks) is no weight and left out.

    Args:
        content: as unpickled.
        prefix: of the keys so far.
        depth: of the dictionary.
    """
    import torch

    if isinstance(content, torch.Tensor) and prefix:
        yield prefix, content
    elif isinstance(content, Mapping) and depth < _DEEPEST:
        for key, value in content.items():
            yield from named_tensors(value, f"{prefix}.{key}" if prefix else str(key), depth + 1)


@dataclass(frozen=True)
class Selection:
    """The weights of one part among all those of a file.

    Attributes:
        names: (name without prefixes, key in the file) of each weight of the part.
        beside: the keys of all others; none if the file holds the part alone.
    """

    names: tuple[tuple[str, str], ...]
    beside: tuple[str, ...]


def select(part: str, keys: Iterable[str]) -> Selection:
    """Return the weights of a part among those of a file, without the prefixes of wrappers and of whole models.

    Args:
        part: its name in diffusers' layout, such as "unet".
        keys: of all tensors in the file.
    """
    own = "|".join((re.escape(part), *_WHOLE.get(part, ())))
    wrappers = rf"(?:(?:{'|'.join(_STATE)})\.)*"
    keys = list(keys)
    pattern = re.compile(rf"(?P<outer>{wrappers})(?P<own>(?:{own})\.)?{wrappers}(?P<name>.+)")
    matches = {key: match for key in keys if (match := pattern.fullmatch(key))}
    for kind in ("own", "outer"):
        if any(match[kind] for match in matches.values()):
            matches = {key: match for key, match in matches.items() if match[kind]}
            break
    names = tuple((match["name"], key) for key, match in matches.items())
    return Selection(names, tuple(key for key in keys if key not in matches))


def in_groups(keys: Iterable[str]) -> str:
    """Return keys in words, by their first words and how many there are."""
    keys = list(keys)
    groups = list(dict.fromkeys(key.partition(".")[0] + ".*" * ("." in key) for key in keys))
    more = f" and {len(groups) - 5} more" if len(groups) > 5 else ""
    return f"{', '.join(groups[:5])}{more} ({counted(len(keys), 'tensor')})"
