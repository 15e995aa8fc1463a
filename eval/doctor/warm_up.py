"""What model and judges do only once, before the doctor looks at the clock."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import sld
from eval.generate.draw import Batch, Image
from eval.generate.judge import judge
from eval.generate.pace import two_calls
from eval.judges import Judge
from eval.plan.plan import Plan
from sld.decoding import decode_images
from sld.models import LoadedModel
from sld.noise import unit_noise


def warm_up(model: LoadedModel, plan: Plan, judges: Mapping[str, Judge], rows: int) -> None:
    """Have model and judges do what they do once, such as loading kernels, before anything is timed.

    On a CPU that is little, and a decoder is slow, so there the judges see noise.

    Args:
        model: on its device.
        plan: of the run.
        judges: by name.
        rows: of a call.
    """
    height, width = plan.usual_size
    on_device = None
    if model.device.type == "cpu":
        two_calls(model, plan, [sld.METHODS["baseline"]], 1)
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    else:
        two_calls(model, plan, [sld.METHODS["baseline"]], rows)
        on_device, _ = decode_images(
            model, unit_noise([0], [0], model.latent_shape(height, width)).to(model.device), rows
        )
        pixels = on_device[0].cpu().numpy()
    judge(Batch((Image("baseline", 0, 0, pixels, finite=True),), on_device, rows), judges)
