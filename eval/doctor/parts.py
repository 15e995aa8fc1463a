"""The parts that replace those of a run's model, as far as the headers of their files go."""

from __future__ import annotations

from collections.abc import Collection

from eval.config.model_settings import ModelSettings
from eval.doctor.check import OK, Check
from eval.doctor.files import described, not_cached
from sld.checkpoints.components import Checkpoint
from sld.checkpoints.family import TITLES
from sld.checkpoints.hub import hub_part
from sld.checkpoints.overrides import Override, locate_overrides
from sld.errors import InputError


def open_parts(chosen: ModelSettings) -> dict[str, Override | None]:
    """Return a model's replacing parts by name, None for one of the hub that is not in its cache."""
    return {part: _open(part, given, chosen.allow_pickle) for part, given in chosen.parts.items()}


def _open(part: str, given: str, allow_pickle: bool) -> Override | None:
    try:
        return locate_overrides({part: given}, allow_pickle, local=True)[part]
    except InputError:
        if hub_part(given)[0] is not None:
            return None
        raise


def parts(chosen: ModelSettings, base: Checkpoint, lacking: Collection[str], digests: bool) -> list[Check]:
    """Check the parts that replace a model's own.

    Args:
        chosen: the model.
        base: its configuration.
        lacking: the names of components whose weights it does not have.
        digests: whether large files are read for their digests.
    """
    checks = []
    for part, override in open_parts(chosen).items():
        given = getattr(chosen, part)
        if override is None:
            checks.append(not_cached(part, given, f"the size of a {TITLES[part]}", f"model.{part}=FOLDER"))
            continue
        override.check(base, whole=part in lacking)
        finding = f"{given}: {described(list(override.files), digests)}"
        if aside := override.left_aside:
            names = ", ".join(name.partition("=")[2] for name in aside)
            finding += f"; {override.files[0].name} is read, left aside: {names}"
        checks.append(Check(part, OK, finding))
    return checks
