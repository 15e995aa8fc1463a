"""Whether every path in the settings leads to what it names: looked at before anything is loaded, and nothing is read
but names, headers and the few kilobytes of a prompt pair.
"""

from __future__ import annotations

from pathlib import Path

from eval.config.keys import MODEL, as_keys
from eval.config.settings import ModelSettings, Settings
from eval.config.sources import SOURCES
from eval.judges import judge_class


def check_paths(settings: Settings) -> None:
    """Raise InputError for the first path that leads to nothing, or to another kind of file than is asked for there.

    The prompts' own, and a folder of pictures, are looked at by `eval.plan`.
    """
    _check_model(settings.model)
    for name in settings.judges:
        judge = judge_class(name)
        with as_keys(judge.keys()):
            judge.check_paths(getattr(settings, name))


@as_keys(MODEL)
def _check_model(chosen: ModelSettings) -> None:
    source = SOURCES[chosen.kind]
    if not source.draws:
        return
    from sld.checkpoints import components, files, sources

    if not source.ships and sources.hub_id(chosen.path) is None:
        found = sources.locate(chosen.path, local=True).path
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
