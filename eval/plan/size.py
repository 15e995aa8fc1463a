"""The size of a run's pictures: the protocol's, that of `model.size`, or the checkpoint's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import i2p
import sld
from eval.config.model_settings import ModelSettings
from eval.config.settings import image_size
from eval.config.sources import SOURCES

CHECKPOINT = "checkpoint"
USUAL = (512, 512)  # of a checkpoint that can't be read yet; loading it compares the size


def sized(
    protocol: i2p.Protocol,
    model: ModelSettings,
    prompts: Sequence[i2p.Prompt],
    begun: i2p.Protocol | None = None,
    *,
    local: bool = False,
) -> tuple[i2p.Protocol, tuple[str, ...]]:
    """Return a protocol with the size at which the run draws, and in words where this deviates from the source.

    Where the protocol leaves the size to the checkpoint it is `model.size`, else what the checkpoint's configuration
    says. A checkpoint that can't be read is refused where it is loaded, so here it is only guessed.

    Args:
        protocol: with the user's other changes.
        model: the settings.
        prompts: of the run, as their source has them.
        begun: the protocol with which the run began, whose size stands for that of a checkpoint that can't be read.
        local: download nothing.
    """
    size = image_size(model.size)
    if protocol.size == CHECKPOINT:
        own = own_size(model, local=local)
        known = begun.size if begun and isinstance(begun.size, tuple) else USUAL
        drawn = size or own or known
        return replace(protocol, size=drawn), () if own is None else size_deviations(drawn, own)
    if size is None or all((drawn.height, drawn.width) == size for drawn in map(protocol.apply, prompts)):
        return protocol, ()
    return replace(protocol, size=size), (f"size {_in_words(size)} instead of the protocol's",)


def own_size(model: ModelSettings, *, local: bool = False) -> tuple[int, int] | None:
    """Return (height, width) in pixels of the checkpoint's own configuration; None if it can't be read.

    Args:
        model: the settings.
        local: download nothing.
    """
    from sld.checkpoints.own_size import own_size

    options = {"config": model.config, "prediction_type": model.prediction_type, "allow_pickle": model.allow_pickle}
    for cached in (True,) if local else (True, False):  # the hub is asked only for what is not in its cache
        try:
            return own_size(SOURCES[model.kind].model_path(model), **options, parts=model.parts, local=cached)
        except (sld.InputError, i2p.InputError):
            continue
    return None


def size_deviations(drawn: tuple[int, int], own: tuple[int, int]) -> tuple[str, ...]:
    """Return, in words, a size (height, width) other than the checkpoint's own, which the protocol asks for."""
    return () if drawn == own else (f"size {_in_words(drawn)} instead of the checkpoint's own {_in_words(own)}",)


def leaves_size(protocol: i2p.Protocol) -> bool:
    """Return whether the protocol of this name leaves the size to the checkpoint."""
    base = i2p.PROTOCOLS.get(protocol.name)
    return base is not None and base.size == CHECKPOINT


def _in_words(size: tuple[int, int]) -> str:
    return "×".join(map(str, size))
