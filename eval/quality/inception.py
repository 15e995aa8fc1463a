"""Inception as an extractor: the features of FID and KID.

The network is torch-fidelity's, which gives the numbers of TensorFlow's Inception of 2015, with its own resizing.
torch-fidelity's loader would unpickle a weights file, and its loop over pictures starts processes: here the weights are
read weights-only, by digest, and the batches are this project's.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.base.errors import InputError
from eval.quality import INCEPTION
from eval.quality.batches import batch_size, filled_batches
from eval.quality.published import PublishedNetwork
from eval.quality.settings import QualitySettings
from eval.quality.weights import Weights

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

LAYER = "2048"  # the last average pooling, the features of FID and KID
WEIGHTS = Weights(
    network="Inception",
    key="quality.inception",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)


class Inception(PublishedNetwork):
    """Inception v3 of FID, on a device.

    Args:
        weights: its tensors by name.
        sha256: the digest of their file, for the record.
        device: "cpu", "cuda", "cuda:1", …

    Raises:
        InputError: tensors of another network, or no such device.
    """

    name = INCEPTION
    module, package, metrics = "torch_fidelity", "torch-fidelity", "kid and fid"

    def __init__(self, weights: dict[str, torch.Tensor], sha256: str, device: str = "cpu"):
        import torch
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        from sld.devices import checked_device

        self.device = checked_device(device)
        self.batch_size = batch_size(self.device)
        self._sha256 = sha256
        # It takes a file only, and unpickles it freely: this one was written here, from plain tensors.
        own = io.BytesIO()
        torch.save(weights, own)
        own.seek(0)
        try:
            self._network = FeatureExtractorInceptionV3(self.name, [LAYER], own).to(self.device)
        except (RuntimeError, AttributeError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"Inception's weights must be those of torch-fidelity, found others ({reason}): {WEIGHTS.by_hand}"
            ) from error

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """Return the column: 2,048 `features`, not negative."""
        import pyarrow as pa

        return {"features": pa.list_(pa.float32())}

    @classmethod
    def weights(cls, settings: QualitySettings) -> tuple[Weights, str | None]:
        """Return the published weights, and the path of the file that the settings name; None for torch's cache."""
        return WEIGHTS, settings.inception

    @classmethod
    def load(cls, settings: QualitySettings, device: str) -> Inception:
        """Return the network with its published weights."""
        return cls(cls.read(settings), WEIGHTS.sha256, device)

    def describe(self) -> dict[str, Any]:
        """Return everything on which the features depend, as plain JSON values."""
        names = {"torch": "torch", "torch_fidelity": "torch-fidelity"}
        return {
            "name": self.name,
            "network": "Inception v3 of 2015 (torch-fidelity)",
            "layer": LAYER,
            "weights": WEIGHTS.name,
            "weights_sha256": self._sha256,
            "preprocessing": "bilinear to 299 × 299 as TensorFlow 1 resizes, (x - 128) / 128",
            "dtype": "float32",
            "device": str(self.device),
            "batch_size": self.batch_size,
            "libraries": {name: version_of(package) for name, package in names.items()},
        }

    def rows(
        self,
        pictures: Sequence[np.ndarray],
        prompts: Sequence[str],
        references: Sequence[np.ndarray] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the values of the column for each picture, (H, W, 3) uint8 RGB; nothing else is used."""
        return [{"features": features} for features in self.features(pictures)]

    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Return the features of pictures of one size, (n, 2048) float32."""
        import torch

        found = np.empty((len(pictures), int(LAYER)), np.float32)
        # TensorFloat-32 would move features by 1e-3; the flags are of the whole process, and turn cuDNN off by default.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for place, batch in filled_batches(pictures, self.batch_size, self.device):
                (values,) = self._network(batch)
                found[place] = values[: place.stop - place.start].cpu().numpy()
        return found


EXTRACTOR = Inception
