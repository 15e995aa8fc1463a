"""Whether weight files hold what a model needs and nothing else, told from their headers: no weight is read for it.

A library fills what is missing with random numbers and drops what it knows no place for, both with a warning at most: a
LoRA or an adapter that was saved with a UNet would have no effect, and the base model be evaluated under its name.
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
# Weights without a place that change no picture, and why. `layer` is one of the text encoder beyond those it has.
HARMLESS = {
    "text_encoder": {
        r"(?:text_model\.)?embeddings\.position_ids": "the numbers from 0 on, which the library counts itself",
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

# What a UNet that takes more than latents is for, by how many channels it takes.
_OTHER_TASKS = {5: "depth to image", 7: "upscaling", 8: "editing a picture", 9: "inpainting"}
# Of a UNet's configuration, what the shapes of its weights do not tell.
_COMPUTED_BY = (
    *("act_fn", "attention_head_dim", "center_input_sample", "downsample_padding", "flip_sin_to_cos", "freq_shift"),
    *("mid_block_scale_factor", "norm_eps", "norm_num_groups", "num_attention_heads", "resnet_out_scale_factor"),
)


def configured(part: str, folder: Path) -> torch.nn.Module:
    """A component as its configuration says, without weights. Raises `InputError` if it cannot be made."""
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
    """The error for a component that a library cannot make from a folder."""
    return InputError(
        f"A {name} was expected, found a configuration or weights it cannot be made from ({type(error).__name__}: "
        f"{first_line(error)}) in {folder}; download it again."
    )


def check_components(folder: Path, components: Mapping[str, Sequence[Path]], allow_pickle: bool) -> None:
    """Raise `InputError` unless each component's files hold the weights that its configuration wants, and no others."""
    models = {part: configured(part, folder / part) for part in components}
    check_text_to_image(models["unet"].config, models["vae"].config, str(folder))
    for part, paths in components.items():
        _check_named(part, models[part], headers(paths, allow_pickle), "download it again", partly=False)


def check_replacement(
    part: str, model: torch.nn.Module, paths: Sequence[Path], place: Path, allow_pickle: bool
) -> None:
    """Raise `InputError` unless files hold weights of a component, all or some, under its library's names.

    They are at `place`; where that is a folder, its configuration is to compute as the component's does.
    """
    mend = "choose the matching base checkpoint, or convert the file to diffusers' names"
    given = headers(paths, allow_pickle)
    if part == "unet" and "conv_in.weight" in given:
        _check_task(given["conv_in.weight"][0].shape, model.config["in_channels"], place)
    _check_named(part, model, given, mend, partly=True)
    if place.is_dir():
        _check_same_configuration(part, model.config, paths[0].parent)


def _check_task(first: tuple[int, ...], channels: int, place: Path) -> None:
    """Raise `InputError` where the first convolution takes other channels: no base would match."""
    if len(first) == 4 and first[1] != channels and first[1] in _OTHER_TASKS:
        raise InputError(
            f"A text-to-image UNet with {channels} input channels was expected, found one with {first[1]}, which is of "
            f"a model for {_OTHER_TASKS[first[1]]}, in {place}; give the UNet of a text-to-image model, fine-tuned "
            "from SD 1.x or 2.x itself."
        )


def _check_same_configuration(part: str, config: Mapping[str, Any], folder: Path) -> None:
    if not (folder / "config.json").is_file():
        return
    other = configured(part, folder).config
    for key in _COMPUTED_BY:
        one, another = (_per_block(each, key) for each in (config, other))
        if one != another:
            raise InputError(
                f"A {TITLES[part]} that computes as the base's was expected, found {key}={another!r} for {one!r} in "
                f"{folder / 'config.json'}; choose the matching base checkpoint."
            )


def _per_block(config: Mapping[str, Any], key: str) -> Any:
    value, blocks = config.get(key), len(config["down_block_types"])
    value = list(value) if isinstance(value, list | tuple) else value
    return [value] * blocks if key == "attention_head_dim" and isinstance(value, int) else value


def headers(paths: Iterable[Path], allow_pickle: bool) -> dict[str, tuple[Header, Path]]:
    """What files say of their tensors, by name. Raises `InputError` if two of them hold one of the same name."""
    found: dict[str, tuple[Header, Path]] = {}
    for path in paths:
        for name, header in read_headers(path, allow_pickle).items():
            if name in found:
                raise InputError(
                    f"Each weight once was expected, found {name!r} in {found[name][1].name} and in {path.name} in "
                    f"{path.parent}; keep one set of weights."
                )
            found[name] = header, path
    return found


def _check_named(
    part: str, model: torch.nn.Module, given: Mapping[str, tuple[Header, Path]], mend: str, partly: bool
) -> None:
    wanted = {canonical(part, name): tuple(value.shape) for name, value in model.state_dict().items()}
    found: dict[str, Header] = {}
    surplus: dict[str, Path] = {}
    for name, (header, path) in given.items():
        plain = canonical(part, name)
        if plain in wanted and plain not in found:
            found[plain] = header
        elif not is_harmless(part, name, model.config):
            surplus[name] = path
    if partly:
        wanted = {name: wanted[name] for name in found}
    paths = list(surplus.values()) or list({path for _, path in given.values()})
    place = paths[0] if surplus or len(paths) == 1 else paths[0].parent
    expected = f"The {TITLES[part]}'s weights{' or a part of them' * partly} and no others"
    refuse(expected, wanted, found, list(surplus), place, mend)


def refuse(
    expected: str,
    wanted: Mapping[str, tuple[int, ...]],
    found: Mapping[str, Header],
    surplus: Sequence[str],
    place: Path,
    mend: str,
    *arguments: str,
) -> None:
    """Raise `InputError` for weights that are missing, misshapen, of whole numbers, or without a place in the model.

    `mend` says what to do, and `arguments` are those that it names.
    """
    misfit = {
        "missing": [repr(name) for name in wanted if name not in found],
        "of another shape": [
            f"{name!r}: {x.shape} for {wanted[name]}" for name, x in found.items() if x.shape != wanted[name]
        ],
        "of whole numbers": [repr(name) for name, x in found.items() if not x.floating],
    }
    clauses = misfit | {"that the model has no place for": [repr(name) for name in surplus]}
    said = [f"{len(names)} {what} ({first_three(names)})" for what, names in clauses.items() if names]
    if not said:
        return
    if found and not any(misfit.values()):
        mend, arguments = "merge LoRAs and adapters into the weights, or remove them", ()
    raise InputError(f"{expected} were expected, found {', '.join(said)} in {place}; {mend}.", *arguments)


def is_harmless(where: str, name: str, config: Any) -> bool:
    """Whether a weight without a place is one of `HARMLESS`; `config` is the model's, or its text encoder's."""
    for pattern in HARMLESS.get(where, ()):
        if match := re.fullmatch(pattern, name):
            layer = match.groupdict().get("layer")
            return layer is None or int(layer) >= config.num_hidden_layers
    return False


def canonical(part: str, name: str) -> str:
    """A weight's name, one of several that its library reads."""
    if part == "text_encoder":  # transformers dropped this prefix from its class and reads both
        return name.removeprefix("text_model.")
    if part == "vae":
        return re.sub(
            r"(attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)", lambda m: m[1] + _OLD_ATTENTION[m[2]], name
        )
    return name
