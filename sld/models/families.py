"""The model families, by the pipeline that a checkpoint names; a family's module is imported when one is met."""

import importlib
from collections.abc import Mapping
from typing import Any

from sld.checkpoints.family import Family
from sld.errors import InputError, other_way

# Pipeline → the module in this folder whose FAMILY it belongs to.
_MODULES = {
    "StableDiffusionPipeline": "stable_diffusion",
    "StableDiffusionXLPipeline": "stable_diffusion_xl",
    "StableDiffusionXLImg2ImgPipeline": "stable_diffusion_xl",
    "StableDiffusion3Pipeline": "stable_diffusion_3",
    "PixArtSigmaPipeline": "pixart",
}
_WITH_OTHER_PARTS = ("transformer", "prior", "unconditional_transformer")


def family_of(index: Mapping[str, Any], source: str) -> Family:
    """Return the family of a checkpoint.

    A pipeline that is not known is taken for one of Stable Diffusion's, of which there are many with the same
    components, unless its denoiser is no UNet.

    Args:
        index: the content of model_index.json.
        source: the checkpoint, as the error names it.

    Raises:
        InputError: there is no such family.
    """
    pipeline = str(index.get("_class_name", "no pipeline class"))
    if index.get("requires_aesthetics_score"):
        raise InputError(
            f"{source} must be a model that draws from noise, found {pipeline} with requires_aesthetics_score, a "
            "refiner of pictures: choose the base model, such as stabilityai/stable-diffusion-xl-base-1.0"
        )
    if pipeline not in _MODULES and any(index.get(part) for part in _WITH_OTHER_PARTS):
        raise InputError(
            f"{source} must be a checkpoint of one of the pipelines {', '.join(_MODULES)}, found {pipeline}: "
            f"{other_way(pipeline)}, or choose another checkpoint"
        )
    return named_family(_MODULES.get(pipeline, "stable_diffusion"))


def named_family(module: str) -> Family:
    """Return the family that a module of this folder defines."""
    return importlib.import_module(f"sld.models.{module}").FAMILY
