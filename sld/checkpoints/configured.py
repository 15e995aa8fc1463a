"""Components built from their configurations, and what these say of a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sld.checkpoints.components import Checkpoint
from sld.checkpoints.family import Component, library
from sld.checkpoints.files import read_json
from sld.errors import InputError, first_line


def configured(component: Component, folder: Path, device: str = "meta") -> torch.nn.Module:
    """Return a component built from its configuration, without weights, or on another device with random ones.

    Raises:
        InputError: it cannot be built.
    """
    read_json(folder / "config.json")
    try:
        cls = component.load_class()
        with torch.device(device):
            if library(component.part) == "transformers":
                return cls(cls.config_class.from_pretrained(folder, local_files_only=True))
            return cls.from_config(cls.load_config(folder, local_files_only=True))
    except Exception as error:  # a foreign configuration makes the libraries raise nearly anything
        raise unmade(component.cls, error, folder) from error


def unmade(name: str, error: Exception, folder: Path) -> InputError:
    """Return the error for a component that a library cannot build from a folder."""
    return InputError(
        f"{folder} must hold a {name}, found a configuration or weights from which it cannot be built "
        f"({type(error).__name__}: {first_line(error)}): download it again"
    )


def settings(model: torch.nn.Module) -> dict[str, Any]:
    """Return the configuration of a model of diffusers or transformers."""
    return model.config.to_dict() if hasattr(model.config, "to_dict") else dict(model.config)


def check_configuration(
    checkpoint: Checkpoint,
    models: Mapping[str, torch.nn.Module],
    source: str,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Raise `InputError` unless a checkpoint is a text-to-image model of its family.

    Args:
        checkpoint: whose family decides.
        models: its components by name.
        source: the checkpoint, as the error names it.
        changes: by name, what a component's own weights say in place of its configuration.
    """
    family = checkpoint.family
    configs = {part: settings(model) | dict((changes or {}).get(part, {})) for part, model in models.items()}
    denoiser = family.component(family.denoiser)
    family.check(configs, source)
    channels, expected = configs[denoiser.part]["in_channels"], configs["vae"]["latent_channels"]
    if channels != expected:
        raise InputError(
            f"{source} must hold a text-to-image {denoiser.title} of {family.title}, found one with {channels} input "
            f"channels for {expected}: choose another one"
        )
