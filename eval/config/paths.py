"""Checks of the paths in the settings, before anything is loaded.

Only names, headers and the few kilobytes of a prompt pair are read.
"""

from __future__ import annotations

from eval.config.keys import MODEL, as_keys
from eval.config.loras import read_loras
from eval.config.model_settings import ModelSettings
from eval.config.quality import Q16
from eval.config.settings import Settings
from eval.config.sources import SOURCES
from eval.judges import judge_class
from eval.quality import CLIP, extractors_of
from eval.quality.extractor import extractor_class
from eval.quality.reference import check_reference


def check_paths(settings: Settings) -> None:
    """Refuse the first path that does not exist or is another kind of file.

    `eval.plan` checks the path of the prompts, and of a folder of pictures.

    Raises:
        InputError: the first such path.
    """
    _check_model(settings.model)
    for name in settings.judges:
        judge = judge_class(name)
        with as_keys(judge.keys()):
            judge.check_paths(getattr(settings, name))
    _check_quality(settings)


def _check_quality(settings: Settings) -> None:
    """Refuse a missing library, weights file or reference of a metric that was asked for by name."""
    check_reference(settings.quality)
    for name in extractors_of(settings.quality.explicit):
        if name != CLIP:
            extractor_class(name).check_files(settings.quality)
        elif Q16 not in settings.judges:
            judge = judge_class(Q16)
            with as_keys(judge.keys()):
                judge.check_paths(settings.q16)


@as_keys(MODEL)
def _check_model(chosen: ModelSettings) -> None:
    source = SOURCES[chosen.kind]
    if not source.draws:
        return
    from sld.checkpoints import files, sources
    from sld.checkpoints.lora_files import open_lora

    if not source.ships and sources.hub_id(chosen.path) is None:
        path = sources.locate(chosen.path, local=True).path
        if path.is_dir():
            from sld.checkpoints.components import component_files, open_checkpoint

            files.check_alone(path, chosen.config, chosen.prediction_type)
            component_files(open_checkpoint(path, chosen.t5, chosen.parts), chosen.allow_pickle)
        else:
            files.check_t5(path, chosen.t5)
            files.check_weights(path, chosen.allow_pickle)
    if chosen.config:
        files.check_config(chosen.config)
    for lora in read_loras(chosen.lora):
        if sources.hub_part(lora.path)[0] is None:
            open_lora(lora, chosen.allow_pickle)
    if here := {part: given for part, given in chosen.parts.items() if sources.hub_part(given)[0] is None}:
        from sld.checkpoints.overrides import locate_overrides

        locate_overrides(here, chosen.allow_pickle)
