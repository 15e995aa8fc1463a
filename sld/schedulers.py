"""Diffusers' schedulers by name, and stepping them without losing precision."""

import contextlib
import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sld.checkpoints.classes import named_class
from sld.checkpoints.files import read_json
from sld.errors import InputError, first_line

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

# What a model was trained with. All else of a configuration says how to step.
_OF_THE_MODEL = (
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "num_train_timesteps",
    "prediction_type",
    "rescale_betas_zero_snr",
)
# What every Stable Diffusion checkpoint on the hub says beside it, whatever its scheduler.
_OF_STABLE_DIFFUSION = {"steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False, "skip_prk_steps": True}

# Everything else is taken to draw noise at its steps, so a scheduler unknown here needs seeds rather than losing them.
_DETERMINISTIC = {
    "DDIMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "UniPCMultistepScheduler",
}


def check_name(name: str) -> str:
    """Return the diffusers class that a name stands for. Raises `InputError` for one that is not among `NAMES`."""
    plain = name.lower().replace("-", "_").replace(" ", "_")
    found = [cls for names, cls in _CLASSES.items() if plain in names]
    if not found:
        raise InputError(
            f"A scheduler must be one of {', '.join(NAMES)}, found {name!r}; correct scheduler=NAME.", "scheduler=NAME"
        )
    return found[0]


def read_scheduler(folder: Path):
    """The scheduler of a checkpoint in diffusers' layout. Raises `InputError` if its configuration is unusable."""
    config = scheduler_settings(folder)
    return from_config(config["_class_name"], config)


def scheduler_settings(folder: Path) -> dict[str, Any]:
    """The configuration of a checkpoint's scheduler, class included. Raises `InputError` if it names no scheduler.

    The class is that of model_index.json, as in diffusers, which asks the scheduler's own file for its settings only.
    """
    config, index = read_json(folder / CONFIG), read_json(folder / "model_index.json")
    named, own = named_class(index, "scheduler"), config.get("_class_name")
    if own is not None:
        beside = f", beside {named} in model_index.json" if named else ""
        _class(str(own), f"_class_name in {folder / CONFIG}{beside}")
    return config | {"_class_name": named or str(own)}


def _class(name: str, place: str) -> type:
    """The diffusers scheduler of that name. Raises `InputError` if there is none."""
    import diffusers  # takes seconds, for which a name alone need not wait

    cls = getattr(diffusers, name, None)
    if lacking := getattr(cls, "_backends", None):  # a stand-in for one that can't be had
        raise InputError(
            f"A scheduler that diffusers alone can step was expected, found {name} as {place}, which needs "
            f"{' and '.join(lacking)}; write DDIMScheduler there, say, or choose another checkpoint."
        )
    if not isinstance(cls, type) or not issubclass(cls, diffusers.SchedulerMixin):
        raise InputError(
            f"The class name of a diffusers scheduler was expected, found {name!r} as {place}; correct it, or choose "
            "another checkpoint."
        )
    return cls


def from_config(name: str, config: Any):
    """A diffusers scheduler by its class name. Raises `InputError` if there is none of this name."""
    cls = _class(name, "the checkpoint's")
    try:
        with numpy_2_quiet():
            return cls.from_config(config)
    except Exception as error:  # each scheduler refuses in its own way
        raise InputError(
            f"A configuration of {name} was expected, found values that it refuses ({type(error).__name__}: "
            f"{first_line(error)}); correct the checkpoint's scheduler_config.json."
        ) from error


@contextlib.contextmanager
def numpy_2_quiet() -> Iterator[None]:
    """Without a warning of numpy 2."""
    # Diffusers makes numpy arrays of tensors in a way that numpy 2 warns about; nothing here could change that.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        yield


def make_scheduler(choice, own):
    """Return a fresh scheduler: `own` (the checkpoint's) for None, a copy of an object, or what a name stands for.

    A name is a whole configuration: of the checkpoint's it takes what the model was trained with, and nothing that says
    how to step. So the same weights give the same pictures however they were saved.

    As the constructor of diffusers' StableDiffusionPipeline does, `steps_offset` is set to 1 and `clip_sample` to
    False: SD was trained that way, and old scheduler configurations say otherwise. Raises `InputError` for an unknown
    name or an object that is no diffusers scheduler.
    """
    import diffusers

    if choice is None:
        scheduler = copy.deepcopy(own)
    elif isinstance(choice, str):
        scheduler = _named(choice, own)
    elif isinstance(choice, diffusers.SchedulerMixin):
        scheduler = copy.deepcopy(choice)
    else:
        raise InputError(
            f"A scheduler must be one of {', '.join(NAMES)} or a diffusers scheduler, found a {type(choice).__name__}; "
            "give one of these."
        )
    for key, value in (("steps_offset", 1), ("clip_sample", False)):
        if key in scheduler.config and scheduler.config[key] != value:
            scheduler.register_to_config(**{key: value})
    return scheduler


def _named(name: str, own):
    """A scheduler by its name, for the model that `own` belongs to."""
    cls, config = check_name(name), own.config
    if "beta_start" not in config:
        raise InputError(
            f"A model that was trained with betas was expected for the scheduler {name!r}, found the checkpoint's own "
            f"{type(own).__name__}, which has none; leave scheduler= out, or choose another checkpoint.",
            "scheduler=",
        )
    scheduler = from_config(cls, _plain(config))
    if config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in parameters(type(scheduler)):
        raise InputError(
            f"A scheduler for a model of zero terminal SNR was expected, found {name!r}, which can't have its betas "
            "rescaled; choose ddim, euler, euler_a or dpm++, as in scheduler=ddim.",
            "scheduler=ddim",
        )
    return scheduler


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings under which Stable Diffusion is stepped, for the model that a configuration is of."""
    settings = _OF_STABLE_DIFFUSION | {key: config[key] for key in _OF_THE_MODEL if key in config}
    if config.get("rescale_betas_zero_snr"):
        # Their last timestep is pure noise, which only these spacings begin with (arXiv 2305.08891, section 3.3).
        settings["timestep_spacing"] = "trailing"
    return settings


def own_settings(scheduler: Any) -> dict[str, tuple[Any, Any]]:
    """By name, the settings of a scheduler that are not what Stable Diffusion is stepped with, each beside what is.

    They came with how a checkpoint was saved, and change pictures.
    """
    config = scheduler.config
    plain = from_config(type(scheduler).__name__, _plain(config)).config
    names = [name for name in parameters(type(scheduler)) if name in config and name not in _OF_THE_MODEL]
    return {name: (config[name], plain[name]) for name in names if config[name] != plain[name]}


def parameters(cls: type) -> dict[str, Any]:
    """The settings that a scheduler's class knows, each with its default."""
    found = inspect.signature(cls.__init__).parameters
    return {name: each.default for name, each in found.items() if name not in ("self", "kwargs")}


def is_stochastic(scheduler) -> bool:
    """Whether the scheduler's steps draw noise. Raises `InputError` where no generator could make that reproducible."""
    sde = str(scheduler.config.get("algorithm_type", "")).startswith("sde")
    if type(scheduler).__name__ in _DETERMINISTIC and not sde:
        return False
    if "generator" not in inspect.signature(scheduler.step).parameters:
        raise InputError(
            f"A scheduler that is deterministic or takes a generator was expected, found {type(scheduler).__name__}, "
            f"whose steps cannot be reproduced; choose one of {', '.join(NAMES)}."
        )
    return True


def step(scheduler, prediction: Tensor, timestep: Tensor, latents: Tensor, generators: list | None) -> Tensor:
    """One scheduler step: the next latents, in their dtype. `generators`, one a row, feed stochastic schedulers.

    It is diffusers' own step, with what that does to precision: Euler and DPM++ round the latents to float32 first.
    """
    noise = {} if generators is None else {"generator": generators}
    return scheduler.step(prediction, timestep, latents, **noise, return_dict=False)[0]
