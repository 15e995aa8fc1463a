"""CLIP architectures and their weights, with checks for mistakes that would go unnoticed.

open_clip loads OpenAI's weights into a network with the wrong activation, with a warning for a tag and silently for a
file; here that is an error. Pickled weights are refused unless `allow_pickle` is set.
"""

import difflib
import http.client
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from open_clip.pretrained import get_pretrained_cfg
from safetensors import SafetensorError, safe_open

from eval.base.errors import InputError
from eval.judges.clip.hub import (
    OPENAI_FOLDER,
    OPENAI_SAFETENSORS_SHA256,
    OPENAI_SHA256,
    cached,
    check_kind,
    find_config,
    find_file,
    revision_of,
)

_OF_TRANSFORMERS = "vision_model.embeddings.class_embedding"
PREPROCESSING = ("size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color")


@dataclass(frozen=True)
class Architecture:
    """An open_clip architecture.

    Attributes:
        name: of open_clip, or the path of a config.
        model: its `model_cfg` in `open_clip_config.json`.
        preprocessing: its `preprocess_cfg` there, fields that differ from open_clip's defaults.
        built_in: whether `name` is of open_clip.
    """

    name: str
    model: dict[str, Any]
    preprocessing: dict[str, Any]
    built_in: bool

    @property
    def quick_gelu(self) -> bool:
        """Whether the activation is OpenAI's, x * sigmoid(1.702 x), rather than the exact GELU."""
        return bool(self.model.get("quick_gelu", False))

    @property
    def embedding_size(self) -> int:
        """Length of an image embedding."""
        return self.model["embed_dim"]


def find_architecture(name: str | Path) -> Architecture:
    """Return an open_clip architecture by its name, or from a config JSON (with or without `model_cfg`).

    Raises:
        InputError: an unknown name, or a file that is not such a config.
    """
    path = find_config(name)
    if path is None:
        model = open_clip.get_model_config(str(name)) if ":" not in str(name) else None
        if model is None:
            raise InputError(
                f"architecture must be one of open_clip or the path of a config JSON, found {str(name)!r}: "
                f"{_suggest('architecture', str(name), open_clip.list_models())}",
                "architecture=",
            )
        return Architecture(str(name), model, {}, built_in=True)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        model = config.get("model_cfg", config)
        complete = isinstance(model["vision_cfg"], dict) and isinstance(model["text_cfg"], dict)
        complete = complete and isinstance(model["embed_dim"], int)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"an open_clip config must hold embed_dim, vision_cfg and text_cfg, found {type(error).__name__} in "
            f"{path}: copy one from open_clip's model_configs"
        ) from error
    if not complete:
        raise InputError(
            f"an open_clip config must hold embed_dim as a number and vision_cfg and text_cfg as mappings, found other "
            f"types in {path}: copy one from open_clip's model_configs"
        )
    return Architecture(str(path), model, config.get("preprocess_cfg", {}), built_in=False)


def find_weights(architecture: Architecture, weights: str | Path, allow_pickle: bool) -> tuple[Path, dict[str, Any]]:
    """Return the file of the weights, and the preprocessing of their tag; the file of a tag is downloaded if necessary.

    Args:
        architecture: of the weights.
        weights: a tag of open_clip, or the path of a file.
        allow_pickle: whether the file may be a pickle.

    Returns:
        The path, and the fields of open_clip's PreprocessCfg that the tag sets.

    Raises:
        InputError: an unknown tag, a missing file, a pickle that is not allowed, weights made for another activation,
            or no connection to the hub.
    """
    file, preprocessing = find_file(weights, allow_pickle), {}
    if file is None:
        file, preprocessing = _find_tag(architecture, str(weights), allow_pickle)
        check_kind(file, allow_pickle)
    if file.suffix == ".safetensors":
        _check_header(file)
    if not architecture.quick_gelu and OPENAI_FOLDER in str(file.absolute()):
        raise _wrong_activation(architecture.name, str(file))
    return file, preprocessing


def check_openai_digest(architecture: Architecture, sha256: str, file: Path) -> None:
    """Refuse OpenAI's ViT-L/14 with another activation, and other bytes in its folder of the hub's cache."""
    if sha256 in (OPENAI_SHA256, OPENAI_SAFETENSORS_SHA256) and not architecture.quick_gelu:
        raise _wrong_activation(architecture.name, str(file))
    if OPENAI_FOLDER in str(file.absolute()) and sha256 not in (OPENAI_SHA256, OPENAI_SAFETENSORS_SHA256):
        raise InputError(
            f"OpenAI's ViT-L/14 must have sha256 {OPENAI_SAFETENSORS_SHA256}, found {sha256} in {file}: delete the "
            "file and download it again"
        )


