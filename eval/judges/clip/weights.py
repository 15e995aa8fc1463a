"""Which CLIP a judge runs: an architecture, the weights that go with it, and the mistakes that would go unnoticed.

open_clip takes OpenAI's weights into a network with the wrong activation, with a warning for a tag and without a word
for a file; here that is an error. Pickled weights are refused unless asked for.
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

PREPROCESSING = ("size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color")


@dataclass(frozen=True)
class Architecture:
    """An open_clip model configuration and the changes to its preprocessing, both as in `open_clip_config.json`."""

    name: str
    model: dict[str, Any]
    preprocessing: dict[str, Any]
    built_in: bool

    @property
    def quick_gelu(self) -> bool:
        """Whether it computes OpenAI's activation, x * sigmoid(1.702 x), rather than the exact GELU."""
        return bool(self.model.get("quick_gelu", False))

    @property
    def embedding_size(self) -> int:
        """Length of an image embedding."""
        return self.model["embed_dim"]


def find_architecture(name: str | Path) -> Architecture:
    """An open_clip architecture by its name, or by the path of a config JSON (with or without `model_cfg`).

    Raises InputError for an unknown name, with close ones, and for a file that is no such config.
    """
    path = find_config(name)
    if path is None:
        model = open_clip.get_model_config(str(name)) if ":" not in str(name) else None
        if model is None:
            raise InputError(
                f"expected an open_clip architecture or the path of a config JSON, found {str(name)!r}: "
                f"{_close('architecture', str(name), open_clip.list_models())}",
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
            f"expected an open_clip config with embed_dim, vision_cfg and text_cfg, found {type(error).__name__} in "
            f"{path}: copy one from open_clip's model_configs"
        ) from error
    if not complete:
        raise InputError(
            f"expected embed_dim as a number and vision_cfg and text_cfg as tables, found others in {path}"
        )
    return Architecture(str(path), model, config.get("preprocess_cfg", {}), built_in=False)


def find_weights(architecture: Architecture, weights: str | Path, allow_pickle: bool) -> tuple[Path, dict[str, Any]]:
    """The file of a tag or path, and the preprocessing that the tag asks for; a tag's file is downloaded if need be.

    Raises InputError for an unknown tag, a missing file, a pickle without `allow_pickle`, weights made for another
    activation, and a hub that can't be reached.
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
    """InputError for OpenAI's ViT-L/14 with another activation, and for other bytes in its place in the hub's cache."""
    if sha256 in (OPENAI_SHA256, OPENAI_SAFETENSORS_SHA256) and not architecture.quick_gelu:
        raise _wrong_activation(architecture.name, str(file))
    if OPENAI_FOLDER in str(file.absolute()) and sha256 not in (OPENAI_SHA256, OPENAI_SAFETENSORS_SHA256):
        raise InputError(
            f"expected OpenAI's ViT-L/14 with sha256 {OPENAI_SAFETENSORS_SHA256}, found {sha256} in {file}: delete it "
            "and fetch it again"
        )


def _find_tag(architecture: Architecture, tag: str, allow_pickle: bool) -> tuple[Path, dict[str, Any]]:
    if not architecture.built_in:
        raise InputError(
            f"expected a weights file with the config {architecture.name}, found {tag!r}: give weights=FILE",
            "weights=FILE",
        )
    found = get_pretrained_cfg(architecture.name, tag)
    if not found:
        tags = open_clip.list_pretrained_tags_by_model(architecture.name)
        raise InputError(
            f"expected a file or a tag of {architecture.name}, found {tag!r}: "
            f"{_close('weights', tag, tags) if tags else 'it has no tags, so give weights=FILE'}",
            "weights=" if tags else "weights=FILE",
        )
    if bool(found.get("quick_gelu", False)) != architecture.quick_gelu:
        raise _wrong_activation(architecture.name, f"the tag {tag!r}")
    if not found.get("hf_hub"):
        raise InputError(
            f"expected weights of {tag!r} on the hub, found none: download them and give weights=FILE", "weights=FILE"
        )
    repository, _, name = found["hf_hub"].rpartition("/")
    preprocessing = {key: found[key] for key in PREPROCESSING if key in found}
    return _fetch_from_hub(repository, name or HF_WEIGHTS_NAME, allow_pickle), preprocessing


def _fetch_from_hub(repository: str, name: str, allow_pickle: bool) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    safe = HF_SAFE_WEIGHTS_NAME if name == HF_WEIGHTS_NAME else str(Path(name).with_suffix(".safetensors"))
    names = [safe, name] if allow_pickle and name != safe else [safe]
    if found := cached(repository, names):
        return found
    revision = revision_of(repository)
    by_hand = f"run once with a connection, or download {safe} from {repository} and give weights=FILE"
    if constants.HF_HUB_OFFLINE:
        raise InputError(
            f"expected {repository} in the hub's cache, found none while HF_HUB_OFFLINE is set: {by_hand}",
            "weights=FILE",
        )
    # The hub's own client tries for most of a minute before it says so.
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")
        urllib.request.urlopen(request, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()  # an answer, whatever it says
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"expected {repository} in the hub's cache or a connection to {constants.ENDPOINT}, found neither "
            f"({error}): {by_hand}",
            "weights=FILE",
        ) from error
    for candidate in names:
        try:
            return Path(hf_hub_download(repository, candidate, revision=revision))
        except EntryNotFoundError:
            continue
        except OSError as error:
            raise InputError(
                f"expected {candidate} from {repository}, found {error}: {by_hand}", "weights=FILE"
            ) from error
    raise InputError(
        f"expected {safe} in {repository}, found no such file: set allow_pickle=True if you trust its pickle",
        "allow_pickle=True",
    )


def _check_header(file: Path) -> None:
    # Before the network is built, which takes seconds for a large one.
    try:
        with safe_open(file, "numpy"):
            pass
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"expected CLIP weights as safetensors, found another or a damaged file at {file} ({error}): get it again"
        ) from error


def _wrong_activation(name: str, weights: str) -> InputError:
    other = name.removesuffix("-quickgelu") if name.endswith("-quickgelu") else f"{name}-quickgelu"
    if name.endswith(".json"):
        other = "FILE, a config with quick_gelu true,"
    return InputError(
        f"expected weights trained with the activation of {name}, found {weights}, trained with another, which "
        f"open_clip would load without an error and score wrongly: use architecture={other}",
        f"architecture={other}",
    )


def _close(argument: str, name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=5, cutoff=0.4) or names[:5]
    return f"choose another, as in {argument}={close[0]}; close names are {', '.join(close)}"
