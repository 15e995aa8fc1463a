"""The check that a run directory holds the run of the settings.

`check_rerun` compares all that is known before anything is loaded, so that a refusal takes no time; `open_run` compares
weights and versions, once they are loaded. Both compare `eval.plan.record.identity_of`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from eval.base.errors import InputError
from eval.base.printing import say
from eval.base.words import first_clauses, first_of
from eval.config.loras import read_loras
from eval.config.settings import Settings, judge_settings, model_dtype
from eval.judges import judge_class, known_judges
from eval.plan.growth import Overlap, grow, overlap
from eval.plan.later_judges import check_kept
from eval.plan.plan import Plan
from eval.plan.record import identity_of
from eval.plan.same_groups import changed_groups, ignored_column, regrouped
from eval.store import environment
from eval.store.changes import changed_keys
from eval.store.identity import Identity
from eval.store.manifest import Manifest
from eval.store.prompts import holds_prompts, run_command
from eval.store.rundir import RunDir
from i2p.protocols import DRAWN
from sld.checkpoints.family import TITLES
from sld.checkpoints.lora_files import file_name
from sld.devices import device_type

Change = tuple[str, str]  # what of a run would change, and a clause on what differs
PICTURES, VERDICTS, GROUPS = "pictures", "verdicts", "groups of prompts"

log = logging.getLogger(__name__)

# Keys that name files, which are compared by their digests: other names may be of the same files.
WEIGHTS = ("model.path", *(f"model.{part}" for part in TITLES))
FILES = (*WEIGHTS, "model.config", "model.prediction_type")


def check_directory(run: RunDir, settings: Settings, plan: Plan) -> None:
    """Check the run directory before anything is loaded; say if the run grows, warn of other versions.

    Raises:
        InputError: it holds another run, or can't be read or written.
    """
    both = check_rerun(run, settings, plan)
    run.check_writable()
    if both and both.growth:
        say(f"{run.root} grows: {both.growth}.", sys.stderr)
    if both and (changed := changed_versions(run, both.stored)):
        log.warning("%s resumes with other versions, which its report will list: %s.", run.root, first_clauses(changed))
    log_ignored_column(run, plan)


def log_ignored_column(run: RunDir, plan: Plan) -> None:
    """Warn if a run resumes without regard to a column of groups that its prompts have by now."""
    stored = run.read_manifest()
    if stored and (ignored := ignored_column(stored, plan)):
        log.warning("%s resumes: %s.", run.root, ignored)


def check_rerun(run: RunDir, settings: Settings, plan: Plan) -> Overlap | None:
    """Return what the run in the directory has in common with a plan, None if there is no run yet.

    Raises:
        InputError: it is of another run, holds more than these settings ask for, or can't be read.
    """
    stored = run.read_manifest()
    if stored is None:
        return None
    both = overlap(run, stored, plan, settings.judges)
    _check_same(run, _known_changes(stored, settings, both))
    grown = "prompts" in both.added
    _check_same(run, _of(GROUPS, changed_groups(stored, settings.prompts, both.plan, grown=grown)))
    _check_whole(run, stored, both)
    check_kept(run, stored, settings, plan)
    return both


def changed_versions(run: RunDir, stored: Manifest) -> list[str]:
    """Return a clause for each version in which this process differs from all earlier ones of the run."""
    records = list(run.read_environments().values()) or [stored.runtime.environment]
    return environment.changed_versions(records, environment.versions())


def check_weights(run: RunDir, stored: Manifest, weights: Mapping[str, str]) -> None:
    """Refuse weights, by name and digest, other than those with which the run began."""
    recorded = stored.identity.model.description.get("weights")
    _check_same(run, _of(PICTURES, changed_keys(recorded, dict(weights), "model.weights")))


def changed_files(stored: Manifest, settings: Settings, *, weights: bool = True) -> Iterator[str]:
    """Yield a clause for each file whose name differs from that with which the run began.

    Args:
        stored: the manifest of the run.
        settings: of this process.
        weights: include the model's weights, unless they have been compared by their digests.
    """
    names = [*FILES, *(f"{name}.{key}" for name in settings.judges for key in judge_class(name).files)]
    for name in names if weights else names[len(WEIGHTS) :]:
        part, _, key = name.partition(".")
        yield from changed_keys(stored.settings.part(part).get(key), getattr(getattr(settings, part), key), name)


def open_run(run: RunDir, manifest: Manifest, plan: Plan) -> Manifest:
    """Create the run directory, or check that it holds the same run, which may grow; return its manifest.

    The scores of this process will name its environment (`eval.store.environment`).

    Raises:
        InputError: the folder holds a run from other settings, weights or data, or more than these ask for; the message
            says which.
    """
    if run.read_manifest() is None:
        run.create(manifest)
    while True:  # another process may change the run meanwhile
        stored = run.read_manifest()
        both = overlap(run, stored, plan, manifest.identity.judges)
        _check_same(run, _changes(both, _requested(both, manifest)))
        _check_same(run, _of(GROUPS, regrouped(stored, both.plan, grown="prompts" in both.added)))
        _check_whole(run, stored, both)
        if not both.added:
            break
        grow(run, stored, manifest, plan, both)
    run.open(stored)
    run.keep_environment(manifest.runtime.environment)
    if not holds_prompts(run, stored):  # a new run, or the file is missing or damaged
        run.write_prompts(p.to_dict() for p in plan.prompts_as_listed())
    return stored


def _requested(both: Overlap, manifest: Manifest) -> Identity:
    """Return the identity of the part of a requested run that the stored one has too."""
    identity = manifest.identity
    model = identity.model.description if (source := both.plan.describe_source()) is None else source
    judges = {name: judge.description for name, judge in identity.judges.items() if name in both.judges}
    return identity_of(both.plan, model, judges)


def _changes(both: Overlap, requested: Identity) -> Iterator[Change]:
    """Yield each difference of a stored run from the identity that is requested of the same part of it."""
    one, other = both.identity.document(), requested.document()
    pictures = VERDICTS if both.identity.model.replayed else PICTURES
    for part in ("model", "methods"):
        yield from _of(pictures, changed_keys(one[part], other[part], part))
    yield from _of(pictures, _changed_prompts(both, one, other))
    yield from _changed_protocol(one["protocol"], other["protocol"])
    yield from _of(VERDICTS, changed_keys(one["judges"], other["judges"], "judges"))


def _changed_prompts(both: Overlap, stored: Mapping[str, Any], requested: Mapping[str, Any]) -> Iterator[str]:
    if both.other_rows:
        rows = "row" if len(both.other_rows) == 1 else "rows"
        yield f"other prompts here in {rows} {first_of(map(str, both.other_rows))}"
    else:
        yield from changed_keys(stored["prompts"], requested["prompts"], "prompts")


def _changed_protocol(stored: Mapping[str, Any], requested: Mapping[str, Any]) -> Iterator[Change]:
    for what, of_drawing in ((PICTURES, True), (VERDICTS, False)):
        parts = ({k: v for k, v in part.items() if (k in DRAWN) == of_drawing} for part in (stored, requested))
        yield from _of(what, changed_keys(*parts, "protocol"))


def _of(what: str, clauses: Iterable[str]) -> Iterator[Change]:
    return ((what, clause) for clause in clauses)


def _check_same(run: RunDir, changes: Iterable[Change]) -> None:
    """Refuse a run directory whose run these settings would change, as the clauses say."""
    if found := list(changes):
        what = " and ".join(dict.fromkeys(what for what, _ in found))
        clauses = first_clauses(clause for _, clause in found)
        raise InputError(
            f"{run.root} must hold the run of these settings, found one whose {what} they would change ({clauses}): "
            "set out= to a new folder, or give the settings of that run"
        )


def _check_whole(run: RunDir, stored: Manifest, both: Overlap) -> None:
    """Refuse settings that ask for less than the run holds, which nothing would be made for or taken away by."""
    if both.lacking:
        since = f", which has grown since {stored.runtime.created}" if stored.history else ""
        raise InputError(
            f"{run.root} must be given all that its run holds{since}, found less ({first_clauses(both.lacking)}): "
            f"{'put back what its folder had, ' if stored.made_elsewhere else ''}add to what made it, "
            f"{run_command(run, stored)}, or set out= to a new folder"
        )


def _known_changes(stored: Manifest, settings: Settings, both: Overlap) -> Iterator[Change]:
    """Yield each difference of a run from the settings that is known before loading."""
    device = device_type(settings.device) if settings.judges else ""
    judges = known_judges(judge_settings(settings), device)
    known = identity_of(both.plan, _known_model(settings, both.plan), judges).document()
    identity = both.identity.document()
    pictures = VERDICTS if stored.identity.model.replayed else PICTURES
    yield from _of(pictures, _changed_model(stored, settings, known["model"]))
    yield from _of(pictures, changed_keys(identity["methods"], known["methods"], "methods"))
    yield from _of(pictures, _changed_prompts(both, identity, known))
    yield from _changed_protocol(identity["protocol"], known["protocol"])
    for name in both.judges:
        yield from _of(VERDICTS, _changes_in(identity["judges"][name], known["judges"][name], f"judges.{name}"))


def _changed_model(stored: Manifest, settings: Settings, known: Mapping[str, Any]) -> Iterator[str]:
    identity, kind = stored.identity.document(), stored.settings.model_kind
    yield from changed_keys(kind, settings.model.kind, "model.kind")
    if kind == settings.model.kind:
        yield from _changes_in(identity["model"], known, "model")
    recorded = stored.settings.part("model")
    for part in TITLES:
        given, chosen = recorded.get(part), getattr(settings.model, part)
        if bool(given) != bool(chosen):  # under another name it can be the same, but not without one
            yield from changed_keys(given, chosen, f"model.{part}")
    yield from changed_keys(recorded.get("t5", True), settings.model.t5, "model.t5")
    yield from changed_keys(_scales(stored.identity.model.loras), _known_scales(settings), "model.lora")


def _scales(loras: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what settings say of the LoRAs on record: names of files, and scales."""
    return [{"name": lora["name"], "scale": lora["scale"]} for lora in loras]


def _known_scales(settings: Settings) -> list[dict[str, Any]]:
    loras = read_loras(settings.model.lora)
    return [{"name": file_name(lora), "scale": 1 if lora.scale is None else lora.scale} for lora in loras]


def _changes_in(stored: Mapping[str, Any], known: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield a clause for each difference in the known part of a description."""
    yield from changed_keys({name: stored.get(name) for name in known}, known, key)


def _known_model(settings: Settings, plan: Plan) -> dict[str, Any]:
    if (description := plan.describe_source()) is not None:
        return description
    prediction = settings.model.prediction_type
    return {"dtype": model_dtype(settings.dtype, settings.device)} | (
        {"prediction_type": prediction} if prediction else {}
    )
