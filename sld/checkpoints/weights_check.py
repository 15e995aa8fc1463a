"""A check, from headers alone, that weight files hold what a model needs and nothing else.

A library fills missing weights with random numbers and drops those that it has no place for, at most with a warning. A
LoRA or an adapter saved with a UNet would then have no effect, and the base model be evaluated under its name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sld.checkpoints.components import COMPONENTS
from sld.checkpoints.files import Header, read_headers, read_json
from sld.errors import InputError, first_line, first_three
from sld.models.unet import check_text_to_image

TITLES = {"unet": "UNet", "vae": "VAE", "text_encoder": "text encoder"}
_CLIP_EXTRAS = r"(?:vision_model\..*|visual_projection\.weight|text_projection(?:\.weight)?|logit_scale)"
# Weights without a place that change no picture, and why. `layer` is a layer of the text encoder beyond its own.
HARMLESS = {
    "text_encoder": {
        r"(?:text_model\.)?embeddings\.position_ids": "the numbers from 0 on, which the library computes itself",
        _CLIP_EXTRAS: "CLIP's vision tower and what leads from text to it; SD takes the text's hidden states",
        r"(?:text_model\.)?encoder\.layers\.(?P<layer>\d+)\..*": "layers that CLIP skip leaves out",
    },
    "single file": {
        r"(?:alphas_cumprod|sqrt_|log_one_minus_|posterior_).*|betas|logvar|lvlb_weights": "the noise schedule",
        r"global_step": "how far training was",
        r"first_stage_model\.(?:loss|model_ema)\..*": "the VAE's training: its losses and moving average",
        r"cond_stage_model\.(?:transformer\.)?(?:text_model\.)?" + _CLIP_EXTRAS: "as of a text encoder",
        r"cond_stage_model\.(?:[a-z_]+\.)*position_ids": "as of a text encoder, under the names of several tools",
        r"cond_stage_model\.transformer\.text_model\.encoder\.layers\.(?P<layer>\d+)\..*": "as of a text encoder",
        r"cond_stage_model\.model\.(?:visual\..*|text_projection|logit_scale|attn_mask)": "as of a text encoder",
        r"cond_stage_model\.model\.transformer\.resblocks\.(?P<layer>\d+)\..*": "as of a text encoder",
    },
}  # fmt: skip
# Names of the attention in old VAEs, which diffusers reads.
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}

# The purpose of a UNet with more input channels than latents have, by the number of channels.
_OTHER_TASKS = {5: "depth to image", 7: "upscaling", 8: "editing a picture", 9: "inpainting"}
# Keys of a UNet's configuration that the shapes of its weights do not determine.
_COMPUTED_BY = (
    *("act_fn", "attention_head_dim", "center_input_sample", "downsample_padding", "flip_sin_to_cos", "freq_shift"),
    *("mid_block_scale_factor", "norm_eps", "norm_num_groups", "num_attention_heads", "resnet_out_scale_factor"),
)


def configured(part: str, folder: Path) -> torch.nn.Module:
    """Return a component built from its configuration, without weights.

    Raises:
        InputError: it cannot be built.
    """
    import diffusers
    import transformers

    name = COMPONENTS[part]
    read_json(folder / "config.json")
    try:
        with torch.device("meta"):
            if part == "text_encoder":
                config = transformers.CLIPTextConfig.from_pretrained(folder, local_files_only=True)
                return transformers.CLIPTextModel(config)
            cls = getattr(diffusers, name)
            return cls.from_config(cls.load_config(folder, local_files_only=True))
    except Exception as error:  # a foreign configuration makes the libraries raise nearly anything
        raise unmade(name, error, folder) from error


def unmade(name: str, error: Exception, folder: Path) -> InputError:
    """Return the error for a component that a library cannot build from a folder."""
    return InputError(
        f"{folder} must hold a {name}, found a configuration or weights from which it cannot be built "
        f"({type(error).__name__}: {first_line(error)}): download it again"
    )


def check_components(folder: Path, components: Mapping[str, Sequence[Path]], allow_pickle: bool) -> None:
    """Raise `InputError` unless each component's files hold the weights of its configuration, and no others."""
    models = {part: configured(part, folder / part) for part in components}
    check_text_to_image(models["unet"].config, models["vae"].config, str(folder))
    for part, paths in components.items():
        _check_named(part, models[part], headers(paths, allow_pickle), "download it again", partly=False)


def check_replacement(
    part: str, model: torch.nn.Module, paths: Sequence[Path], place: Path, allow_pickle: bool
) -> None:
    """Raise `InputError` unless files hold weights of a component, all or some, under its library's names.

    Args:
        part: the component's name, such as "unet".
        model: the component.
        paths: the files.
        place: the file or folder that the user named. A configuration in the folder must compute like the component's.
        allow_pickle: read pickles, weights-only.
    """
    remedy = "choose the matching base checkpoint, or convert the file to diffusers' names"
    tensors = headers(paths, allow_pickle)
    if part == "unet" and "conv_in.weight" in tensors:
        _check_task(tensors["conv_in.weight"][0].shape, model.config["in_channels"], place)
    _check_named(part, model, tensors, remedy, partly=True)
    if place.is_dir():
        _check_same_configuration(part, model.config, paths[0].parent)


