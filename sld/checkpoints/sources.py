"""The place of a checkpoint or of a part: a folder or file on this machine, or a repository on the hub."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from sld.checkpoints.family import stems
from sld.checkpoints.files import PICKLES, pickle_refused
from sld.errors import InputError, first_line

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
    path = Path(name).expanduser()
    if path.exists():
        return Source(name, path)
    hub = hub_id(name)
    if hub is None:
        raise InputError(
            f"source must be a checkpoint folder, a .safetensors file or a hub id org/name[@revision], found nothing "
            f"at {name!r}: correct source=PATH",
            "source=PATH",
        )
    repository, path = _Repository(*hub, local, "source").fetch(_FIRST)
    if not local:
        from sld.checkpoints.components import open_checkpoint

        checkpoint = open_checkpoint(path, t5, parts)
        folders = ["scheduler", *checkpoint.tokenizers]
        patterns = [f"{folder}/*" for folder in folders]
        for component in checkpoint.components:
            patterns += [f"{component.part}/*.json", *_weights(component.part, f"{component.part}/", allow_pickle)]
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
    return _Repository(*hub, local, "source").fetch([*_FIRST, "vae/config.json"])[1]


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
        return Source(name, Path(name).expanduser())  # what is wrong with it is said where its files are looked for
    repository = _Repository(*hub, local, part)
    if Path(inner).suffix in (".safetensors", *PICKLES):
        return repository.fetch_file(name, inner, allow_pickle)
    for prefix in (f"{inner}/",) if inner else (f"{part}/", ""):
        pinned, folder = repository.fetch([f"{prefix}config.json", f"{prefix}{stems(part)[0]}*.json"])
        place = folder / prefix
        _, folder = pinned.fetch(_weights(part, prefix, allow_pickle))
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
        return Source(name, Path(name).expanduser())
    if Path(inner).suffix not in (".safetensors", *PICKLES):
        inner = f"{inner}/{stem}.safetensors".lstrip("/")
    return _Repository(*hub, local, "lora").fetch_file(name, inner, allow_pickle)


def hub_part(given: str | Path) -> tuple[tuple[str, str | None] | None, str]:
    """Return the hub id (see `hub_id`) and the path in `org/name[@revision][:path]`; None and "" for anything else."""
    match = re.fullmatch(r"(?P<hub>[^:]+)(?::(?P<inner>[\w.-]+(?:/[\w.-]+)*))?", str(given))
    hub = None if match is None or Path(given).expanduser().exists() else hub_id(match["hub"])
    return (None, "") if hub is None else (hub, match["inner"] or "")


def hub_id(source: str | Path) -> tuple[str, str | None] | None:
    """Return repository and revision (None for the newest) of a hub id; None for anything else."""
    match = re.fullmatch(r"([\w-][\w.-]*/[\w.-]+)(?:@([\w./-]+))?", str(source))
    if match is None or Path(source).suffix in (".safetensors", *PICKLES) or Path(source).expanduser().exists():
        return None
    return match[1], match[2]


def _weights(part: str, prefix: str, allow_pickle: bool) -> list[str]:
    """Return patterns of a component's main weight files in a repository, where it holds several forms of each."""
    forms = _forms(part, allow_pickle)
    return [f"{prefix}{stem}{tail}{suffix}" for stem, suffix in forms for tail in ("", "-*-of-*")]


def _forms(part: str, allow_pickle: bool) -> list[tuple[str, str]]:
    """Return how weight files begin and end, as safetensors and if allowed as pickles."""
    return list(zip(stems(part), (".safetensors", ".bin"), strict=True))[: 1 + allow_pickle]


@dataclass(frozen=True)
class _Repository:
    """A repository on the hub.

    Attributes:
        name: org/name.
        revision: a branch, tag or commit; None for the newest.
        local: whether nothing is downloaded.
        argument: that named it, as the error's advice names it.
    """

    name: str
    revision: str | None
    local: bool
    argument: str

    def fetch(self, patterns: Iterable[str]) -> tuple["_Repository", Path]:
        """Download files; return the repository at the commit that they are of, and the commit's folder."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import OfflineModeIsEnabled

        def download(local: bool) -> Path:
            options = {"allow_patterns": list(patterns), "local_files_only": local}
            return Path(snapshot_download(self.name, revision=self.revision, **options))

        try:
            try:
                path = download(self.local)
            except OfflineModeIsEnabled:  # some versions ask the hub even for a commit that is in the cache
                path = download(True)
        except Exception as error:  # the hub, its proxies and its cache fail in many ways, none of which is a bug here
            raise self._unavailable(error) from error
        return replace(self, revision=path.name), path

    def fetch_file(self, name: str, inner: str, allow_pickle: bool) -> Source:
        """Download one file; `name` is how the user named it.

        Raises:
            InputError: it is a pickle, which is not allowed.
        """
        if Path(inner).suffix in PICKLES and not allow_pickle:
            raise pickle_refused(Path(name))
        _, folder = self.fetch([inner])
        return Source(name, folder / inner, folder.name)

    def fetch_variant(self, folder: Path, prefix: str, part: str, allow_pickle: bool) -> None:
        """Download the variants of a component's weights, such as fp16, if the hub has no others.

        Raises:
            InputError: the hub has the component's weights as a pickle, which is not allowed.
        """
        has_weights = any(any(folder.glob(f"{stem}*{end}")) for stem, end in _forms(part, True))
        if self.local or has_weights:
            return
        main = _weights(part, prefix, True)
        pickles = [name for name in self._names() if any(fnmatch(name, pattern) for pattern in main)]
        if pickles:
            raise pickle_refused(folder / Path(pickles[0]).name)
        self.fetch([f"{prefix}{stem}.*{suffix}" for stem, suffix in _forms(part, allow_pickle)])

    def _names(self) -> list[str]:
        """Return the names of its files; none if the hub cannot be asked, so that only the cache is left."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import OfflineModeIsEnabled

        try:
            return HfApi().list_repo_files(self.name, revision=self.revision)
        except OfflineModeIsEnabled:
            return []
        except Exception as error:  # as above
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.name!r} at revision {self.revision or 'main'!r} must be a checkpoint on the hub or in its local "
            f"cache, found neither ({type(error).__name__}: {first_line(error)}): check the id and the network, log in "
            f"if it is gated, or give a local folder, {self.argument}=FOLDER",
            f"{self.argument}=FOLDER",
        )
