"""The precision of each weight of a model that runs in half precision."""

from collections.abc import Mapping

import torch

HALVES = (torch.float16, torch.bfloat16)


def dtypes(module: torch.nn.Module, dtype: torch.dtype) -> Mapping[str, torch.dtype]:
    """Return the precision of each floating point weight and buffer, by name, of a model that runs in `dtype`.

    Some layers overflow in float16, T5's `wo` among them, and their libraries load them in float32 then
    (`_keep_in_fp32_modules` of transformers' and diffusers' models). Loading in `dtype` does that by itself, but a
    model that is converted later would lose it.

    Args:
        module: a model of transformers or diffusers.
        dtype: in which it runs.
    """
    kept = set(getattr(module, "_keep_in_fp32_modules_strict", None) or ()) if dtype in HALVES else set()
    is_transformers = hasattr(module, "_keep_in_fp32_modules_strict")  # keeps the others in float32 for float16 only
    if dtype == torch.float16 or (dtype == torch.bfloat16 and not is_transformers):
        kept |= set(getattr(module, "_keep_in_fp32_modules", None) or ())
    floating = (name for name, x in module.state_dict().items() if x.is_floating_point())
    return {name: torch.float32 if kept & {*name.split(".")} else dtype for name in floating}
