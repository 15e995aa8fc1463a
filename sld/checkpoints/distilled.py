"""The refusal of models whose guidance was distilled into them."""

from collections.abc import Mapping
from typing import Any

from sld.errors import InputError, other_way


def check_not_distilled(index: Mapping[str, Any], denoiser: Mapping[str, Any], source: str) -> None:
    """Raise `InputError` for a model whose guidance was distilled into its denoiser.

    Args:
        index: the content of model_index.json.
        denoiser: its configuration.
        source: the checkpoint, as the error names it.
    """
    marks = {"is_distilled": index.get("is_distilled")}
    marks |= {key: denoiser.get(key) for key in ("guidance_embeds", "time_cond_proj_dim")}
    for key, value in marks.items():
        if value:
            raise InputError(
                f"{source} must be a model that is guided by the difference of two predictions, found one into which "
                f"guidance was distilled ({key}={value}), so that safety guidance and negative prompts have nothing to "
                f"act on: {other_way(index.get('_class_name') or 'its own pipeline')}, or choose the model that it was "
                "distilled from"
            )