def _find_tag(architecture: Architecture, tag: str, allow_pickle: bool) -> tuple[Path, dict[str, Any]]:
    if not architecture.built_in:
        raise InputError(
            f"weights must be a file with the config {architecture.name}, found {tag!r}: give weights=FILE",
            "weights=FILE",
        )
    config = get_pretrained_cfg(architecture.name, tag)
    if not config:
        tags = open_clip.list_pretrained_tags_by_model(architecture.name)
        raise InputError(
            f"weights must be a file or a tag of {architecture.name}, found {tag!r}: "
            f"{_suggest('weights', tag, tags) if tags else 'it has no tags, so give weights=FILE'}",
            "weights=" if tags else "weights=FILE",
        )
    if bool(config.get("quick_gelu", False)) != architecture.quick_gelu:
        raise _wrong_activation(architecture.name, f"the tag {tag!r}")
    if not config.get("hf_hub"):
        raise InputError(
            f"the weights of {tag!r} must be on the hub, found none: download them and give weights=FILE",
            "weights=FILE",
        )
    repository, _, name = config["hf_hub"].rpartition("/")
    preprocessing = {key: config[key] for key in PREPROCESSING if key in config}
    return _fetch_from_hub(repository, name or HF_WEIGHTS_NAME, allow_pickle), preprocessing


def _fetch_from_hub(repository: str, name: str, allow_pickle: bool) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    safe = HF_SAFE_WEIGHTS_NAME if name == HF_WEIGHTS_NAME else str(Path(name).with_suffix(".safetensors"))
    names = [safe, name] if allow_pickle and name != safe else [safe]
    if path := cached(repository, names):
        return path
    revision = revision_of(repository)
    by_hand = f"run once with a connection, or download {safe} from {repository} and give weights=FILE"
    if constants.HF_HUB_OFFLINE:
        raise InputError(
            f"{repository} must be in the hub's cache, found none while HF_HUB_OFFLINE is set: {by_hand}",
            "weights=FILE",
        )
    # The hub's own client retries for most of a minute before it fails.
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()  # any answer means a connection
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"{repository} must be in the hub's cache or {constants.ENDPOINT} be reachable, found neither ({error}): "
            f"{by_hand}",
            "weights=FILE",
        ) from error
    for candidate in names:
        try:
            return Path(hf_hub_download(repository, candidate, revision=revision))
        except EntryNotFoundError:
            continue
        except OSError as error:
            raise InputError(
                f"{candidate} must be readable from {repository}, found {error}: {by_hand}", "weights=FILE"
            ) from error
    raise InputError(
        f"{repository} must hold {safe}, found no such file: set allow_pickle=True if you trust its pickle",
        "allow_pickle=True",
    )


def _check_header(file: Path) -> None:
    """Refuse a file that is not safetensors, or not open_clip's, before building the network takes seconds."""
    try:
        with safe_open(file, "numpy") as content:
            names = set(content.keys())
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"CLIP weights must be safetensors, found another or a damaged file at {file} ({error}): download it again"
        ) from error
    if _OF_TRANSFORMERS in names:
        raise InputError(
            f"CLIP weights must have open_clip's names, found those of transformers' CLIPModel ({_OF_TRANSFORMERS!r}) "
            f"in {file}: give weights=openai for OpenAI's ViT-L/14, or another file of the same weights, weights=FILE",
            "weights=openai",
            "weights=FILE",
        )


def _wrong_activation(name: str, weights: str) -> InputError:
    suggestion = name.removesuffix("-quickgelu") if name.endswith("-quickgelu") else f"{name}-quickgelu"
    if name.endswith(".json"):
        suggestion = "FILE, a config with quick_gelu true,"
    return InputError(
        f"weights must be trained with the activation of {name}, found {weights}, trained with another, which "
        f"open_clip would load without an error and score wrongly: use architecture={suggestion}",
        f"architecture={suggestion}",
    )


def _suggest(argument: str, name: str, names: list[str]) -> str:
    """Return advice with the names that are close to a wrong one."""
    close = difflib.get_close_matches(name, names, n=5, cutoff=0.4) or names[:5]
    return f"choose another, as in {argument}={close[0]}; close names are {', '.join(close)}"
