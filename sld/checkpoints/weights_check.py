"""A check, from headers alone, that weight files hold what a model needs and nothing else.

A library fills missing weights with random numbers and drops those that it has no place for, at most with a warning. A
LoRA or an adapter saved with a UNet would then have no effect, and the base model be evaluated under its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sld.checkpoints.components import Checkpoint
from sld.checkpoints.configured import check_configuration, configured, settings
from sld.checkpoints.family import Component
from sld.checkpoints.files import Header, read_headers
from sld.checkpoints.lora_files import is_lora
from sld.checkpoints.names import canonical, is_harmless
from sld.checkpoints.part_weights import part_weights
from sld.errors import InputError, first_three

# The purpose of a UNet with more input channels than latents have, by the number of channels.
_OTHER_TASKS = {5: "depth to image", 7: "upscaling", 8: "editing a picture", 9: "inpainting"}
# Keys of a configuration that the shapes of a model's weights do not determine, by its class.
_CLIP_KEYS = ("hidden_act", "layer_norm_eps", "num_attention_heads")
_COMPUTED_BY = {
    "UNet2DConditionModel": (
        *("act_fn", "attention_head_dim", "center_input_sample", "downsample_padding", "flip_sin_to_cos", "freq_shift"),
        *("mid_block_scale_factor", "norm_eps", "norm_num_groups", "num_attention_heads", "only_cross_attention"),
        *("resnet_out_scale_factor", "time_embedding_act_fn"),
    ),
    "AutoencoderKL": (
        *("act_fn", "latents_mean", "latents_std", "mid_block_add_attention", "norm_num_groups", "scaling_factor"),
        "shift_factor",
    ),
    "CLIPTextModel": _CLIP_KEYS,
    "CLIPTextModelWithProjection": _CLIP_KEYS,
    "T5EncoderModel": (*("dense_act_fn", "layer_norm_epsilon", "num_heads", "relative_attention_max_distance"),),
    "PixArtTransformer2DModel": (
        *("activation_fn", "interpolation_scale", "norm_eps", "num_attention_heads", "patch_size", "sample_size"),
    ),
    "SD3Transformer2DModel": ("num_attention_heads", "patch_size", "qk_norm"),
}


def check_components(checkpoint: Checkpoint, files: Mapping[str, Sequence[Path]], allow_pickle: bool) -> None:
    """Raise `InputError` unless each component's files hold the weights of its configuration, and no others."""
    models = {c.part: configured(c, checkpoint.folder / c.part) for c in checkpoint.components}
    check_configuration(checkpoint, models, str(checkpoint.folder))
    for component in checkpoint.components:
        tensors = headers(files[component.part], allow_pickle)
        _check_named(component, models[component.part], tensors)


def check_replacement(
    component: Component,
    model: torch.nn.Module,
    paths: Sequence[Path],
    place: Path,
    allow_pickle: bool,
    whole: bool = False,
) -> None:
    """Raise `InputError` unless files hold all or some of a component's weights, by their headers alone.

    Args:
        component: whose weights are replaced.
        model: the component, possibly without weights.
        paths: the files.
        place: the file or folder that the user named. A configuration in the folder must compute like the component's.
        allow_pickle: read pickles, weights-only.
        whole: whether they must hold all of them.

    Raises:
        InputError: weights have another shape, or no place in the component, or are missing.
    """
    weights = part_weights(component, model, paths, allow_pickle)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    present = {name: x.header for name, x in weights.places.items() if name in shapes}
    surplus = [
        x
        for name, x in weights.places.items()
        if name not in shapes and not is_harmless(component.cls, name, model.config)
    ]
    if component.part == "unet" and "conv_in.weight" in present:
        _check_task(present["conv_in.weight"].shape, model.config["in_channels"], place)
    expected = f"the {component.title}'s weights{'' if whole else ' or a part of them'}"
    known = {canonical(component, name) for name in present}  # of two names of one weight either is enough
    missing = [name for name in shapes if canonical(component, name) not in known] if whole else []
    if not present and is_lora(names := [x.key for x in surplus]):
        raise InputError(
            f"{place} must hold {expected}, found a LoRA ({first_three([repr(name) for name in names])}): give it as "
            f"lora={place}",
            f"lora={place}",
        )
    wrong = list(dict.fromkeys(x.path for x in surplus)) or paths
    refuse(
        f"{expected} and no others",
        {name: shapes[name] for name in (*present, *missing)},
        present,
        [x.key for x in surplus],
        wrong[0] if surplus or len(wrong) == 1 else wrong[0].parent,
        "choose the matching base checkpoint",
    )
    if place.is_dir():
        _check_same_configuration(component, settings(model), paths[0].parent)


def _check_task(first: tuple[int, ...], channels: int, place: Path) -> None:
    """Raise `InputError` if the first convolution takes other channels, which no base could match."""
    if len(first) == 4 and first[1] != channels and first[1] in _OTHER_TASKS:
        raise InputError(
            f"{place} must hold a text-to-image UNet with {channels} input channels, found one with {first[1]}, which "
            f"belongs to a model for {_OTHER_TASKS[first[1]]}: give the UNet of a text-to-image model, fine-tuned from "
            "SD 1.x or 2.x itself"
        )


def _check_same_configuration(component: Component, config: Mapping[str, Any], folder: Path) -> None:
    if not (folder / "config.json").is_file():
        return
    config_of_files = settings(configured(component, folder))
    for key in _COMPUTED_BY.get(component.cls, ()):
        base, replacement = (_per_block(values, key) for values in (config, config_of_files))
        if base != replacement:
            raise InputError(
                f"{folder / 'config.json'} must configure a {component.title} that computes like the base's, found "
                f"{key}={replacement!r} for {base!r}: choose the matching base checkpoint"
            )


def _per_block(config: Mapping[str, Any], key: str) -> Any:
    value = config.get(key)
    value = list(value) if isinstance(value, list | tuple) else value
    per_block = key in ("attention_head_dim", "only_cross_attention") and isinstance(value, int)
    return [value] * len(config["down_block_types"]) if per_block else value


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


def _check_named(component: Component, model: torch.nn.Module, tensors: Mapping[str, tuple[Header, Path]]) -> None:
    expected_shapes = {canonical(component, name): tuple(value.shape) for name, value in model.state_dict().items()}
    present: dict[str, Header] = {}
    surplus: dict[str, Path] = {}
    for name, (header, path) in tensors.items():
        plain = canonical(component, name)
        if plain in expected_shapes and plain not in present:
            present[plain] = header
        elif not is_harmless(component.cls, name, model.config):
            surplus[name] = path
    paths = list(surplus.values()) or list({path for _, path in tensors.values()})
    place = paths[0] if surplus or len(paths) == 1 else paths[0].parent
    expected = f"the {component.title}'s weights and no others"
    refuse(expected, expected_shapes, present, list(surplus), place, "download it again")


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
