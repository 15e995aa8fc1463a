"""Repositories of the hub: how they are named, and what is downloaded from them."""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from sld.checkpoints.family import stems
from sld.checkpoints.files import PICKLES, pickle_refused
from sld.checkpoints.paths import exists
from sld.errors import InputError, first_line

log = logging.getLogger(__name__)


def hub_part(given: str | Path) -> tuple[tuple[str, str | None] | None, str]:
    """Return the hub id (see `hub_id`) and the path in `org/name[@revision][:path]`; None and "" for anything else."""
    match = re.fullmatch(r"(?P<hub>[^:]+)(?::(?P<inner>[\w.-]+(?:/[\w.-]+)*))?", str(given))
    hub = None if match is None or exists(given) else hub_id(match["hub"])
    return (None, "") if hub is None else (hub, match["inner"] or "")


def hub_id(source: str | Path) -> tuple[str, str | None] | None:
    """Return repository and revision (None for the newest) of a hub id; None for anything else."""
    match = re.fullmatch(r"([\w-][\w.-]*/[\w.-]+)(?:@([\w./-]+))?", str(source))
    if match is None or Path(source).suffix in (".safetensors", *PICKLES) or exists(source):
        return None
    return match[1], match[2]


def weights(part: str, prefix: str, allow_pickle: bool) -> list[str]:
    """Return patterns of a component's main weight files in a repository, where it holds several forms of each."""
    forms = _forms(part, allow_pickle)
    return [f"{prefix}{stem}{tail}{suffix}" for stem, suffix in forms for tail in ("", "-*-of-*")]


def _forms(part: str, allow_pickle: bool) -> list[tuple[str, str]]:
    """Return how weight files begin and end, as safetensors and if allowed as pickles."""
    return list(zip(stems(part), (".safetensors", ".bin"), strict=True))[: 1 + allow_pickle]


@dataclass(frozen=True)
class Repository:
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

    def fetch(self, patterns: Iterable[str]) -> tuple["Repository", Path]:
        """Download files; return the repository at the commit that they are of, and the commit's folder."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

        def download(local: bool) -> Path:
            options = {"allow_patterns": list(patterns), "local_files_only": local}
            return Path(snapshot_download(self.name, revision=self.revision, **options))

        try:
            path = download(self.local)
        except Exception as error:  # the hub, its proxies and its cache fail in many ways, none of which is a bug here
            # Version 1 asks the hub even for a commit that is in the cache, and fails where it gets no answer.
            offline = isinstance(error, OfflineModeIsEnabled)
            commit = re.fullmatch("[0-9a-f]{40}", self.revision or "") and not isinstance(error, HfHubHTTPError)
            if self.local or not (offline or commit):
                raise self._unavailable(error) from error
            try:
                path = download(True)
            except Exception:
                raise self._unavailable(error) from error
            if not offline:
                log.warning(
                    "%s can't be asked for on the hub (%s: %s): continuing with what its local cache holds.",
                    self.name,
                    type(error).__name__,
                    first_line(error),
                )
        return replace(self, revision=path.name), path

    def fetch_file(self, name: str, inner: str, allow_pickle: bool) -> Path:
        """Download one file, and return the folder of its commit; `name` is how the user named the file.

        Raises:
            InputError: it is a pickle, which is not allowed.
        """
        if Path(inner).suffix in PICKLES and not allow_pickle:
            raise pickle_refused(Path(name))
        return self.fetch([inner])[1]

    def fetch_variant(self, folder: Path, prefix: str, part: str, allow_pickle: bool) -> None:
        """Download the variants of a component's weights, such as fp16, if the hub has no others.

        Raises:
            InputError: the hub has the component's weights as a pickle, which is not allowed.
        """
        has_weights = any(any(folder.glob(f"{stem}*{end}")) for stem, end in _forms(part, True))
        if self.local or has_weights:
            return
        main = weights(part, prefix, True)
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
