"""The size at which a checkpoint draws by default, from its configuration alone: no weights are read or downloaded."""

import os
from collections.abc import Collection
from pathlib import Path

from sld.checkpoints.components import open_checkpoint
from sld.checkpoints.files import read_json
from sld.checkpoints.sources import locate_configuration
from sld.models.sizes import default_size, pixels_per_latent


def own_size(
    source: str | Path,
    *,
    config: str | os.PathLike | None = None,
    prediction_type: str | None = None,
    allow_pickle: bool = False,
    parts: Collection[str] = (),
    local: bool = False,
) -> tuple[int, int]:
    """Return (height, width) in pixels, equal to the `default_size` of the loaded model.

    Args:
        source: a hub id, a folder or a single file.
        config: of a single file, as in `load_model`; so are the next two.
        prediction_type: "epsilon" or "v_prediction".
        allow_pickle: read a pickle, weights-only.
        parts: the names of parts that replace its own, as a single file may lack them.
        local: download nothing; from the hub it takes four small files.

    Raises:
        InputError: there is no such checkpoint, or it says nothing that makes sense.
    """
    place = locate_configuration(source, local)
    if place.is_dir():
        return _size_of(place, str(source))
    from sld.checkpoints.single_file import check_single_file

    with check_single_file(place, allow_pickle, config, prediction_type, parts).configuration() as checkpoint:
        return _size_of(checkpoint.folder, str(source))


def _size_of(folder: Path, source: str) -> tuple[int, int]:
    model = open_checkpoint(folder).family.model
    factor = pixels_per_latent(read_json(folder / "vae" / "config.json"))
    return default_size(read_json(folder / model.denoiser / "config.json"), factor, source, model.usual_side)
