"""Whether a run directory holds the run that is asked for.

`check_rerun` tells it as far as that is known before anything is loaded, so that a refusal takes no time; weights and
versions are compared once they are loaded, by `open_run`. Both compare `eval.plan.record.identity_of`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import i2p
from eval.base.errors import InputError
from eval.base.words import first_clauses
from eval.config.settings import Settings, judge_settings, model_dtype
from eval.judges import judge_class, known_judges
from eval.plan.plan import Plan
from eval.plan.record import identity_of
from eval.store import environment
from eval.store.changes import changed_keys
from eval.store.manifest import Manifest
from eval.store.prompts import digest_of, stored_prompts
from eval.store.records import PromptsRecord
from eval.store.rundir import RunDir
from sld.devices import device_type

log = logging.getLogger(__name__)

# What names files whose digests decide: other names may be of the same files. The first are of the model's weights.
WEIGHTS = ("model.path", "model.unet")
FILES = (*WEIGHTS, "model.config", "model.prediction_type")


def check_directory(run: RunDir, settings: Settings, plan: Plan) -> None:
    """Check the run directory before anything is loaded; warn where a run resumes with other versions.

    Raises:
        InputError: it holds another run, or can't be read or written.
    """
    standing = check_rerun(run, settings, plan)
    run.check_writable()
    if standing and (changed := other_versions(run, standing)):
        log.warning("%s resumes with other versions, which its report will list: %s.", run.root, first_clauses(changed))


def check_rerun(run: RunDir, settings: Settings, plan: Plan) -> Manifest | None:
    """Return the manifest in the run directory, None where there is none yet.

    Raises:
        InputError: it is of another run, or can't be read.
    """
    standing = run.read_manifest()
    if standing is not None:
        _check_same(run, _known_changes(standing, settings, plan))
    return standing


def other_versions(run: RunDir, standing: Manifest) -> list[str]:
    """Return in which versions this process differs from those that a run was made by until now, a clause each."""
    records = list(run.read_environments().values()) or [standing.runtime.environment]
    return environment.changed_versions(records, environment.versions())


def check_weights(run: RunDir, standing: Manifest, weights: Mapping[str, str]) -> None:
    """Raise InputError where a model's weights, by name and digest, are not those that a run began with."""
    _check_same(run, changed_keys(standing.identity.model.description.get("weights"), dict(weights), "model.weights"))


def other_files(standing: Manifest, settings: Settings, *, weights: bool = True) -> Iterator[str]:
    """Yield a clause for each name of a file that a run began with and that is another one here.

    `weights` is whether the model's are among them, or have been compared by themselves.
    """
    names = [*FILES, *(f"{name}.{key}" for name in settings.judges for key in judge_class(name).files)]
    for whole in names if weights else names[len(WEIGHTS) :]:
        part, _, key = whole.partition(".")
        yield from changed_keys(standing.settings.part(part).get(key), getattr(getattr(settings, part), key), whole)


def open_run(run: RunDir, manifest: Manifest, plan: Plan) -> Manifest:
    """Create the run directory, or check that it holds the same run; return the manifest in force.

    What this process scores is marked as made by its software and machine (`eval.store.environment`).

    Raises:
        InputError: the folder holds a run from other settings, weights or data; the sentence says which.
    """
    standing = run.read_manifest()
    if standing is None:
        run.create(manifest)
        standing = run.read_manifest()
    _check_same(run, changed_keys(standing.identity.document(), manifest.identity.document()))
    run.keep_environment(manifest.runtime.environment)
    if _stored_digest(run) != manifest.identity.prompts.digest:  # missing or damaged, if not new
        run.write_prompts(p.to_dict() for p in plan.prompts_as_listed())
    return standing


def _check_same(run: RunDir, changes: Iterable[str]) -> None:
    """Raise InputError where a run directory holds another run, which differs as the clauses say."""
    if clauses := list(changes):
        raise InputError(
            f"{run.root} holds another run: {first_clauses(clauses)}. Set out= to a new folder, or give the settings "
            "of that run"
        )


def _known_changes(standing: Manifest, settings: Settings, plan: Plan) -> Iterator[str]:
    """Yield in what a run differs from the one that is asked for, as far as that is known before loading."""
    device = device_type(settings.device) if settings.judges else ""
    judges = known_judges(judge_settings(settings), device)
    known = identity_of(plan, _known_model(settings, plan), judges).document()
    there = standing.identity.document()
    if sorted(there["judges"]) != sorted(settings.judges):
        names = (", ".join(sorted(judges)) or "none" for judges in (there["judges"], settings.judges))
        yield "judges is {} there and {} here".format(*names)
    kind = standing.settings.model_kind
    yield from changed_keys(kind, settings.model.kind, "model.kind")
    if kind == settings.model.kind:
        yield from _changes_in(there["model"], known["model"], "model")
    unet = standing.settings.part("model").get("unet")
    if bool(unet) != bool(settings.model.unet):  # with another's name it can be the same, not without
        yield from changed_keys(unet, settings.model.unet, "model.unet")
    if plan.brings_prompts:
        yield from _other_pictures(standing.identity.prompts, plan)
    for part in ("methods", "prompts", "protocol"):
        yield from changed_keys(there[part], known[part], part)
    for name, judge in known["judges"].items():
        if name in there["judges"]:
            yield from _changes_in(there["judges"][name], judge, f"judges.{name}")


def _changes_in(there: Mapping[str, Any], known: Mapping[str, Any], key: str) -> Iterator[str]:
    """Of a description, in what the known part of it differs."""
    yield from changed_keys({name: there.get(name) for name in known}, known, key)


def _other_pictures(there: PromptsRecord, plan: Plan) -> Iterator[str]:
    """Where a folder brings its prompts, a picture more or less is another run."""
    if there.digest != i2p.digest(plan.prompts):
        yield f"its folder held other prompts or pictures ({there.count:,} prompts then, {len(plan.prompts):,} now)"


def _known_model(settings: Settings, plan: Plan) -> dict[str, Any]:
    if (whole := plan.describe_source()) is not None:
        return whole
    prediction = settings.model.prediction_type
    return {"dtype": model_dtype(settings.dtype, settings.device)} | (
        {"prediction_type": prediction} if prediction else {}
    )


def _stored_digest(run: RunDir) -> str | None:
    try:
        return digest_of(stored_prompts(run))
    except (InputError, i2p.InputError):
        return None
