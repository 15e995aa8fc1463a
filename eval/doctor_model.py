"""The model of a run, found where the run would find it, and not loaded; and whether its scheduler will do."""

from __future__ import annotations

from pathlib import Path

from eval.doctor_checks import OK, SKIPPED, Check
from eval.doctor_files import described, not_cached
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
    if chosen.kind == DEMO:
        folder = trained.model_folder()
        paths = sorted(folder.rglob("*.safetensors"))
        checks = [Check("model", OK, f"the demo world's, as trained: {described(paths, digests)}")]
    else:
        checks = [_checkpoint(settings, digests)]
    if chosen.unet:
        paths = files.unet_files(Path(chosen.unet), chosen.allow_pickle)
        for path in paths:
            files.check_weights(path, chosen.allow_pickle)
        checks.append(Check("unet", OK, f"{chosen.unet}: {described(paths, digests)}"))
    return checks


def _checkpoint(settings: Settings, digests: bool) -> Check:
    chosen = settings.model
    repository, place = files.hub_id(chosen.path), Path(chosen.path).expanduser()
    if repository is not None or place.is_dir():
        files.check_alone(place, chosen.config, chosen.prediction_type)
    try:
        found = files.locate(chosen.path, chosen.allow_pickle, local=True)
        if found.path.is_dir():
            components = files.component_files(found.path, chosen.allow_pickle)
            paths = [path for part in components.values() for path in part]
            if not (found.path / "tokenizer").is_dir():
                raise InputError(f"expected CLIP's tokenizer in {found.path}, found no folder tokenizer: complete it")
        else:
            paths = [found.path]
            files.check_weights(found.path, chosen.allow_pickle)
            if found.path.suffix == ".safetensors":  # of a pickle all would have to be read
                from sld.models.single_file import check_single_file

                check_single_file(found.path, chosen.allow_pickle, chosen.config, chosen.prediction_type)
    except Exception:
        if repository is None:
            raise
        size = "4 GB (SD 1.x) to 5 GB (SD 2.x)"
        return not_cached("model", f"the whole of {chosen.path}", size, "model=checkpoint model.path=FOLDER")
    where = f"{chosen.path} in the hub's cache" if repository else str(found.path)
    return Check("model", OK, f"{where}: {described(paths, digests)}")


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
