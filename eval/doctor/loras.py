"""The LoRAs of a run's model, as far as the headers of their files go."""

from __future__ import annotations

from collections.abc import Sequence

from eval.config.loras import read_loras
from eval.config.model_settings import ModelSettings
from eval.doctor.check import OK, Check
from eval.doctor.files import described, not_cached
from sld.checkpoints.family import Family
from sld.checkpoints.lora import loader_class
from sld.checkpoints.lora_files import LoraFile, open_lora
from sld.checkpoints.sources import hub_part
from sld.errors import InputError


def open_loras(chosen: ModelSettings) -> list[LoraFile]:
    """Return the files of a model's LoRAs on this machine, once their names are checked."""
    return [open_lora(lora, chosen.allow_pickle, local=True) for lora in read_loras(chosen.lora)]


def loras(chosen: ModelSettings, family: Family, digests: bool) -> Sequence[Check]:
    """Check the LoRAs of a model, and that a model of its family can have any."""
    checks = []
    for lora in read_loras(chosen.lora):
        try:
            file = open_lora(lora, chosen.allow_pickle, local=True)
        except InputError:
            if hub_part(lora.path)[0] is None:
                raise
            checks.append(not_cached("lora", str(lora.path), "up to 1 GB", "model.lora=[FILE]"))
        else:
            loader_class(family.pipelines[0], file)
            checks.append(Check("lora", OK, _finding(file, digests)))
    return checks


def _finding(lora: LoraFile, digests: bool) -> str:
    finding = f"{lora.path}: {described([lora.path], digests)}, scale {lora.scale:g}"
    return "; ".join(filter(None, (finding, lora.note)))
