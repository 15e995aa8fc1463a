"""Whether a run directory holds the run that is asked for.

`check_rerun` tells it as far as that is known before anything is loaded, so that a refusal takes no time; weights and
versions are compared once they are loaded, by `open_run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import i2p
from eval.base.errors import InputError, first_of
from eval.config.settings import Settings, model_dtype
from eval.judges import judge_class, known_judges
from eval.plan.plan import Plan
from eval.plan.record import planned_differences
from eval.store import environment
from eval.store.manifest import as_json, differences, identity_of
from eval.store.prompts import digest_of, stored_prompts
from eval.store.rundir import RunDir
from sld.devices import device_type

# What names files whose digests decide: other names may be of the same files. The first are of the model's weights.
WEIGHTS = ("model.path", "model.unet")
FILES = (*WEIGHTS, "model.config", "model.prediction_type")


def check_rerun(run: RunDir, settings: Settings, plan: Plan) -> dict | None:
    """Return the manifest in the run directory, None where there is none yet.

    Raises:
        InputError: it is of another run, or can't be read.
    """
    standing = run.read_manifest()
    if standing is None:
        return None
    found = list(_differences(standing, settings, plan))
    if found:
        raise another_run(run, found)
    return standing


def other_versions(run: RunDir, standing: Mapping) -> list[str]:
    """Return in which versions this process differs from those that a run was made by until now, a clause each."""
    return environment.newer(list(run.read_environments().values()) or [standing["runtime"]], environment.versions())


def check_weights(run: RunDir, standing: Mapping, weights: Mapping[str, str]) -> None:
    """Raise InputError where a model's weights, by name and digest, are not those that a run began with."""
    found = list(differences(standing["identity"]["model"].get("weights"), dict(weights), "model.weights"))
    if found:
        raise another_run(run, found)


def other_files(standing: Mapping, settings: Settings, *, weights: bool = True) -> Iterator[str]:
    """Yield a clause for each name of a file that a run began with and that is another one here.

    `weights` is whether the model's are among them, or have been compared by themselves.
    """
    names = [*FILES, *(f"{name}.{key}" for name in settings.judges for key in judge_class(name).files)]
    for whole in names if weights else names[len(WEIGHTS) :]:
        part, _, key = whole.partition(".")
        there = standing["settings"].get(part) or {}
        yield from differences(there.get(key), getattr(getattr(settings, part), key), whole)


def _differences(standing: Mapping, settings: Settings, plan: Plan) -> Iterator[str]:
    there = standing["identity"]
    if sorted(there["judges"]) != sorted(settings.judges):
        names = (", ".join(sorted(judges)) or "none" for judges in (there["judges"], settings.judges))
        yield "judges is {} there and {} here".format(*names)
    began = standing["settings"].get("model") or {}
    kind = began.get("kind")
    yield from differences(kind, settings.model.kind, "model.kind")
    if kind == settings.model.kind:
        yield from _in_part(there["model"], _known_model(settings, plan), "model")
    if bool(began.get("unet")) != bool(settings.model.unet):  # with another's name it can be the same, not without
        yield from differences(began.get("unet"), settings.model.unet, "model.unet")
    if plan.folder is not None and plan.folder.brings_prompts:
        yield from _other_pictures(there["prompts"], plan)
    yield from planned_differences(standing, plan)
    device = device_type(settings.device) if settings.judges else ""
    for name, judge in known_judges(settings, settings.judges, device).items():
        if name in there["judges"]:
            yield from _in_part(there["judges"][name], judge, f"judges.{name}")


def _other_pictures(there: Mapping, plan: Plan) -> Iterator[str]:
    """Where a folder brings its prompts, a picture more or less is another run."""
    if there["digest"] != i2p.digest(plan.prompts):
        yield (
            f"its folder held other prompts or pictures ({there['count']:,} prompts then, {len(plan.prompts):,} now)"
        )


def _in_part(there: Mapping, known: Mapping, key: str) -> Iterator[str]:
    """Of a description, in what the known part of it differs."""
    yield from differences({name: there.get(name) for name in known}, as_json(known), key)


def _known_model(settings: Settings, plan: Plan) -> dict:
    if plan.folder is not None:
        return plan.folder.describe()
    if settings.model.kind == "published":
        from eval.plan.record import describe_replay

        return describe_replay(plan)
    said = settings.model.prediction_type
    return {"dtype": model_dtype(settings)} | ({"prediction_type": said} if said else {})


def open_run(run: RunDir, manifest: dict, plan: Plan) -> dict:
    """Create the run directory, or check that it holds the same run; return the manifest in force.

    What this process scores is marked as made by its software and machine (`eval.store.environment`).

    Raises:
        InputError: the folder holds a run from other settings, weights or data; the sentence says which.
    """
    standing = run.read_manifest()
    if standing is None:
        run.create(manifest)
        standing = run.read_manifest()
    found = list(differences(identity_of(standing), as_json(manifest["identity"])))
    if found:
        raise another_run(run, found)
    run.keep_environment(environment.record_of(manifest))
    if _stored_digest(run) != manifest["identity"]["prompts"]["digest"]:  # missing or damaged, if not new
        run.write_prompts(p.to_dict() for p in plan.prompts_as_listed())
    return standing


def another_run(run: RunDir, found: Sequence[str]) -> InputError:
    """The error for a run directory that is of another run, which differs as `found` says."""
    return InputError(
        f"{run.root} holds another run: {first_of(found)}. Set out= to a new folder, or give the settings of that run"
    )


def _stored_digest(run: RunDir) -> str | None:
    try:
        return digest_of(stored_prompts(run))
    except (InputError, i2p.InputError):
        return None
