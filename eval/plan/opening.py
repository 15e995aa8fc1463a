"""What opening a run depends on: where it is as it was, a complete run needs no model to know that it is the same.

Loading finds the weights' digests, the scheduler and the judges' networks, and with them whether a directory holds the
run of the settings. All of that follows from settings, files, this program, its libraries and the machine, whose digest
is kept in `cache/opening.json`. With another digest the model is loaded, as it is wherever a picture is missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.base import fingerprints
from eval.base.errors import InputError
from eval.base.files import json_digest, strict_json, write_atomic
from eval.config.settings import Settings
from eval.config.sources import SOURCES
from eval.judges import JUDGES
from eval.plan.growth import overlap
from eval.plan.plan import Plan
from eval.plan.record import identity_of
from eval.store.generations import is_settled
from eval.store.groups import record_of
from eval.store.prompts import holds_prompts
from eval.store.rundir import RunDir

# Of settings, what changes neither a picture nor a verdict, so that each shard and report finds the opening of another.
_FREE = ("out", "report", "sheet", "track", "shard")


@dataclass(frozen=True)
class Opening:
    """What the process that opens a run depends on.

    Attributes:
        run: the directory.
        digest: of settings, files, program and machine; None where loading alone can tell.
        judges: the names of those that are to judge.
    """

    run: RunDir
    digest: str | None
    judges: tuple[str, ...] = ()

    @property
    def found_paths(self) -> bool:
        """Whether the paths in the settings led to the same files when the run was opened last."""
        return self.digest is not None and self._kept().get("opening") == self.digest

    def is_complete(self, plan: Plan) -> bool:
        """Return whether nothing is left to do, and opening the run would find what it found last time.

        Args:
            plan: of the run.

        Raises:
            InputError: a picture of a folder that was judged is missing or changed.
        """
        try:
            record, stored = self._record(plan), self.run.read_manifest()
        except (InputError, OSError):  # the long way says what is wrong
            return False
        if not self.found_paths or self._kept() != record:
            return False
        if not is_settled(self.run.root) or not holds_prompts(self.run, stored):  # which the long way restores
            return False
        done = self.run.done()
        if plan.count_to_make(done):
            return False
        plan.check_pictures(self.run, done)
        return plan.lists_pictures(self.run)

    def keep(self, plan: Plan) -> None:
        """Keep it in the run directory, once the run has been opened and made, unless another process let it grow."""
        stored = self.run.read_manifest()
        if self.digest is None or stored is None:
            return
        both = overlap(self.run, stored, plan, self.judges)
        if not both.lacking and not both.added:
            write_atomic(self._path, strict_json(self._record(plan)).encode())

    def _record(self, plan: Plan) -> dict[str, str | None]:
        manifest = self.run.read_manifest()
        known = identity_of(plan, plan.describe_source() or {}, {}).document()
        stored = manifest and json_digest(manifest.document())
        # Of a run that was killed as it grew, the file is behind its manifest, and opening puts that right.
        file = manifest and hashlib.sha256(self.run.manifest_path.read_bytes()).hexdigest()
        groups = json_digest(record_of(plan.prompts, plan.grouped_by, plan.group_column).document())
        plan_digest = json_digest({"identity": known, "groups": groups})
        return {"opening": self.digest, "plan": plan_digest, "manifest": stored, "manifest_file": file}

    def _kept(self) -> dict[str, Any]:
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def _path(self) -> Path:
        return self.run.root / "cache" / "opening.json"


def opening_of(run: RunDir, settings: Settings) -> Opening:
    """Return what opening a run depends on, as it is before anything is loaded.

    Args:
        run: the directory.
        settings: of the run.
    """
    source = SOURCES[settings.model.kind]
    # A judge of another package may read anything, and features need more than that the scores are complete.
    if settings.verify or settings.quality.explicit or not source.judged or set(settings.judges) - set(JUDGES):
        return Opening(run, None)
    document = {key: value for key, value in asdict(settings).items() if key not in _FREE}
    # The pictures of a folder are listed by the plan.
    model = {key: value for key, value in document["model"].items() if source.draws or key != "path"}
    files: dict[str, Any] = {}
    for text in _texts([model, *(document[name] for name in settings.judges)]):
        for place in _places(text):
            if (found := fingerprints.of_place(place)) is None:
                return Opening(run, None)
            files |= found
    digest = json_digest({"settings": document, "files": files, "program": fingerprints.of_program()})
    return Opening(run, digest, tuple(settings.judges))


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in settings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _places(text: str) -> list[Path]:
    """Return the files and folders that a text of the settings may name: a path, or a repository in the hub's cache."""
    from sld.checkpoints.sources import hub_part

    try:
        path = Path(text).expanduser()
        if path.exists():
            return [path]
    except (OSError, RuntimeError, ValueError):  # too long for a name, or of another user's home folder
        return []
    hub, _ = hub_part(text.removeprefix("hf-hub:"))
    if hub is None:
        return []
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = Path(HF_HUB_CACHE, "models--" + hub[0].replace("/", "--"))
    return [repository / "refs", repository / "snapshots"]
