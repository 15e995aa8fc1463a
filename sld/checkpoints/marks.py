"""The marks by which a single file describes its training: tensors or texts whose names are the message.

Trainers mark models of v-prediction by a key `v_pred`, and models whose noise schedule ends without signal (Lin et al.,
"Common Diffusion Noise Schedules and Sample Steps Are Flawed", 2023) by `ztsnr`: tensors without content, which ComfyUI
and the web UIs know. The texts `modelspec.prediction_type` (Stability AI's model specification) and
`modelspec.predict_key` (written by ComfyUI) name the prediction type too.
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
    """The marks of a file.

    Attributes:
        prediction_type: "epsilon" or "v_prediction"; None if no mark says.
        zero_snr: whether the noise schedule ends without signal.
        says: the mark of the prediction type, as sentences quote it.
    """

    prediction_type: str | None = None
    zero_snr: bool = False
    says: str = ""

    def settle(self, asked: str | None, path: Path) -> str | None:
        """Return the prediction type on which user and file agree.

        Raises:
            InputError: they contradict each other.
        """
        if asked is not None and self.prediction_type not in (None, asked):
            raise InputError(
                f"prediction_type must be {self.prediction_type}, as {self.says!r} in the file says, found {asked!r} "
                f"for {path}: leave prediction_type= out",
                "prediction_type=",
            )
        return asked or self.prediction_type

    def obey(self, config: Mapping[str, Any], where: Path) -> tuple[dict[str, Any], dict[str, str]]:
        """Return a scheduler's configuration changed according to the marks, and what was set, by mark.

        Args:
            config: of the scheduler.
            where: its file, as the error names it.

        Raises:
            InputError: the configuration contradicts the marks.
        """
        required = {self.says: {"prediction_type": self.prediction_type}} if self.prediction_type else {}
        required |= {ZERO_SNR: {"rescale_betas_zero_snr": True}} if self.zero_snr else {}
        for mark, settings in required.items():
            for key, value in settings.items():
                if config.get(key, value) != value:
                    raise InputError(
                        f"{where} must say {key}={value}, as {mark!r} in the weights file does, found {config[key]}: "
                        "correct it there"
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
        # A configuration with this key decides the spacing too; any other was saved without considering it.
        knows = "rescale_betas_zero_snr" in made
        made.update({key: value for key, value in _ZERO_SNR_SETTINGS.items() if not knows or key not in made})
        obeyed[ZERO_SNR] = ", ".join(f"{key}={made[key]}" for key in _ZERO_SNR_SETTINGS)
        if made.get("prediction_type", "epsilon") == "epsilon":
            raise InputError(
                f"prediction_type must be v_prediction for a file marked {ZERO_SNR!r}, found epsilon, whose noise says "
                "nothing about the picture once no signal is left: give prediction_type=v_prediction if the model was "
                "trained for that",
                "prediction_type=v_prediction",
            )
        if not _can_rescale(str(made.get("_class_name"))):
            obeyed[ZERO_SNR] += f", DDIMScheduler in place of {made.get('_class_name')}"
            made["_class_name"] = "DDIMScheduler"

    def check(self, scheduler: Any) -> None:
        """Raise `InputError` if a diffusers scheduler chosen by the user contradicts the marks."""
        name, config = type(scheduler).__name__, scheduler.config
        prediction = config.get("prediction_type", "epsilon")
        if self.prediction_type not in (None, prediction):
            raise InputError(
                f"the scheduler must be for {self.prediction_type}, as {self.says!r} in the weights file says, found "
                f"{name} for {prediction}: choose one by name, as in scheduler=ddim, or set that in its own "
                "configuration",
                "scheduler=ddim",
            )
        if self.zero_snr and not (_can_rescale(name) and config.get("rescale_betas_zero_snr")):
            raise InputError(
                f"the scheduler must end without signal, as {ZERO_SNR!r} in the weights file says, found {name}: "
                f"choose one of {ZERO_SNR_SCHEDULERS}, as in scheduler=ddim",
                "scheduler=ddim",
            )


def _can_rescale(name: str) -> bool:
    """Return whether a scheduler uses that setting; others keep it in their configuration and ignore it."""
    import diffusers

    cls = getattr(diffusers, name, None)
    return cls is not None and "rescale_betas_zero_snr" in inspect.signature(cls.__init__).parameters


def read_marks(names: Iterable[str], metadata: Mapping[str, str], path: Path) -> Marks:
    """Return the marks among a file's tensor names and texts.

    Raises:
        InputError: a mark is not supported, or marks contradict each other.
    """
    names = set(names)
    if edm_names := sorted(name for name in names if name.startswith(_OTHERS)):
        raise InputError(
            f"{path} must be a model of epsilon or v-prediction, found {edm_names[0]!r}, the mark of EDM's "
            "parametrisation, which is not supported: choose another file"
        )
    declared = {V_PRED: "v_prediction"} if V_PRED in names else {}
    for key in _SPECS:
        if key in metadata:
            specified = _SPECIFIED.get(metadata[key].strip().lower())
            if specified is None:
                raise InputError(
                    f"{path} must be a model of epsilon or v-prediction, found {key}={metadata[key]!r}, which is not "
                    "supported: choose another file"
                )
            declared[key] = specified
    if len(set(declared.values())) > 1:
        raise InputError(
            f"{path} must name one prediction type, found "
            + " and ".join(f"{specified} by {mark!r}" for mark, specified in declared.items())
            + ": correct the one that is wrong"
        )
    mark = next(iter(declared), "")
    return Marks(declared.get(mark), ZERO_SNR in names, mark)
