"""The model of a run, found where the run would find it, and not loaded; and whether its scheduler will do."""

from __future__ import annotations

from pathlib import Path

from eval.doctor_checks import OK, SKIPPED, Check
from eval.doctor_files import are_read, described, digest_of, not_cached
from eval.errors import InputError
from eval.plan import Plan
from eval.settings import DEMO, ELSEWHERE, Settings
from i2p.demo import trained
from sld.models import files
from sld.models.layout import SD1_SCHEDULER
from sld.schedulers import CONFIG, check_name, check_steps


def model(settings: Settings, digests: bool) -> list[Check]:
    """The model's weights, and those of a UNet in its place."""
    chosen = settings.model
    if chosen.kind == "published":
        return [Check("model", SKIPPED, "none is needed: the dataset's own results are replayed")]
    if chosen.kind == ELSEWHERE:
        return [Check("model", SKIPPED, f"none is needed: the pictures of {chosen.path} are judged where they lie")]
    hub = chosen.kind != DEMO and files.hub_id(chosen.path) is not None
    if hub:
        files.check_alone(Path(chosen.path), chosen.config, chosen.prediction_type)
    try:
        place, paths = _weights(settings)
    except Exception:
        if not hub:
            raise
        size = "4 GB (SD 1.x) to 5 GB (SD 2.x)"
        return [not_cached("model", f"the whole of {chosen.path}", size, "model=checkpoint model.path=FOLDER")]
    where = "the demo world's, as trained" if chosen.kind == DEMO else str(place)
    where = f"{chosen.path} in the hub's cache" if hub else where
    checks = [Check("model", OK, f"{where}: {described(paths, digests)}")]
    if chosen.unet:
        checks.append(Check("unet", OK, f"{chosen.unet}: {described(_unet(settings), digests)}"))
    return checks


def weights(settings: Settings, digests: bool) -> dict[str, str] | None:
    """The digests of the model's weights as its manifest has them; None where reading them takes time, unless asked."""
    place, paths = _weights(settings)
    named = files.weight_names(place, paths, _unet(settings) if settings.model.unet else ())
    if not are_read(named.values(), digests):
        return None
    return {name: digest_of(path) for name, path in named.items()}


def _weights(settings: Settings) -> tuple[Path, list[Path]]:
    """Where a checkpoint is and its weight files, checked as far as can be without reading them all."""
    chosen = settings.model
    if chosen.kind == DEMO:
        return (folder := trained.model_folder()), sorted(folder.rglob("*.safetensors"))
    found = files.locate(chosen.path, chosen.allow_pickle, local=True).path
    if found.is_dir():
        files.check_alone(found, chosen.config, chosen.prediction_type)
        components = files.component_files(found, chosen.allow_pickle)
        for part in components:
            files.read_json(found / part / "config.json")
        if not (found / "tokenizer").is_dir():
            raise InputError(f"expected CLIP's tokenizer in {found}, found no folder tokenizer: complete it")
        return found, [path for part in components.values() for path in part]
    files.check_weights(found, chosen.allow_pickle)
    if found.suffix == ".safetensors":  # of a pickle all would have to be read
        from sld.models.single_file import check_single_file

        check_single_file(found, chosen.allow_pickle, chosen.config, chosen.prediction_type)
    return found, [found]


def _unet(settings: Settings) -> list[Path]:
    chosen = settings.model
    paths = files.unet_files(Path(chosen.unet), chosen.allow_pickle)
    for path in paths:
        files.check_weights(path, chosen.allow_pickle)
    return paths


def scheduler(settings: Settings, plan: Plan) -> Check:
    """The scheduler that the run would step with, and whether the model was trained with that many steps."""
    config = _scheduler_config(settings)
    name = plan.protocol.scheduler and check_name(plan.protocol.scheduler)
    check_steps(config.get("num_train_timesteps", SD1_SCHEDULER["num_train_timesteps"]), plan.protocol.steps)
    return Check("scheduler", OK, f"{name or config.get('_class_name')}, {plan.protocol.steps} steps")


def _scheduler_config(settings: Settings) -> dict:
    """As the model brings it; one in a file gets that of SD 1.x."""
    chosen = settings.model
    found = trained.model_folder() if chosen.kind == DEMO else files.locate(chosen.path, local=True).path
    if found.is_dir() or chosen.config:
        return files.read_json((found if found.is_dir() else Path(chosen.config)) / CONFIG)
    return SD1_SCHEDULER
