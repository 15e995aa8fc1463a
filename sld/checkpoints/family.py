"""Model families as data: the pipelines that belong to one, and the components that a checkpoint of it holds."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

# The components of all families, each under its folder's name in diffusers' layout, as sentences name them.
TITLES = {
    "unet": "UNet",
    "transformer": "transformer",
    "vae": "VAE",
    "text_encoder": "text encoder",
    "text_encoder_2": "second text encoder",
    "text_encoder_3": "third text encoder",
}

_CLIP = ("CLIPTokenizer", "CLIPTokenizerFast")
_T5 = ("T5Tokenizer", "T5TokenizerFast")
# The tokenizers of each class of text encoders, the first of which loads the others' files too.
T5 = "T5EncoderModel"
TOKENIZERS = {"CLIPTextModel": _CLIP, "CLIPTextModelWithProjection": _CLIP, T5: _T5}


def library(part: str) -> str:
    """Return the library that loads a component, "diffusers" or "transformers"."""
    return "transformers" if part.startswith("text_encoder") else "diffusers"


def stems(part: str) -> tuple[str, str]:
    """Return how the names of a component's weight files begin, as safetensors and as pickles."""
    if library(part) == "transformers":
        return "model", "pytorch_model"
    return "diffusion_pytorch_model", "diffusion_pytorch_model"


@dataclass(frozen=True)
class Component:
    """A model within a checkpoint.

    Attributes:
        part: a key of `TITLES`.
        cls: the class of diffusers or transformers that loads it.
        accepted: other classes that its own configuration may name.
        optional: whether a checkpoint may lack it.
    """

    part: str
    cls: str
    _: KW_ONLY
    accepted: tuple[str, ...] = ()
    optional: bool = False

    @property
    def title(self) -> str:
        """How sentences name it."""
        return TITLES[self.part]

    def load_class(self) -> type:
        """Import its library, which takes seconds, and return the class that loads it."""
        return getattr(importlib.import_module(library(self.part)), self.cls)


@dataclass(frozen=True)
class Family:
    """A model family.

    Attributes:
        name: in the manifest, such as "stable-diffusion".
        title: as sentences name it.
        pipelines: the classes in model_index.json that belong to it.
        components: that a checkpoint holds, besides scheduler and tokenizers.
        tokenizers: the part whose texts each tokenizer reads, by the tokenizer's folder.
        check: raises `InputError` unless the configuration of each part, by name, is that of a text-to-image model of
            this family; its second argument is the checkpoint, as the error names it.
        model: makes the `sld.models.LoadedModel`: `model(parts, *, index, device, dtype, source, weights, about)`.
            `parts` are components, tokenizers and "scheduler" by name, None for an absent one; `index` is the content
            of model_index.json, empty for a single file.
    """

    name: str
    title: str
    pipelines: tuple[str, ...]
    components: tuple[Component, ...]
    tokenizers: Mapping[str, str]
    check: Callable[[Mapping[str, Mapping[str, Any]], str], None]
    model: Callable[..., Any]

    @property
    def denoiser(self) -> str:
        """The part that predicts, "unet" or "transformer"."""
        return self.model.denoiser

    def component(self, part: str) -> Component:
        """Return the component of this name; KeyError if the family has none."""
        return {component.part: component for component in self.components}[part]
