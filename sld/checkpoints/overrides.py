"""The parts that a user gives in place of a checkpoint's own: where they are, and whether they fit.

They are located without torch, which takes seconds to import, so that a wrong path is answered at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sld.checkpoints import files, sources
from sld.checkpoints.components import Checkpoint, replacement_files
from sld.checkpoints.family import TITLES, Component
from sld.checkpoints.sources import Source
from sld.checkpoints.variants import left_aside
from sld.errors import InputError

if TYPE_CHECKING:
    import torch

    from sld.checkpoints.replaced import Replaced


@dataclass(frozen=True)
class Override:
    """A part in place of a checkpoint's own.

    Attributes:
        part: its name, a key of `sld.checkpoints.family.TITLES`.
        source: where it is.
        files: of its weights.
        allow_pickle: read pickles, weights-only.
    """

    part: str
    source: Source
    files: tuple[Path, ...]
    allow_pickle: bool

    def check(self, checkpoint: Checkpoint, whole: bool = False) -> None:
        """Raise `InputError` unless its weights fit a checkpoint's configuration, as far as their headers tell.

        Args:
            checkpoint: whose part it replaces.
            whole: whether it must hold all weights, because the checkpoint has none.
        """
        from sld.checkpoints.configured import configured
        from sld.checkpoints.weights_check import check_replacement

        component = checkpoint.family.component(self.part)
        base = configured(component, checkpoint.folder / self.part)
        check_replacement(component, base, self.files, self.source.path, self.allow_pickle, whole)

    def put_into(self, component: Component, module: torch.nn.Module) -> Replaced:
        """Put its weights into a loaded component; raises `InputError` if they change nothing."""
        from sld.checkpoints.replaced import replace

        return replace(component, module, self.files, self.source.path, self.allow_pickle)

    def load(self, checkpoint: Checkpoint) -> tuple[torch.nn.Module, Replaced]:
        """Return it as the part that a checkpoint lacks."""
        from sld.checkpoints.configured import configured
        from sld.checkpoints.replaced import fill

        component = checkpoint.family.component(self.part)
        module = configured(component, checkpoint.folder / self.part, device="cpu")
        return module, fill(component, module, self.files, self.allow_pickle)

    def describe(self, audit: Replaced) -> dict[str, Any]:
        """Return a manifest's entry: where it comes from, and how much it changed."""
        revision = {"revision": self.source.revision} if self.source.revision else {}
        return {"source": self.source.name, **revision, **audit.describe()}

    @property
    def left_aside(self) -> list[str]:
        """The files of its folder that are variants of those that are read, as `unet=NAME`."""
        names = left_aside(self.files, self.part) if self.source.path.is_dir() else []
        return [f"{self.part}={name}" for name in names]


def locate_overrides(
    parts: Mapping[str, str | os.PathLike], allow_pickle: bool = False, local: bool = False
) -> dict[str, Override]:
    """Find parts and their files, and download them if necessary; return them by name.

    Args:
        parts: a folder, a file, or `org/name[@revision][:path]` of the hub, by the part's name.
        allow_pickle: read pickles, weights-only.
        local: download nothing.

    Raises:
        InputError: there is no such part, or its files can't be read.
    """
    overrides = {}
    for part, given in parts.items():
        if part not in TITLES:
            raise InputError(f"parts must be among {', '.join(TITLES)}, found {part!r}: correct its name")
        source = sources.locate_part(part, given, allow_pickle, local)
        paths = replacement_files(part, source.path, allow_pickle)
        for path in paths:
            files.check_weights(path, allow_pickle)
        overrides[part] = Override(part, source, tuple(paths), allow_pickle)
    return overrides
