"""The LoRAs of a run's model, as far as the headers of their files go."""

from __future__ import annotations

from eval.config.loras import read_loras
from eval.config.settings import ModelSettings
from eval.doctor.check import OK, Check
from eval.doctor.files import described
from sld.checkpoints.lora_files import LoraFile, open_lora


def open_loras(chosen: ModelSettings) -> list[LoraFile]:
    """Return the files of a model's LoRAs, once their names are checked."""
    return [open_lora(lora, chosen.allow_pickle) for lora in read_loras(chosen.lora)]


def loras(chosen: ModelSettings, digests: bool) -> list[Check]:
    """Check the LoRAs of a model."""
    return [Check("lora", OK, _finding(lora, digests)) for lora in open_loras(chosen)]


def _finding(lora: LoraFile, digests: bool) -> str:
    return "; ".join(filter(None, (f"{described([lora.path], digests)}, scale {lora.scale:g}", lora.note)))
