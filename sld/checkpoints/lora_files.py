"""LoRA files, read as far as their names and headers: what they must hold, and what they must not.

The names are those of kohya's scripts (`lora_unet_….lora_down.weight`), diffusers (`unet.….to_k_lora.down.weight`) and
peft under diffusers' prefixes (`unet.….to_k.lora_A.weight`).
"""

import importlib.util
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sld.checkpoints import files
from sld.checkpoints.hub import hub_part
from sld.checkpoints.paths import expanded
from sld.checkpoints.sources import locate_lora
from sld.errors import InputError, counted, first_three

NAME = "pytorch_lora_weights"  # in diffusers' folders
_HALF = re.compile(
    r"(?P<stem>.+[._])(?P<kind>lora_|lora\.|lora_linear_layer\.)(?P<half>down|up|A|B)(?P<rest>(?:\.\w+)?\.weight)"
)
_OTHER_HALF = {"down": "up", "up": "down", "A": "B", "B": "A"}
# By what their weights are called: adapters that are no LoRA, or more than one.
_OTHER_ADAPTERS = {
    r"dora_scale|lora_magnitude_vector": "a DoRA, whose magnitudes diffusers drops",
    r"\.hada_": "a LoHa",
    r"\.lokr_": "a LoKr",
    r"\.lora_mid\.": "a LoCon in Tucker's form",
    r"\.(?:oft_|boft_|ia3|on_input|diff(?:_b)?$)": "an adapter of another kind",
}
_SPM = {"prompts", "rank", "alpha"}  # the texts in the header of SPM's files (Con6924/SPM, train_spm.py)
UNPUBLISHED_SPM = "an SPM at a fixed strength, not the published method, which sets it for each prompt"


@dataclass(frozen=True)
class Lora:
    """A LoRA to fuse into a model.

    Attributes:
        path: a file, a folder that holds one, or either on the hub, `org/name[@revision][:path]`.
        scale: the factor of its change of the weights; None for 1, which an SPM's file must have stated.
    """

    path: str | Path
    scale: float | None = None


@dataclass(frozen=True)
class LoraFile:
    """A LoRA's file, whose names were checked.

    Attributes:
        path: of the file.
        scale: the factor of its change.
        keys: of its halves, each of which must reach the model.
        alphas: (second half, first half, alpha) of each pair that has an alpha, as keys.
        note: in what it is not the published method; empty if nothing is known.
        revision: the hub's commit; None for a file from elsewhere.
    """

    path: Path
    scale: float
    keys: tuple[str, ...]
    alphas: tuple[tuple[str, str, str], ...] = ()
    note: str = ""
    revision: str | None = None


def is_lora(keys: Iterable[str]) -> bool:
    """Return whether weights under these names are a LoRA's, or another adapter's."""
    return any(_HALF.fullmatch(key) or _other_adapter(key) for key in keys)


def open_lora(lora: Lora, allow_pickle: bool, local: bool = False) -> LoraFile:
    """Return the file of a LoRA once its names are checked.

    Args:
        lora: where it is.
        allow_pickle: read a pickle, weights-only.
        local: download nothing.

    Raises:
        InputError: there is no such file, or it holds something else than a complete LoRA.
    """
    if importlib.util.find_spec("peft") is None:
        raise InputError("the peft package must be installed for lora, found none: pip install 'i2p-bench[lora]'")
    source = locate_lora(lora.path, NAME, allow_pickle, local)
    path = lora_path(source.path)
    headers = files.read_headers(path, allow_pickle)
    _check_names(headers, path)
    if whole := [repr(key) for key, header in headers.items() if not header.floating and not key.endswith(".alpha")]:
        raise InputError(
            f"{path} must hold a LoRA's weights, found {len(whole)} of whole numbers ({first_three(whole)}): save it "
            "again in float32 or float16"
        )
    is_spm = files.read_metadata(path).keys() >= _SPM and all(key.startswith("lora_unet_") for key in headers)
    if is_spm and lora.scale is None:
        raise InputError(
            f"{path} must be a LoRA whose strength is the same for all prompts, found an SPM's file, whose method sets "
            "it for each prompt: give a scale too, such as 1, to evaluate it at that strength, which is not the "
            "published method"
        )
    note = UNPUBLISHED_SPM if is_spm else ""
    keys = tuple(key for key in headers if _HALF.fullmatch(key))
    alphas = tuple((up, _other(match), _alpha(match)) for up, match in _seconds(keys) if _alpha(match) in headers)
    return LoraFile(path, _checked_scale(lora), keys, alphas, note, source.revision)


