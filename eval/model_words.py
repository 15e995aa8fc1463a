"""What was done to a model before it drew, in words: parts replaced, marks of its file obeyed, variants left aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

TITLES = {"unet": "UNet", "vae": "VAE", "text_encoder": "text encoder"}


def replacements(model: Mapping) -> Iterator[str]:
    """Yield a clause for each part of a model that is another's: by how much it differs from the base's.

    Args:
        model: as a manifest describes it; those of older runs do not say it.
    """
    found = model.get("replaced") or {}
    for part, audit in found.items():
        change = audit["relative_change"]
        relative = "the base's are all zero" if change is None else f"relative change ‖Δ‖/‖base‖ {change:.3g}"
        yield (
            f"{TITLES.get(part, part)}: {audit['given']:,} tensors given, {audit['used']:,} used, "
            f"{audit['different']:,} of {audit['of']:,} different from the base, {relative}"
        )
    if "unet" not in found and any(name.startswith("unet=") for name in model.get("weights") or ()):
        yield "UNet: by how much it differs from the base is not on record; the run began before that was looked at"


def model_notes(model: Mapping) -> list[str]:
    """Return what a reader should know of a model that is not what its source alone says, as sentences."""
    said = [f"Replaced {clause}." for clause in replacements(model)]
    said += [
        f"Of the model's file {mark} is obeyed: {setting}." for mark, setting in (model.get("obeyed") or {}).items()
    ]
    if aside := model.get("left_aside"):
        said.append(f"Weights that lie beside those of the model and were left aside: {', '.join(aside)}.")
    return said
