"""Diffusers' schedulers: by name, or as a checkpoint configures its own."""

import contextlib
import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sld.checkpoints.components import Checkpoint
from sld.checkpoints.files import read_json
from sld.checkpoints.layout import named_class
from sld.errors import InputError, first_line, nearest
from sld.gain import is_flow

# The first name of each is the one shown to users.
_CLASSES = {
    ("ddim",): "DDIMScheduler",
    ("pndm", "plms"): "PNDMScheduler",
    ("euler",): "EulerDiscreteScheduler",
    ("dpm++", "dpm++_2m", "dpmpp", "dpmpp_2m"): "DPMSolverMultistepScheduler",
    ("euler_a", "euler_ancestral"): "EulerAncestralDiscreteScheduler",
    ("lms", "k_lms"): "LMSDiscreteScheduler",
}
CONFIG = Path("scheduler", "scheduler_config.json")  # in a checkpoint
NAMES = tuple(names[0] for names in _CLASSES)

# What a model was trained with. All other settings say how to step.
_OF_THE_MODEL = (
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "num_train_timesteps",
    "prediction_type",
    "rescale_betas_zero_snr",
)
# What every Stable Diffusion checkpoint on the hub sets besides, whatever its scheduler.
STABLE_DIFFUSION = {"steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False, "skip_prk_steps": True}
# The schedulers of flow matching that step like those of the same name.
_OF_FLOWS = {"EulerDiscreteScheduler": "FlowMatchEulerDiscreteScheduler"}
_KINDS = ("a model that was trained with betas", "flow matching")


def check_name(name: str) -> str:
    """Return the diffusers class that a name stands for.

    Raises:
        InputError: the name is not in `NAMES`, nor another spelling of one.
    """
    plain = name.lower().replace("-", "_").replace(" ", "_")
    classes = [cls for names, cls in _CLASSES.items() if plain in names]
    if not classes:
        meant = nearest(plain, NAMES) or "NAME"
        raise InputError(
            f"scheduler must be one of {', '.join(NAMES)}, found {name!r}: give scheduler={meant}", f"scheduler={meant}"
        )
    return classes[0]


def read_scheduler(checkpoint: Checkpoint):
    """Return the scheduler of a checkpoint in diffusers' layout; raises `InputError` if it is unusable."""
    config = scheduler_settings(checkpoint)
    return from_config(config["_class_name"], config)


def scheduler_settings(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the configuration of a checkpoint's scheduler, including its class.

    The class is that of model_index.json, as in diffusers, which reads only settings from the scheduler's own file.

    Raises:
        InputError: it names no scheduler.
    """
    path = checkpoint.folder / CONFIG
    config = read_json(path)
    named, own = named_class(checkpoint.index, "scheduler"), config.get("_class_name")
    if own is not None:
        beside = f", beside {named} in model_index.json" if named else ""
        _class(str(own), f"_class_name in {path}{beside}")
    return config | {"_class_name": named or str(own)}


def _class(name: str, place: str) -> type:
    """Return the diffusers scheduler class with this name; raises `InputError` if there is none."""
    import diffusers  # takes seconds, which a caller that only checks a name need not wait for

    cls = getattr(diffusers, name, None)
    if lacking := getattr(cls, "_backends", None):  # a stand-in for a class whose dependencies are not installed
        raise InputError(
            f"the scheduler must need nothing but diffusers, found {name} as {place}, which needs "
            f"{' and '.join(lacking)}: write DDIMScheduler there, for example, or choose another checkpoint"
        )
    if not isinstance(cls, type) or not issubclass(cls, diffusers.SchedulerMixin):
        raise InputError(
            f"the scheduler must be a class of diffusers' schedulers, found {name!r} as {place}: correct it, or choose "
            "another checkpoint"
        )
    return cls


def from_config(name: str, config: Any):
    """Return a diffusers scheduler by its class name.

    Raises:
        InputError: there is no such class, or it refuses the configuration.
    """
    cls = _class(name, "the checkpoint's")
    try:
        with numpy_2_quiet():
            return cls.from_config(config)
    except Exception as error:  # each scheduler refuses in its own way
        raise InputError(
            f"scheduler_config.json must be a configuration of {name}, found values that it refuses "
            f"({type(error).__name__}: {first_line(error)}): correct the checkpoint's scheduler_config.json"
        ) from error


@contextlib.contextmanager
def numpy_2_quiet() -> Iterator[None]:
    """Suppress a deprecation warning of numpy 2."""
    # Diffusers converts tensors to numpy arrays in a way that numpy 2 warns about; nothing here could change that.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        yield


def make_scheduler(choice, own, standard: Mapping[str, Any], fixed: Mapping[str, Any]):
    """Return a fresh scheduler.

    A name is a complete configuration: it takes from the checkpoint what the model was trained with, and nothing that
    says how to step. So the same weights give the same pictures however they were saved.

    Args:
        choice: None for the checkpoint's own, a name of `NAMES`, or a diffusers scheduler, which is copied.
        own: the checkpoint's scheduler.
        standard: settings with which a scheduler chosen by name steps models of this family.
        fixed: settings that the family's pipeline in diffusers sets whatever the scheduler's configuration says.

    Raises:
        InputError: the name is unknown or does not suit the model, or the object is no diffusers scheduler.
    """
    import diffusers

    if choice is None:
        scheduler = copy.deepcopy(own)
    elif isinstance(choice, str):
        scheduler = _named(choice, own, standard)
    elif isinstance(choice, diffusers.SchedulerMixin):
        if is_flow(choice) != is_flow(own):
            raise InputError(
                f"the scheduler must be one for {_KINDS[is_flow(own)]}, as the checkpoint's own {type(own).__name__}, "
                f"found {type(choice).__name__}, one for {_KINDS[is_flow(choice)]}: give another"
            )
        scheduler = copy.deepcopy(choice)
    else:
        raise InputError(
            f"scheduler must be one of {', '.join(NAMES)} or a diffusers scheduler, found a {type(choice).__name__}: "
            "give one of these"
        )
    for key, value in fixed.items():
        if key in scheduler.config and scheduler.config[key] != value:
            scheduler.register_to_config(**{key: value})
    return scheduler


def check_kind(own: Any, flow: bool, title: str) -> None:
    """Raise `InputError` if a checkpoint's own scheduler steps networks of another kind than its family's.

    Args:
        own: the checkpoint's scheduler.
        flow: whether the family was trained by flow matching.
        title: of the family, as the error names it.
    """
    # Other schedulers take a network that predicts a flow on latents of either kind, and fine-tunes may predict one.
    wrong = not is_flow(own) if flow else not hasattr(own, "scale_model_input")
    if wrong:
        raise InputError(
            f"the checkpoint's scheduler must be one for {_KINDS[flow]}, as {title}, found {type(own).__name__}: "
            "correct scheduler_config.json and model_index.json, or choose another checkpoint"
        )


def _named(name: str, own, standard: Mapping[str, Any]):
    """Return a scheduler by its name, for the model that `own` belongs to."""
    cls, config = check_name(name), own.config
    if is_flow(own):
        if cls not in _OF_FLOWS:
            raise InputError(
                f"the scheduler must be one for flow matching, found {name!r}: leave scheduler= out for the "
                f"checkpoint's own {type(own).__name__}, or choose euler",
                "scheduler=",
            )
        # Schedulers that are not for flows alone have another name for the shift.
        shift = {"shift": config["flow_shift"]} if "flow_shift" in config else {}
        return from_config(_OF_FLOWS[cls], dict(config) | shift)
    if "beta_start" not in config:
        raise InputError(
            f"the scheduler {name!r} must be used with a model that was trained with betas, found the checkpoint's own "
            f"{type(own).__name__}, which has none: leave scheduler= out, or choose another checkpoint",
            "scheduler=",
        )
    scheduler = from_config(cls, _plain(config, standard))
    if config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in parameters(type(scheduler)):
        raise InputError(
            f"the scheduler must suit a model of zero terminal SNR, found {name!r}, whose betas can't be rescaled: "
            "choose ddim, euler, euler_a or dpm++, as in scheduler=ddim",
            "scheduler=ddim",
        )
    return scheduler


def _plain(config: Mapping[str, Any], standard: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with which a family is stepped, for the model that a configuration belongs to."""
    settings = dict(standard) | {key: config[key] for key in _OF_THE_MODEL if key in config}
    if config.get("rescale_betas_zero_snr"):
        # The last timestep of such models is pure noise; only this spacing starts with it (arXiv 2305.08891, 3.3).
        settings["timestep_spacing"] = "trailing"
    return settings


def own_settings(scheduler: Any, standard: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return, by name, a scheduler's settings that differ from what its family is stepped with: (own, standard).

    They come from how a checkpoint was saved, and change pictures. Schedulers of flow matching have only settings that
    belong to the model.
    """
    if is_flow(scheduler):
        return {}
    config = scheduler.config
    plain = from_config(type(scheduler).__name__, _plain(config, standard)).config
    names = [name for name in parameters(type(scheduler)) if name in config and name not in _OF_THE_MODEL]
    return {name: (config[name], plain[name]) for name in names if config[name] != plain[name]}


def parameters(cls: type) -> dict[str, Any]:
    """Return the settings that a scheduler's class knows, each with its default."""
    signature = inspect.signature(cls.__init__).parameters
    return {name: parameter.default for name, parameter in signature.items() if name not in ("self", "kwargs")}