def lora_path(path: str | Path) -> Path:
    """Return the file of a LoRA, which is given itself or lies in a folder.

    Raises:
        InputError: there is none, or several that may be meant.
    """
    place = expanded(path)
    if place.is_file():
        return place
    everything = sorted(place.iterdir()) if place.is_dir() else []
    inside = [p for p in everything if p.suffix in (".safetensors", *files.PICKLES)]
    named = [p for p in inside if p.stem == NAME]
    chosen = [p for p in named or inside if p.suffix == ".safetensors"] or named or inside
    if len(chosen) == 1:
        return chosen[0]
    found = f"{len(chosen)} files in it ({first_three([p.name for p in chosen])})" if chosen else "no such file"
    raise InputError(
        f"a LoRA's path must be a .safetensors file or a folder with {NAME}.safetensors, found {found} at {place}: "
        "give the path of the file"
    )


def file_name(lora: Lora) -> str:
    """Return the name of a LoRA's file, without a download."""
    hub, inner = hub_part(lora.path)
    if hub is None:
        return lora_path(lora.path).name
    return Path(inner).name if Path(inner).suffix in (".safetensors", *files.PICKLES) else f"{NAME}.safetensors"


def lora_names(loras: Sequence[LoraFile]) -> dict[str, Path]:
    """Return the files of LoRAs by names that are the same for any copy, in the order of fusing."""
    return {f"lora {number}={lora.path.name}": lora.path for number, lora in enumerate(loras, 1)}


def _checked_scale(lora: Lora) -> float:
    scale = 1.0 if lora.scale is None else lora.scale
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale) or scale == 0:
        raise InputError(
            f"a LoRA's scale must be a number other than 0, found {scale!r} for {lora.path}: correct it, or leave the "
            "LoRA out"
        )
    return float(scale)


def _check_names(headers: Mapping[str, files.Header], path: Path) -> None:
    for key in headers:
        if kind := _other_adapter(key):
            raise InputError(
                f"{path} must hold a LoRA, found {kind} ({key!r}): merge it into the weights with the tool that made "
                "it, and give those"
            )
    halves = {key: match for key in headers if (match := _HALF.fullmatch(key))}
    if not halves:
        names = first_three([repr(key) for key in headers])
        raise InputError(
            f"{path} must hold a LoRA, found {counted(len(headers), 'weight')} under other names ({names}): give "
            "weights of a UNet as unet=FILE",
            "unet=FILE",
        )
    if alone := [repr(key) for key, match in halves.items() if _other(match) not in halves]:
        raise InputError(
            f"{path} must hold both halves of each pair of a LoRA, found {len(alone)} alone ({first_three(alone)}): "
            "download it or save it again"
        )
    alphas = {_alpha(match) for match in halves.values()}
    surplus = [repr(key) for key in headers if key not in halves and key not in alphas]
    surplus += [repr(key) for key in alphas & headers.keys() if math.prod(headers[key].shape) != 1]
    if surplus:
        raise InputError(
            f"{path} must hold a LoRA and nothing else, found {len(surplus)} of {counted(len(headers), 'weight')} "
            f"under other names ({first_three(surplus)}): remove them, or give them in the place where they belong"
        )


def _seconds(keys: Iterable[str]) -> Iterator[tuple[str, re.Match]]:
    """Yield the second half (up, B) of each pair."""
    for key in keys:
        match = _HALF.fullmatch(key)
        if match["half"] in ("up", "B"):
            yield key, match


def _other(half: re.Match) -> str:
    """Return the key of a half's other half."""
    return half.expand(rf"\g<stem>\g<kind>{_OTHER_HALF[half['half']]}\g<rest>")


def _alpha(half: re.Match) -> str:
    """Return the key of a pair's alpha, by which its change is multiplied, over its rank."""
    return f"{half['stem'].rstrip('._')}.alpha"


def _other_adapter(key: str) -> str | None:
    return next((kind for pattern, kind in _OTHER_ADAPTERS.items() if re.search(pattern, key)), None)
