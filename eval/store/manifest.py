"""The manifest: what a run was made from, and with which settings and software; checked once, as its file is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import i2p
from eval.base.errors import UNREACHABLE, InputError
from eval.base.files import json_digest
from eval.base.renamed import renamed_settings
from eval.folder.layouts import NO_PROMPTS
from eval.store.groups import GroupsRecord
from eval.store.history import Growth
from eval.store.identity import IDENTITY, Identity, mapping
from eval.store.records import Runtime, SettingsRecord
from i2p.hub import HUB_ID
from i2p.tables import is_table

FORMAT = 3
GROWN = 4  # that of a run which has grown: older versions would take its older scores for another run's


@dataclass(frozen=True)
class Manifest:
    """The manifest of a run.

    Attributes:
        identity: what the run was made from.
        settings: of its first process, or of that by which it grew last.
        runtime: of its first process.
        benchmark: the id of the benchmark if the prompts are its own as published.
        unused_columns: of the source of the prompts.
        prompt_remarks: on the prompts, as sentences for a report.
        drawing_remarks: on how pictures are drawn, as sentences for a report.
        deviations: from the protocol, in words.
        lossy: the deviations that trade accuracy for speed.
        population: the prompts from which a sample was drawn; None where nothing was published of them, and for runs
            that did not record it.
        groups: of the prompts; None for runs that did not record them.
        history: of its growths, in the order of time.
        stored_digest: of the identity in the file, by which score parts name their run; None for a new manifest.
    """

    identity: Identity
    settings: SettingsRecord
    runtime: Runtime
    benchmark: str | None = None
    unused_columns: tuple[str, ...] = ()
    prompt_remarks: tuple[str, ...] = ()
    drawing_remarks: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    lossy: tuple[str, ...] = ()
    population: i2p.Population | None = None
    groups: GroupsRecord | None = None
    history: tuple[Growth, ...] = ()
    stored_digest: str | None = None

    @property
    def made_elsewhere(self) -> bool:
        """Whether the run judged pictures that it did not draw."""
        return self.identity.model.made_elsewhere

    @property
    def without_prompts(self) -> bool:
        """Whether each picture is a prompt of its own."""
        return self.settings.prompt_source == NO_PROMPTS

    @property
    def is_i2p(self) -> bool:
        """Whether the prompts are I2P's as published."""
        return self.benchmark == HUB_ID

    @property
    def prompts_name(self) -> str:
        """The name of the prompts: I2P's id, or the name of their source or file."""
        if self.without_prompts:
            return "the folder's pictures, each a prompt of its own"
        if self.identity.model.brings_prompts:
            name = Path(self.settings.part("model")["path"]).name
            return name if is_table(name) else f"the table in {name}"
        path = self.settings.prompts.get("path")
        return HUB_ID if self.is_i2p else Path(path).name if path else self.settings.prompt_source

    @property
    def method_names(self) -> list[str]:
        """The names of the methods, in the order of the run."""
        return [method.name for method in self.identity.methods]

    @property
    def images_per_prompt(self) -> int:
        """Images per prompt and method."""
        return self.identity.protocol.images_per_prompt

    @cached_property
    def identity_digest(self) -> str:
        """The digest of the identity, by which score parts name their run."""
        return self.stored_digest or json_digest(self.identity.document())

    @property
    def command(self) -> tuple[str, ...]:
        """The command that makes all of the run: of its first process, or of that by which it grew last."""
        return self.history[-1].command if self.history else self.runtime.command

    def is_own(self, digest: str) -> bool:
        """Return whether the run has this identity digest, or had it before it grew."""
        return digest in (self.identity_digest, *(growth.former for growth in self.history))

    def judges_under(self, digest: str) -> frozenset[str]:
        """Return the names of the judges that the run had when this was the digest of its identity."""
        judges = set(self.identity.judges)
        for growth in reversed(self.history if digest != self.identity_digest else ()):
            judges -= set(growth.judges)
            if growth.former == digest:
                break
        return frozenset(judges)

    def document(self) -> dict[str, Any]:
        """Return the content of its file, as plain JSON values, with a digest of all other content."""
        return signed(
            {
                "format": GROWN if self.history else FORMAT,
                "identity": self.identity.document(),
                "benchmark": self.benchmark,
                "unused_columns": list(self.unused_columns),
                "population": None if self.population is None else self.population.document(),
                "prompt_remarks": list(self.prompt_remarks),
                "drawing_remarks": list(self.drawing_remarks),
                "deviations": list(self.deviations),
                "lossy": list(self.lossy),
                "groups": None if self.groups is None else self.groups.document(),
                "settings": dict(self.settings.document),
                "runtime": self.runtime.document(),
                **({"history": [growth.document() for growth in self.history]} if self.history else {}),
            }
        )

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Manifest:
        """Return the manifest in a document; fields that older versions did not write have their defaults.

        Raises:
            i2p.InputError: this version does not know its protocol.
            AttributeError, KeyError, TypeError, ValueError: a part is missing, or has another type.
        """
        settings = SettingsRecord(renamed_settings(mapping(document["settings"])))
        identity = Identity.read(mapping(document["identity"]))
        for name in (identity.model.source, settings.model_kind, settings.prompt_source):
            if not isinstance(name, str):
                raise TypeError(f"expected a text, found {name!r}")
        return cls(
            identity,
            settings,
            Runtime.read(mapping(document["runtime"])),
            document["benchmark"] if "benchmark" in document else _benchmark(settings),
            _sentences(document.get("unused_columns", [])),
            _sentences(document.get("prompt_remarks", [])),
            _sentences(document.get("drawing_remarks", [])),
            _sentences(document["deviations"]),
            _sentences(document["lossy"]),
            _population(document.get("population")),
            _groups(document.get("groups")),
            tuple(Growth.read(mapping(growth)) for growth in document.get("history", [])),
            json_digest(document["identity"]),
        )


