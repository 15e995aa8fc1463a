"""Whether every path in the settings leads to what it names: looked at before anything is loaded, and nothing is read
but names, headers and the few kilobytes of a prompt pair.
"""

from __future__ import annotations

from pathlib import Path

from eval.config.keys import MODEL, Q16, as_keys
from eval.config.settings import DEMO, ModelSettings, Q16Settings, Settings
from eval.judges import prompt_pair
from eval.judges.clip import hub


def check_paths(settings: Settings) -> None:
    """Raise InputError for the first path that leads to nothing, or to another kind of file than is asked for there.

    The prompts' own, and a folder of pictures, are looked at by `eval.plan`.
    """
    _check_model(settings.model)
    if "q16" in settings.judges and settings.q16.architecture != DEMO:
        _check_q16(settings.q16)


@as_keys(MODEL)
def _check_model(chosen: ModelSettings) -> None:
    if chosen.kind not in (DEMO, "checkpoint"):
        return
    from sld.checkpoints import components, files

    if chosen.kind != DEMO and files.hub_id(chosen.path) is None:
        found = files.locate(chosen.path, local=True).path
        if found.is_dir():
            files.check_alone(found, chosen.config, chosen.prediction_type)
            components.component_files(found, chosen.allow_pickle)
        else:
            files.check_weights(found, chosen.allow_pickle)
    if chosen.config:
        files.check_config(Path(chosen.config))
    if chosen.unet:
        for path in components.unet_files(Path(chosen.unet), chosen.allow_pickle):
            files.check_weights(path, chosen.allow_pickle)


@as_keys(Q16)
def _check_q16(chosen: Q16Settings) -> None:
    hub.find_config(chosen.architecture)
    hub.find_file(chosen.weights, chosen.allow_pickle)
    if chosen.prompts:
        prompt_pair.load_prompt_pair(chosen.prompts, chosen.prompts_sha256)
