"""The fusing of LoRAs into a model's weights, by diffusers' own loader and peft, before anything is drawn.

diffusers drops weights that it has no place for with a warning at most, and takes a LoRA without the prefix `unet.` as
one without any weights. So each weight of the file is looked for in the model before it is fused. Of alphas in the file
it applies the most frequent one to all pairs, so they are multiplied into the weights before it reads them.
"""

import contextlib
import logging
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sld.checkpoints.files import read_tensors
from sld.checkpoints.lora_files import LoraFile
from sld.checkpoints.quiet import quiet
from sld.checkpoints.replaced import Replaced, is_same, norm
from sld.errors import InputError, counted, first_line, first_three

_ADAPTER = "lora"
# torch's words in load_state_dict.
_MISMATCH = re.compile(r"size mismatch for (\S+): .*? torch\.Size\((.*?)\) from checkpoint, .*? torch\.Size\((.*?)\)")
# transformers', which it logs before it raises an error that only refers to them.
_REPORTED = re.compile(r"(\S+) *\| .*? ckpt: torch\.Size\((.*?)\) vs model: ?torch\.Size\((.*?)\)")
_REPORTS = "transformers.integrations.peft"
_PREFIXES = "unet., transformer., text_encoder. or lora_unet_, lora_te_"


@torch.no_grad()
def fuse(
    lora: LoraFile, pipeline: str, parts: Mapping[str, Any], allow_pickle: bool, dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    """Fuse a LoRA into the weights of a model's parts, in place; return a manifest's entry, as JSON values.

    Args:
        lora: the file.
        pipeline: the class of diffusers' pipeline whose loader reads the file.
        parts: the model's parts by name.
        allow_pickle: read a pickle, weights-only.
        dtype: in which the model runs. The sum is computed in float32 at least, and rounded once to that precision.

    Raises:
        InputError: weights of the file have no place in the model, or change nothing.
    """
    tensors = _with_alphas(lora, read_tensors(lora.path, allow_pickle))
    if wrong := [repr(key) for key, value in tensors.items() if not torch.isfinite(value).all()]:
        raise InputError(
            f"{lora.path} must hold weights that are numbers, found NaN or infinity in {len(wrong)} "
            f"({first_three(wrong)}): download it again, or train it anew"
        )
    loader = _loader(pipeline, parts, lora)
    modules = loader.components
    for module in modules.values():
        # torch's own `to`: diffusers' logs a warning about layers to keep in float32 even if a model has none.
        torch.nn.Module.to(module, torch.float64 if dtype == torch.float64 else torch.float32)
    with _silent() as reports:
        try:
            if lora.alphas:
                loader.load_lora_weights(tensors, adapter_name=_ADAPTER)
            else:  # the file's header may say more
                loader.load_lora_weights(lora.path.parent, weight_name=lora.path.name, adapter_name=_ADAPTER)
        except Exception as error:  # a foreign LoRA makes diffusers and peft raise nearly anything
            raise InputError(
                f"{lora.path} must be a LoRA for this checkpoint, found {_in_words(error, reports)}: choose the LoRA "
                "of the matching base checkpoint"
            ) from error
        _check_all_loaded(tensors, modules, lora)
        audits = _fused(loader, modules, lora, len(tensors))
    if not any(audit.different for audit in audits.values()):
        raise InputError(
            f"{lora.path} must change weights, found {len(tensors)} that add nothing at scale {lora.scale:g}, so that "
            "the base model would be evaluated: give the trained LoRA"
        )
    return {
        "name": lora.path.name,
        "scale": lora.scale,
        **({"revision": lora.revision} if lora.revision else {}),
        **({"note": lora.note} if lora.note else {}),
        "replaced": {part: audit.describe() for part, audit in audits.items()},
    }


@contextlib.contextmanager
def _silent() -> Iterator[list[str]]:
    """Suppress what the libraries print of a LoRA that does not fit, which is an error here; yield what one reports."""
    import diffusers

    reports: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        reports.append(record.getMessage())
        return False

    with quiet(), warnings.catch_warnings(), contextlib.ExitStack() as undo:
        warnings.simplefilter("ignore")
        diffusers.utils.logging.set_verbosity(logging.CRITICAL)
        logging.getLogger(_REPORTS).addFilter(keep)
        undo.callback(logging.getLogger(_REPORTS).removeFilter, keep)
        yield reports


def _in_words(error: Exception, reports: Sequence[str]) -> str:
    """Return what libraries say of a LoRA that they cannot load: shapes that differ, if they name any."""
    differing = _MISMATCH.findall(str(error)) or _REPORTED.findall("\n".join(reports))
    shapes = [f"{name!r}: {ours} for {base}" for name, ours, base in differing]
    if shapes:
        return f"{counted(len(shapes), 'weight')} of another shape ({first_three(shapes)})"
    return f"one that diffusers cannot load ({type(error).__name__}: {first_line(error)})"


def _with_alphas(lora: LoraFile, content: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the halves of a LoRA, the second ones times alpha / rank where the file has an alpha."""
    tensors = {key: content[key] for key in lora.keys}
    for up, down, alpha in lora.alphas:
        tensors[up] = tensors[up].float() * (float(content[alpha]) / len(tensors[down]))
    return tensors


def loader_class(pipeline: str, lora: LoraFile) -> type:
    """Return the class of diffusers by which a pipeline loads LoRAs; raises `InputError` if it loads none."""
    import diffusers
    from diffusers.loaders.lora_base import LoraBaseMixin

    mixins = [cls for cls in getattr(diffusers, pipeline).__mro__ if issubclass(cls, LoraBaseMixin)]
    if not mixins:
        raise InputError(
            f"lora must go with a checkpoint for which diffusers loads LoRAs, found {pipeline} for {lora.path}: merge "
            "it into the weights, and give those"
        )
    # Not the pipeline itself: its constructor changes the scheduler that it is given. Mixins come after it.
    return next(cls for cls in mixins if not issubclass(cls, diffusers.DiffusionPipeline))


def _loader(pipeline: str, parts: Mapping[str, Any], lora: LoraFile) -> Any:
    """Return an object with the methods by which a pipeline loads LoRAs, and the parts into which it loads them."""
    mixin = loader_class(pipeline, lora)
    named = {name: parts.get(name) for name in mixin._lora_loadable_modules}
    modules = {name: part for name, part in named.items() if part is not None}
    return type("Loader", (mixin,), named | {"hf_device_map": None, "components": modules})()


def _layers(module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the layers of a module that hold the LoRA, with their names."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in module.named_modules():
        if isinstance(layer, BaseTunerLayer) and _ADAPTER in layer.lora_A:
            yield name, layer


def _check_all_loaded(tensors: Mapping[str, Tensor], modules: Mapping[str, torch.nn.Module], lora: LoraFile) -> None:
    """Raise `InputError` unless each weight of the file is in the model, by its numbers: libraries rename it twice."""
    loaded = Counter(
        _digest(half[_ADAPTER].weight)
        for module in modules.values()
        for _, layer in _layers(module)
        for half in (layer.lora_A, layer.lora_B)
    )
    lost = []
    for key, value in tensors.items():
        digest = _digest(value)
        if loaded[digest] <= 0:
            lost.append(repr(key))
        loaded[digest] -= 1
    if lost:
        raise InputError(
            f"{lora.path} must hold a LoRA for the parts of this checkpoint, found {len(lost)} of {len(tensors)} "
            f"weights without a place in them ({first_three(lost)}): choose the LoRA of the matching base checkpoint, "
            f"or, if names lack it, save it again with a prefix ({_PREFIXES})"
        )


def _digest(value: Tensor) -> tuple[tuple[int, ...], int]:
    return tuple(value.shape), hash(value.float().contiguous().numpy().tobytes())


def _fused(loader: Any, modules: Mapping[str, torch.nn.Module], lora: LoraFile, given: int) -> dict[str, Replaced]:
    """Fuse the LoRA that was loaded, remove its layers, and return what it changed, by part."""
    names = {part: [name for name, _ in _layers(module)] for part, module in modules.items()}
    hit = [part for part, layers in names.items() if layers]
    before = {
        part: {name: layer.get_base_layer().weight.clone() for name, layer in _layers(modules[part])} for part in hit
    }
    loader.fuse_lora(components=hit, lora_scale=lora.scale)
    loader.unload_lora_weights()
    audits = {}
    for part in hit:
        weights = modules[part].state_dict()
        after = {name: weights[f"{name}.weight"] for name in before[part]}
        different = [name for name, value in after.items() if not is_same(value, before[part][name])]
        changed = math.hypot(*(norm(value - before[part][name]) for name, value in after.items()))
        unchanged = [value for name, value in weights.items() if name.removesuffix(".weight") not in after]
        base_norm = math.hypot(*map(norm, before[part].values()), *map(norm, unchanged))
        relative = changed / base_norm if base_norm else None
        audits[part] = Replaced(given, 2 * len(names[part]), len(different), len(weights), relative)
    return audits
