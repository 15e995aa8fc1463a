"""Diffusers' schedulers by name, and stepping them without losing precision."""

import contextlib
import copy
import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from sld.errors import InputError, first_line
from sld.models.files import read_json

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
        raise InputError(f"A scheduler must be one of {', '.join(NAMES)}, found {name!r}; correct the name.")
    return found[0]


def read_scheduler(folder: Path):
    """The scheduler of a checkpoint in diffusers' layout. Raises `InputError` if its configuration is unusable."""
    config = read_json(folder / CONFIG)
    return from_config(str(config.get("_class_name")), config)


def from_config(name: str, config: Any):
    """A diffusers scheduler by its class name. Raises `InputError` if there is none of this name."""
    import diffusers  # takes seconds, for which a name alone need not wait

    cls = getattr(diffusers, name, None)
    if not isinstance(cls, type) or not issubclass(cls, diffusers.SchedulerMixin):
        raise InputError(
            f"The class name of a diffusers scheduler was expected, found {name!r} as _class_name in the checkpoint's "
            "scheduler_config.json; correct it, or choose a scheduler by name."
        )
    try:
        with _numpy_2_quiet():
            return cls.from_config(config)
    except Exception as error:  # each scheduler refuses in its own way
        raise InputError(
            f"A configuration of {name} was expected, found values that it refuses ({type(error).__name__}: "
            f"{first_line(error)}); correct the checkpoint's scheduler_config.json, or name another scheduler."
        ) from error


@contextlib.contextmanager
def _numpy_2_quiet() -> Iterator[None]:
    # Diffusers makes numpy arrays of tensors in a way that numpy 2 warns about; nothing here could change that.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        yield


def make_scheduler(choice, own):
    """Return a fresh scheduler: `own` (the checkpoint's) for None, one of its settings for a name, a copy of an object.

    As the constructor of diffusers' StableDiffusionPipeline does, `steps_offset` is set to 1 and `clip_sample` to
    False: SD was trained that way, and old scheduler configurations say otherwise. Raises `InputError` for an unknown
    name or an object that is no diffusers scheduler.
    """
    import diffusers

    if choice is None:
        scheduler = copy.deepcopy(own)
    elif isinstance(choice, str):
        scheduler = from_config(check_name(choice), own.config)
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


def check_steps(longest: int, steps: int) -> None:
    """Raise `InputError` for more steps than the model was trained with."""
    if steps > longest:
        raise InputError(f"At most {longest} steps were expected, found {steps}; take fewer steps.")


def start(scheduler, steps: int):
    """A copy of the scheduler, at the start of a run of `steps` steps. Raises `InputError` for more than it has."""
    check_steps(scheduler.config.num_train_timesteps, steps)
    scheduler = copy.deepcopy(scheduler)
    # On the host, where the tables are: a timestep on the device would make every step wait for the device.
    with _numpy_2_quiet():
        try:
            scheduler.set_timesteps(steps)
        except ValueError as error:
            raise InputError(
                f"Steps that {type(scheduler).__name__} can take were expected, found {steps} ({first_line(error)}); "
                "take more steps, or another scheduler."
            ) from error
    return scheduler


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
