"""LPIPS as an extractor: how different two pictures look (Zhang et al. 2018, arXiv:1801.03924).

The network is the package `lpips`, version 0.1 of its heads, which are in its wheel. Its backbone, which that would
have torchvision download and unpickle, is read here weights-only, by digest.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.base.errors import InputError
from eval.quality import LPIPS
from eval.quality.batches import batch_size, filled_batches
from eval.quality.published import PublishedNetwork
from eval.quality.settings import QualitySettings
from eval.quality.weights import Weights

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

VERSION = "0.1"
KEY = "quality.lpips_weights"
BACKBONES = {
    "alex": Weights(
        network="AlexNet",
        key=KEY,
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    "vgg": Weights(
        network="VGG16",
        key=KEY,
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
}
SMALLEST = {"alex": 31, "vgg": 16}  # pixels of the shorter side, or a layer would have none


class Lpips(PublishedNetwork):
    """LPIPS on a device.

    Args:
        network: `alex` or `vgg`.
        backbone: its tensors by torchvision's names.
        sha256: the digest of their file, for the record.
        device: "cpu", "cuda", "cuda:1", …

    Raises:
        InputError: tensors of another network, or no such device.
    """

    name = LPIPS
    paired = True
    module, package, metrics = "lpips", "lpips", "lpips"

    def __init__(self, network: str, backbone: dict[str, torch.Tensor], sha256: str, device: str = "cpu"):
        import lpips
        import torch

        from sld.checkpoints.files import sha256 as digest_of
        from sld.devices import checked_device

        self.device = checked_device(device)
        self.batch_size = batch_size(self.device)
        self.network, self._sha256 = network, sha256
        heads = Path(lpips.__file__).parent / "weights" / f"v{VERSION}" / f"{network}.pth"
        self._heads_sha256 = digest_of(heads)
        # On the meta device nothing is drawn for weights that are replaced at once. Its call of torchvision warns.
        with warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore", UserWarning)
            model = lpips.LPIPS(False, net=network, version=VERSION, pnet_rand=True, verbose=False)
        state = torch.load(heads, map_location="cpu", weights_only=True)
        state |= {name.replace("lin", "lins.", 1): head for name, head in state.items()}  # it has each head twice
        layers = {name: "features." + name.partition(".")[2] for name in model.net.state_dict()}
        try:
            state |= {f"net.{name}": backbone[source] for name, source in layers.items()}
            model.load_state_dict(state | dict(model.named_buffers()), assign=True)
        except (RuntimeError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"{BACKBONES[network].network}'s weights must be those of torchvision, found others ({reason}): "
                f"{BACKBONES[network].by_hand}"
            ) from error
        self._model = model.to(self.device).eval()

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """Return the column: the `distance`, null for pictures too small for the network."""
        import pyarrow as pa

        return {"distance": pa.float32()}

    @classmethod
    def weights(cls, settings: QualitySettings) -> tuple[Weights, str | None]:
        """Return the backbone's weights, and the path of the file that the settings name; None for torch's cache."""
        return BACKBONES[settings.lpips], settings.lpips_weights

    @classmethod
    def load(cls, settings: QualitySettings, device: str) -> Lpips:
        """Return the network with its published weights."""
        return cls(settings.lpips, cls.read(settings), BACKBONES[settings.lpips].sha256, device)

    def describe(self) -> dict[str, Any]:
        """Return everything on which the distances depend, as plain JSON values."""
        names = {"torch": "torch", "torchvision": "torchvision", "lpips": "lpips"}
        return {
            "name": self.name,
            "network": self.network,
            "version": VERSION,
            "weights": BACKBONES[self.network].name,
            "weights_sha256": self._sha256,
            "heads_sha256": self._heads_sha256,
            "preprocessing": "x / 127.5 - 1",
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
        """Return the values of the column for each picture, (H, W, 3) uint8 RGB, and its reference of the same size."""
        if references is None:
            raise ValueError("expected a reference for each picture, found none")
        distances: list[float | None] = [0.0] * len(pictures)  # of equal pictures, exactly
        pairs = list(zip(pictures, references, strict=True))
        different = [n for n, (picture, reference) in enumerate(pairs) if not np.array_equal(picture, reference)]
        if different and min(pictures[0].shape[:2]) < SMALLEST[self.network]:
            values: Sequence[float | None] = [None] * len(different)
        else:
            values = self._distances([pictures[n] for n in different], [references[n] for n in different])
        for n, value in zip(different, values, strict=True):
            distances[n] = value
        return [{"distance": distance} for distance in distances]

    def _distances(self, pictures: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> list[float]:
        import torch

        found: list[float] = []
        sides = (filled_batches(side, self.batch_size, self.device) for side in (pictures, references))
        # TensorFloat-32 would move distances; the flags are of the whole process, and turn cuDNN off by default.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for (place, batch), (_, reference) in zip(*sides, strict=True):
                values = self._model(batch / 127.5 - 1, reference / 127.5 - 1)
                found += values.flatten()[: place.stop - place.start].tolist()
        return found


EXTRACTOR = Lpips
