"""The model of a run, located as the run would locate it, but not loaded; and whether its scheduler can be used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import i2p
from eval.base.words import counted
from eval.config.keys import MODEL, as_keys
from eval.config.model_settings import ModelSettings
from eval.config.sources import SOURCES
from eval.doctor.check import OK, SKIPPED, Check
from eval.doctor.files import are_read, described, digest_of, not_cached
from eval.doctor.loras import loras, open_loras
from eval.doctor.parts import open_parts, parts
from sld.checkpoints import files, sources
from sld.checkpoints.classes import check_classes
from sld.checkpoints.components import (
    Checkpoint,
    check_parts,
    component_files,
    open_checkpoint,
    variants_left_aside,
    weight_names,
)
from sld.checkpoints.family import Family
from sld.checkpoints.hub import hub_id
from sld.checkpoints.lora_files import lora_names
from sld.checkpoints.marks import Marks
from sld.models.text import read_tokenizers
from sld.schedulers import check_kind, make_scheduler, read_scheduler
from sld.stepping import check_steps


@as_keys(MODEL)
def model(chosen: ModelSettings, digests: bool) -> list[Check]:
    """Check the model's weights, those of parts that replace its own, and LoRAs, as far as their headers go."""
    source = SOURCES[chosen.kind]
    if unneeded := source.no_model(chosen):
        return [Check("model", SKIPPED, unneeded)]
    hub = not source.ships and hub_id(chosen.path) is not None
    if hub:
        files.check_alone(Path(chosen.path), chosen.config, chosen.prediction_type)
    try:
        place, paths = _weights(chosen)
    except Exception:
        if not hub or _is_whole(chosen):
            raise
        size = "4 GB (SD 1.x), 14 GB (SDXL) or 16 GB (SD 3.5)"
        return [not_cached("model", f"the whole of {chosen.path}", size, "model=checkpoint model.path=FOLDER")]
    where = "the demo world's, as trained" if source.ships else str(place)
    where = f"{chosen.path} in the hub's cache" if hub else where
    with _checked_weights(chosen, place) as (checkpoint, lacking, remarks):
        finding = "; ".join([f"{where}: {described(paths, digests)}", *remarks])
        checks = [Check("model", OK, finding), *parts(chosen, checkpoint, lacking, digests)]
        return [*checks, *loras(chosen, checkpoint.family, digests)]


def _is_whole(chosen: ModelSettings) -> bool:
    """Whether the hub's cache has a file of every part of a checkpoint, so that the fault is not a missing download."""
    try:
        place = sources.locate(chosen.path, chosen.allow_pickle, local=True).path
        checkpoint = open_checkpoint(place, chosen.t5, chosen.parts)
        folders = (*component_files(checkpoint, chosen.allow_pickle), *checkpoint.tokenizers, "scheduler")
    except Exception:
        return False
    return all(any((place / folder).glob("*.json")) for folder in folders)


@contextlib.contextmanager
def _checked_weights(chosen: ModelSettings, place: Path) -> Iterator[tuple[Checkpoint, tuple[str, ...], list[str]]]:
    """Check every weight's name and shape as loading does; give configuration, parts it lacks, and remarks."""
    from sld.checkpoints.weights_check import check_components

    if not place.is_dir():
        file = _single_file(chosen, place)
        file.check_weights()
        with file.configuration() as configuration:
            obeyed = [f"marked {mark} ({setting})" for mark, setting in file.scheduler()[1].items()]
            check_parts(configuration, chosen.parts)
            yield configuration, file.lacking, [*obeyed, *_unused(file.left_aside)]
        return
    aside: list[str] = []
    checkpoint = open_checkpoint(place, chosen.t5, chosen.parts)
    if not SOURCES[chosen.kind].ships:  # the digests of those that ship are known
        chosen_files = component_files(checkpoint, chosen.allow_pickle)
        check_components(checkpoint, chosen_files, chosen.allow_pickle)
        aside = variants_left_aside(chosen_files)
    yield checkpoint, (), _unused(aside)


def _unused(aside: Sequence[str]) -> list[str]:
    return [f"left aside: {', '.join(aside)}"] if aside else []


def _single_file(chosen: ModelSettings, path: Path):
    from sld.checkpoints.single_file import check_single_file

    return check_single_file(path, chosen.allow_pickle, chosen.config, chosen.prediction_type, chosen.parts)


@as_keys(MODEL)
def weights(chosen: ModelSettings, digests: bool) -> dict[str, str] | None:
    """Return the digests of the model's weights by name, None for large files unless `digests`."""
    place, paths = _weights(chosen)
    overrides = open_parts(chosen)
    if None in overrides.values():
        return None
    paths_by_name = weight_names(place, paths, {part: override.files for part, override in overrides.items()})
    paths_by_name |= lora_names(open_loras(chosen))
    if not are_read(paths_by_name.values(), digests):
        return None
    return {name: digest_of(path) for name, path in paths_by_name.items()}


def _weights(chosen: ModelSettings) -> tuple[Path, list[Path]]:
    """Where a checkpoint is, and its weight files, checked as far as possible without reading them all."""
    source = SOURCES[chosen.kind]
    place = sources.locate(source.model_path(chosen), chosen.allow_pickle, local=True).path
    if source.ships:
        return place, sorted(place.rglob("*.safetensors"))
    if place.is_dir():
        files.check_alone(place, chosen.config, chosen.prediction_type)
        checkpoint = open_checkpoint(place, chosen.t5, chosen.parts)
        chosen_files = component_files(checkpoint, chosen.allow_pickle)
        for part in chosen_files:
            files.read_json(place / part / "config.json")
        check_classes(checkpoint)
        read_tokenizers(place, checkpoint.tokenizers)
        return place, [path for paths in chosen_files.values() for path in paths]
    files.check_weights(place, chosen.allow_pickle)
    return place, [place]


@as_keys(MODEL)
def scheduler(chosen: ModelSettings, protocol: i2p.Protocol) -> Check:
    """Check the scheduler that the run would use, and whether it can take that many steps."""
    own, marks, family = _own_scheduler(chosen)
    check_kind(own, family.model.flow, family.title)
    used = make_scheduler(protocol.scheduler, own, family.model.standard, family.model.fixed)
    name = type(used).__name__
    marks.check(used)
    check_steps(used, protocol.steps)
    return Check("scheduler", OK, f"{name}, {counted(protocol.steps, 'step')}")


def _own_scheduler(chosen: ModelSettings) -> tuple[Any, Marks, Family]:
    """The scheduler of the model itself, the marks of a single file that concern it, and the model's family."""
    place = sources.locate(SOURCES[chosen.kind].model_path(chosen), local=True).path
    if place.is_dir():
        checkpoint = open_checkpoint(place, chosen.t5)
        return read_scheduler(checkpoint), Marks(), checkpoint.family
    file = _single_file(chosen, place)
    with file.configuration() as configuration:
        return file.scheduler()[0], file.marks, configuration.family