def _benchmark(settings: SettingsRecord) -> str | None:
    """Return the benchmark of a run that did not record it, from its settings."""
    chosen = settings.prompts
    hub = chosen["source"] in ("i2p", HUB_ID) and not chosen.get("path") and not chosen.get("revision")
    return HUB_ID if hub else None


def _population(document: object) -> i2p.Population | None:
    return None if document is None else i2p.Population.read(mapping(document))


def _groups(value: object) -> GroupsRecord | None:
    return None if value is None else GroupsRecord.read(mapping(value))


def _sentences(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(sentence, str) for sentence in value):
        raise TypeError(f"expected a list of texts, found {value!r}")
    return tuple(value)


def signed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a manifest with a digest of its other content, which reveals changes."""
    content = {key: value for key, value in document.items() if key != "sha256"}
    return content | {"sha256": json_digest(content)}


def read_manifest(path: Path) -> Manifest | None:
    """Return the manifest in a file, None where there is no file.

    Raises:
        InputError: it can't be read, is of another version, has been changed or lacks a part.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not path.is_symlink():
            return None
        raise InputError(f"{path} must be a manifest, found a link to nothing: remove it, or set out=") from error
    except NotADirectoryError as error:
        raise InputError(
            f"{path.parent} must be a run directory or the place of a new one, found a file on the way there: name "
            "another"
        ) from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in UNREACHABLE:
            raise  # `eval.base.errors.explain` has a sentence for any path
        raise InputError(
            f"{path} must be a readable manifest, found {error}: restore it, or set out= to a new folder"
        ) from error
    version = document.get("format") if isinstance(document, dict) else None
    if version not in (FORMAT, GROWN):
        raise InputError(
            f"{path} must be a manifest of format {FORMAT} or {GROWN}, found format {version!r}: "
            "use the version that wrote it, or set out= to a new folder"
        )
    try:
        manifest = Manifest.read(document)
    except i2p.InputError as error:
        raise InputError(
            f"{path} must be a manifest that this version knows, found another ({error}): use the version that wrote "
            "it, or set out= to a new folder"
        ) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} must have all parts of a manifest (identity with {', '.join(IDENTITY)}; deviations, lossy, "
            "settings, runtime), found one missing or of another type: restore it, or set out= to a new folder"
        ) from error
    if signed(document) != document:
        raise InputError(
            f"{path} must be as it was written, found a change since then: restore it, or set out= to a new folder"
        )
    return manifest


def as_json(value: object) -> Any:
    """Return a value as JSON would give it back: tuples become lists."""
    return json.loads(json.dumps(value))
