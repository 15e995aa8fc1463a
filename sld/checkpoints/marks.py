"""What a single file says of its own training: tensors or texts whose names are the message.

Trainers mark models of v-prediction by a key `v_pred`, and models whose noise schedule ends without signal (Lin et al.,
"Common Diffusion Noise Schedules and Sample Steps Are Flawed", 2023) by `ztsnr`: tensors without content, known to
ComfyUI and the web UIs. The text `modelspec.prediction_type` (Stability AI's model specification) says the former too,
and so does `modelspec.predict_key`, which ComfyUI writes.
"""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sld.errors import InputError

V_PRED, ZERO_SNR = "v_pred", "ztsnr"
NAMES = {V_PRED, ZERO_SNR}
_SPECS = ("modelspec.prediction_type", "modelspec.predict_key")
_SPECIFIED = dict.fromkeys(("epsilon", "eps"), "epsilon")
_SPECIFIED |= dict.fromkeys(("v", "v_prediction", "v-prediction", "v_pred", "vpred"), "v_prediction")
_OTHERS = ("edm_vpred.", "edm_mean", "edm_std", "edm.")  # of other parametrisations
ZERO_SNR_SCHEDULERS = "ddim, euler, dpm++, euler_a"  # that can rescale their betas to end without signal
_ZERO_SNR_SETTINGS = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


@dataclass(frozen=True)
class Marks:
    """`prediction_type` and whether the noise schedule ends without signal, as a file says; None where it does not."""

    prediction_type: str | None = None
    zero_snr: bool = False
    says: str = ""  # the mark of the prediction type, to be quoted

    def settle(self, asked: str | None, path: Path) -> str | None:
        """The prediction type that user and file agree on. Raises `InputError` where they contradict each other."""
        if asked is not None and self.prediction_type not in (None, asked):
            raise InputError(
                f"prediction_type must be {self.prediction_type}, as {self.says!r} in the file says, found {asked!r} "
                f"for {path}; leave prediction_type= out.",
                "prediction_type=",
            )
        return asked or self.prediction_type

    def obey(self, config: Mapping[str, Any], where: Path) -> tuple[dict[str, Any], dict[str, str]]:
        """A scheduler's configuration as the marks want it, and by mark what was set.

        Raises `InputError` where the configuration, found at `where`, says otherwise.
        """
        wanted = {self.says: {"prediction_type": self.prediction_type}} if self.prediction_type else {}
        wanted |= {ZERO_SNR: {"rescale_betas_zero_snr": True}} if self.zero_snr else {}
        for mark, settings in wanted.items():
            for key, value in settings.items():
                if config.get(key, value) != value:
                    raise InputError(
                        f"{key}={value} was expected, as {mark!r} in the weights file says, found {config[key]} in "
                        f"{where}; correct it there."
                    )
        made, obeyed = dict(config), {}
        if self.prediction_type:
            made["prediction_type"] = self.prediction_type
            obeyed[self.says] = f"prediction_type={self.prediction_type}"
        if self.zero_snr:
            self._zero_snr(made, obeyed)
        return made, obeyed

    @staticmethod
    def _zero_snr(made: dict[str, Any], obeyed: dict[str, str]) -> None:
        # A configuration that knows of it decides the spacing too; any other was saved without a thought of it.
        knows = "rescale_betas_zero_snr" in made
        made.update({key: value for key, value in _ZERO_SNR_SETTINGS.items() if not knows or key not in made})
        obeyed[ZERO_SNR] = ", ".join(f"{key}={made[key]}" for key in _ZERO_SNR_SETTINGS)
        if made.get("prediction_type", "epsilon") == "epsilon":
            raise InputError(
                f"v-prediction was expected of a file marked {ZERO_SNR!r}, found epsilon, and where no signal is left "
                "noise says nothing about the picture; give prediction_type=v_prediction if it was trained for that.",
                "prediction_type=v_prediction",
            )
        if not _can_rescale(str(made.get("_class_name"))):
            obeyed[ZERO_SNR] += f", DDIMScheduler in place of {made.get('_class_name')}"
            made["_class_name"] = "DDIMScheduler"

    def check(self, scheduler: Any) -> None:
        """Raise `InputError` where a diffusers scheduler, of the user's own say, does not do what the file says."""
        name, config = type(scheduler).__name__, scheduler.config
        prediction = config.get("prediction_type", "epsilon")
        if self.prediction_type not in (None, prediction):
            raise InputError(
                f"A scheduler for {self.prediction_type} was expected, as {self.says!r} in the weights file says, "
                f"found {name} for {prediction}; choose one by name, as in scheduler=ddim, or set that in its "
                "own configuration.",
                "scheduler=ddim",
            )
        if self.zero_snr and not (_can_rescale(name) and config.get("rescale_betas_zero_snr")):
            raise InputError(
                f"A scheduler that ends without signal was expected, as {ZERO_SNR!r} in the weights file says, found "
                f"{name}; choose one of {ZERO_SNR_SCHEDULERS}, as in scheduler=ddim.",
                "scheduler=ddim",
            )


def _can_rescale(name: str) -> bool:
    """Whether a scheduler takes that setting; those that do not keep it in their configuration without a use."""
    import diffusers

    cls = getattr(diffusers, name, None)
    return cls is not None and "rescale_betas_zero_snr" in inspect.signature(cls.__init__).parameters


def read_marks(names: Iterable[str], metadata: Mapping[str, str], path: Path) -> Marks:
    """What a file's tensor names and texts say. Raises `InputError` for what is not supported or contradicts itself."""
    names = set(names)
    if others := sorted(name for name in names if name.startswith(_OTHERS)):
        raise InputError(
            f"A model of epsilon or v-prediction was expected, found {others[0]!r} in {path}, the mark of EDM's "
            "parametrisation, which is not supported; choose another file."
        )
    said = {V_PRED: "v_prediction"} if V_PRED in names else {}
    for key in _SPECS:
        if key in metadata:
            specified = _SPECIFIED.get(metadata[key].strip().lower())
            if specified is None:
                raise InputError(
                    f"A model of epsilon or v-prediction was expected, found {key}={metadata[key]!r} in {path}, which "
                    "is not supported; choose another file."
                )
            said[key] = specified
    if len(set(said.values())) > 1:
        raise InputError(
            "One prediction type was expected, found "
            + " and ".join(f"{specified} by {mark!r}" for mark, specified in said.items())
            + f" in {path}; correct the one that is wrong."
        )
    mark = next(iter(said), "")
    return Marks(said.get(mark), ZERO_SNR in names, mark)