def _check_task(first: tuple[int, ...], channels: int, place: Path) -> None:
    """Raise `InputError` if the first convolution takes other channels, which no base could match."""
    if len(first) == 4 and first[1] != channels and first[1] in _OTHER_TASKS:
        raise InputError(
            f"{place} must hold a text-to-image UNet with {channels} input channels, found one with {first[1]}, which "
            f"belongs to a model for {_OTHER_TASKS[first[1]]}: give the UNet of a text-to-image model, fine-tuned from "
            "SD 1.x or 2.x itself"
        )


def _check_same_configuration(part: str, config: Mapping[str, Any], folder: Path) -> None:
    if not (folder / "config.json").is_file():
        return
    config_of_files = configured(part, folder).config
    for key in _COMPUTED_BY:
        base, replacement = (_per_block(settings, key) for settings in (config, config_of_files))
        if base != replacement:
            raise InputError(
                f"{folder / 'config.json'} must configure a {TITLES[part]} that computes like the base's, found "
                f"{key}={replacement!r} for {base!r}: choose the matching base checkpoint"
            )


def _per_block(config: Mapping[str, Any], key: str) -> Any:
    value, blocks = config.get(key), len(config["down_block_types"])
    value = list(value) if isinstance(value, list | tuple) else value
    return [value] * blocks if key == "attention_head_dim" and isinstance(value, int) else value


def headers(paths: Iterable[Path], allow_pickle: bool) -> dict[str, tuple[Header, Path]]:
    """Return the header of each tensor in files, by name, with its file.

    Raises:
        InputError: two files hold a tensor of the same name.
    """
    tensors: dict[str, tuple[Header, Path]] = {}
    for path in paths:
        for name, header in read_headers(path, allow_pickle).items():
            if name in tensors:
                raise InputError(
                    f"{path.parent} must hold each weight once, found {name!r} in {tensors[name][1].name} and in "
                    f"{path.name}: keep one set of weights"
                )
            tensors[name] = header, path
    return tensors


def _check_named(
    part: str, model: torch.nn.Module, tensors: Mapping[str, tuple[Header, Path]], remedy: str, partly: bool
) -> None:
    expected_shapes = {canonical(part, name): tuple(value.shape) for name, value in model.state_dict().items()}
    present: dict[str, Header] = {}
    surplus: dict[str, Path] = {}
    for name, (header, path) in tensors.items():
        plain = canonical(part, name)
        if plain in expected_shapes and plain not in present:
            present[plain] = header
        elif not is_harmless(part, name, model.config):
            surplus[name] = path
    if partly:
        expected_shapes = {name: expected_shapes[name] for name in present}
    paths = list(surplus.values()) or list({path for _, path in tensors.values()})
    place = paths[0] if surplus or len(paths) == 1 else paths[0].parent
    expected = f"the {TITLES[part]}'s weights{' or a part of them' * partly} and no others"
    refuse(expected, expected_shapes, present, list(surplus), place, remedy)


def refuse(
    expected: str,
    expected_shapes: Mapping[str, tuple[int, ...]],
    present: Mapping[str, Header],
    surplus: Sequence[str],
    place: Path,
    remedy: str,
    *arguments: str,
) -> None:
    """Raise `InputError` for weights that are missing, misshapen, of whole numbers, or without a place in the model.

    Args:
        expected: what the files must hold, in words.
        expected_shapes: of the model's weights, by name.
        present: headers of the weights in the files, by the same names.
        surplus: names of weights without a place.
        place: the file or folder, as the error names it.
        remedy: what to do.
        arguments: the arguments that `remedy` names.
    """
    misfit = {
        "missing": [repr(name) for name in expected_shapes if name not in present],
        "of another shape": [
            f"{name!r}: {x.shape} for {expected_shapes[name]}"
            for name, x in present.items()
            if x.shape != expected_shapes[name]
        ],
        "of whole numbers": [repr(name) for name, x in present.items() if not x.floating],
    }
    clauses = misfit | {"that the model has no place for": [repr(name) for name in surplus]}
    clauses_found = [f"{len(names)} {problem} ({first_three(names)})" for problem, names in clauses.items() if names]
    if not clauses_found:
        return
    if present and not any(misfit.values()):
        remedy, arguments = "merge LoRAs and adapters into the weights, or remove them", ()
    raise InputError(f"{place} must hold {expected}, found {', '.join(clauses_found)}: {remedy}", *arguments)


def is_harmless(where: str, name: str, config: Any) -> bool:
    """Return whether a weight without a place is one of `HARMLESS`; `config` is the model's or its text encoder's."""
    for pattern in HARMLESS.get(where, ()):
        if match := re.fullmatch(pattern, name):
            layer = match.groupdict().get("layer")
            return layer is None or int(layer) >= config.num_hidden_layers
    return False


def canonical(part: str, name: str) -> str:
    """Return the main name of a weight, out of those that its library reads."""
    if part == "text_encoder":  # transformers dropped this prefix from its class and reads both
        return name.removeprefix("text_model.")
    if part == "vae":
        return re.sub(
            r"(attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)", lambda m: m[1] + _OLD_ATTENTION[m[2]], name
        )
    return name
