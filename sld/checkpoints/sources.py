"""The place of a checkpoint or of a part: a folder or file on this machine, or a repository on the hub."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sld.checkpoints.family import stems
from sld.checkpoints.files import PICKLES
from sld.checkpoints.hub import Repository, hub_id, hub_part, weights
from sld.checkpoints.paths import expanded
from sld.errors import InputError

# Downloaded first: they tell the family, and with it what else a model needs.
_FIRST = ("model_index.json", "unet/config.json", "transformer/config.json")


@dataclass(frozen=True)
class Source:
    """A checkpoint or a part on this machine.

    Attributes:
        name: as the user named it.
        path: the folder or file.
        revision: the hub's commit; None for a checkpoint from elsewhere.
    """

    name: str
    path: Path
    revision: str | None = None


def locate(
    source: str | Path,
    allow_pickle: bool = False,
    local: bool = False,
    t5: bool = True,
    parts: Collection[str] = (),
) -> Source:
    """Find a checkpoint, and download what a model of its family needs if necessary.

    Args:
        source: an existing folder or file, otherwise a hub id `org/name[@revision]`.
        allow_pickle: download pickles too.
        local: download nothing, and return what the hub's cache holds, which may be incomplete.
        t5: see `open_checkpoint`.
        parts: see `open_checkpoint`.

    Raises:
        InputError: there is no such checkpoint, or it cannot be downloaded.
    """
    name = str(source)
    path = expanded(name)
    if path.exists():
        return Source(name, path)
    hub = hub_id(name)
    if hub is None:
        raise InputError(
            f"source must be a checkpoint folder, a .safetensors file or a hub id org/name[@revision], found nothing "
            f"at {name!r}: correct source=PATH",
            "source=PATH",
        )
    repository, path = Repository(*hub, local, "source").fetch(_FIRST)
    if not local:
        from sld.checkpoints.components import open_checkpoint

        checkpoint = open_checkpoint(path, t5, parts)
        folders = ["scheduler", *checkpoint.tokenizers]
        patterns = [f"{folder}/*" for folder in folders]
        for component in checkpoint.components:
            patterns += [f"{component.part}/*.json", *weights(component.part, f"{component.part}/", allow_pickle)]
        repository.fetch(patterns)
        for component in checkpoint.components:
            repository.fetch_variant(path / component.part, f"{component.part}/", component.part, allow_pickle)
    return Source(name, path, path.name)


def locate_configuration(source: str | Path, local: bool = False) -> Path:
    """Find a checkpoint like `locate`, but download no more than the configurations of its parts.

    Args:
        source: as in `locate`.
        local: download nothing.

    Raises:
        InputError: there is no such checkpoint, or it cannot be downloaded.
    """
    hub = hub_id(source)
    if hub is None:
        return locate(source).path
    return Repository(*hub, local, "source").fetch([*_FIRST, "vae/config.json"])[1]


def locate_part(part: str, given: str | Path, allow_pickle: bool = False, local: bool = False) -> Source:
    """Find a separate part, and download its weights and configuration if necessary.

    Args:
        part: a key of `sld.checkpoints.family.TITLES`.
        given: an existing folder or file, otherwise `org/name[@revision][:path]` of the hub, where the path is that of
            a folder or a weight file in the repository. Without it the part is in the folder of its name, or else in
            the repository's root.
        allow_pickle: download pickles too.
        local: download nothing.

    Raises:
        InputError: there is no such part, or it cannot be downloaded.
    """
    name = str(given)
    hub, inner = hub_part(name)
    if hub is None:
        return Source(name, expanded(name))  # what is wrong with it is said where its files are looked for
    repository = Repository(*hub, local, part)
    if Path(inner).suffix in (".safetensors", *PICKLES):
        folder = repository.fetch_file(name, inner, allow_pickle)
        return Source(name, folder / inner, folder.name)
    for prefix in (f"{inner}/",) if inner else (f"{part}/", ""):
        pinned, folder = repository.fetch([f"{prefix}config.json", f"{prefix}{stems(part)[0]}*.json"])
        place = folder / prefix
        _, folder = pinned.fetch(weights(part, prefix, allow_pickle))
        pinned.fetch_variant(place, prefix, part, allow_pickle)
        if place.is_dir() and any(place.glob(f"{stem}*") for stem in stems(part)):
            break
    return Source(name, place, folder.name)


def locate_lora(given: str | Path, stem: str, allow_pickle: bool = False, local: bool = False) -> Source:
    """Find a LoRA, and download it if necessary.

    Args:
        given: an existing folder or file, otherwise `org/name[@revision][:path]` of the hub, where the path is that of
            a file, or of a folder that holds `STEM.safetensors`.
        stem: of the file's name in a folder on the hub.
        allow_pickle: download a pickle too.
        local: download nothing.

    Raises:
        InputError: it cannot be downloaded.
    """
    name = str(given)
    hub, inner = hub_part(name)
    if hub is None:
        return Source(name, expanded(name))
    if Path(inner).suffix not in (".safetensors", *PICKLES):
        inner = f"{inner}/{stem}.safetensors".lstrip("/")
    folder = Repository(*hub, local, "lora").fetch_file(name, inner, allow_pickle)
    return Source(name, folder / inner, folder.name)
