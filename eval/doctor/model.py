"""The model of a run, found where the run would find it, and not loaded; and whether its scheduler will do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import i2p
from eval.config.keys import MODEL, as_keys
from eval.config.settings import ModelSettings
from eval.config.sources import SOURCES
from eval.doctor.check import OK, SKIPPED, Check
from eval.doctor.files import are_read, described, digest_of, not_cached
from sld.checkpoints import files, sources
from sld.checkpoints.classes import check_classes
from sld.checkpoints.components import COMPONENTS, component_files, unet_files, variants_left_aside, weight_names
from sld.checkpoints.marks import Marks
from sld.checkpoints.variants import left_aside
from sld.models.text import read_tokenizer
from sld.schedulers import make_scheduler, read_scheduler
from sld.stepping import start


@as_keys(MODEL)
def model(chosen: ModelSettings, digests: bool) -> list[Check]:
    """The model's weights, and those of a UNet in its place, as far as their headers tell."""
    source = SOURCES[chosen.kind]
    if unneeded := source.no_model(chosen):
        return [Check("model", SKIPPED, unneeded)]
    hub = not source.ships and sources.hub_id(chosen.path) is not None
    if hub:
        files.check_alone(Path(chosen.path), chosen.config, chosen.prediction_type)
    try:
        place, paths = _weights(chosen)
    except Exception:
        if not hub or _is_whole(chosen):
            raise
        size = "4 GB (SD 1.x) to 5 GB (SD 2.x)"
        return [not_cached("model", f"the whole of {chosen.path}", size, "model=checkpoint model.path=FOLDER")]
    where = "the demo world's, as trained" if source.ships else str(place)
    where = f"{chosen.path} in the hub's cache" if hub else where
    with _looked_inside(chosen, place) as (folder, remarks):
        checks = [Check("model", OK, "; ".join([f"{where}: {described(paths, digests)}", *remarks]))]
        if chosen.unet:
            checks.append(_other_unet(chosen, folder, digests))
    return checks


def _is_whole(chosen: ModelSettings) -> bool:
    """Whether the hub's cache has a file of every part of a checkpoint, so that what is wrong there is not missing."""
    try:
        place = sources.locate(chosen.path, chosen.allow_pickle, local=True).path
        component_files(place, chosen.allow_pickle)
    except Exception:
        return False
    return all(any((place / part).glob("*.json")) for part in (*COMPONENTS, "scheduler", "tokenizer"))


@contextlib.contextmanager
def _looked_inside(chosen: ModelSettings, place: Path) -> Iterator[tuple[Path, list[str]]]:
    """Check every weight's name and shape as loading does; give the configuration's folder, and what is to be said."""
    from sld.checkpoints.weights_check import check_components

    if not place.is_dir():
        file = _single_file(chosen, place)
        file.check_weights()
        with file.folder() as folder:
            obeyed = [f"marked {mark} ({setting})" for mark, setting in file.scheduler()[1].items()]
            yield folder, [*obeyed, *_left(file.left_aside)]
        return
    aside: list[str] = []
    if not SOURCES[chosen.kind].ships:  # whose digests are known
        components = component_files(place, chosen.allow_pickle)
        check_components(place, components, chosen.allow_pickle)
        aside = variants_left_aside(components)
    yield place, _left(aside)


def _left(aside: Sequence[str]) -> list[str]:
    return [f"left aside: {', '.join(aside)}"] if aside else []


def _other_unet(chosen: ModelSettings, base: Path, digests: bool) -> Check:
    from sld.checkpoints.weights_check import check_replacement, configured

    paths, place = _unet(chosen), Path(chosen.unet)
    unet = configured("unet", base / "unet")
    check_replacement("unet", unet, paths, place, chosen.allow_pickle)
    said = f"{chosen.unet}: {described(paths, digests)}"
    if place.is_dir() and (aside := left_aside(paths, "unet")):
        said += f"; {paths[0].name} is read, left aside: {', '.join(aside)}"
    return Check("unet", OK, said)


def _single_file(chosen: ModelSettings, path: Path):
    from sld.checkpoints.single_file import check_single_file

    return check_single_file(path, chosen.allow_pickle, chosen.config, chosen.prediction_type)


@as_keys(MODEL)
def weights(chosen: ModelSettings, digests: bool) -> dict[str, str] | None:
    """The digests of the model's weights as its manifest has them; None where reading them takes time, unless asked."""
    place, paths = _weights(chosen)
    named = weight_names(place, paths, _unet(chosen) if chosen.unet else ())
    if not are_read(named.values(), digests):
        return None
    return {name: digest_of(path) for name, path in named.items()}


def _weights(chosen: ModelSettings) -> tuple[Path, list[Path]]:
    """Where a checkpoint is and its weight files, checked as far as can be without reading them all."""
    source = SOURCES[chosen.kind]
    found = sources.locate(source.model_path(chosen), chosen.allow_pickle, local=True).path
    if source.ships:
        return found, sorted(found.rglob("*.safetensors"))
    if found.is_dir():
        files.check_alone(found, chosen.config, chosen.prediction_type)
        components = component_files(found, chosen.allow_pickle)
        for part in components:
            files.read_json(found / part / "config.json")
        check_classes(found)
        read_tokenizer(found)
        return found, [path for part in components.values() for path in part]
    files.check_weights(found, chosen.allow_pickle)
    return found, [found]


def _unet(chosen: ModelSettings) -> list[Path]:
    paths = unet_files(Path(chosen.unet), chosen.allow_pickle)
    for path in paths:
        files.check_weights(path, chosen.allow_pickle)
    return paths


@as_keys(MODEL)
def scheduler(chosen: ModelSettings, protocol: i2p.Protocol) -> Check:
    """The scheduler that the run would step with, and whether it can take that many steps."""
    own, marks = _own_scheduler(chosen)
    used = make_scheduler(protocol.scheduler, own)
    name = type(used).__name__
    marks.check(used)
    start(used, protocol.steps)
    return Check("scheduler", OK, f"{name}, {protocol.steps} steps")


def _own_scheduler(chosen: ModelSettings) -> tuple:
    """As the model brings it, and what a single file says of it."""
    found = sources.locate(SOURCES[chosen.kind].model_path(chosen), local=True).path
    if found.is_dir():
        return read_scheduler(found), Marks()
    file = _single_file(chosen, found)
    return file.scheduler()[0], file.marks
