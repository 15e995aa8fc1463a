"""CLIP's image encoder: pictures to embeddings of length one, bit for bit independent of the batch."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from eval.base.cores import usable_cores
from eval.base.errors import InputError
from eval.judges.clip.preprocessing import ClipInput, reproducible, upload
from eval.judges.clip.weights import Architecture
from eval.judges.inputs import check_pictures, check_shape, check_tensor


class Encoder:
    """CLIP's image encoder with its preprocessing, on a device.

    Args:
        architecture: of the weights.
        file: the weights.
        preprocessing: fields of open_clip's PreprocessCfg that the weights need.
        device: of the network.
        dtype: of the network: float32, float16 or bfloat16.
        batch_size: pictures per network call; a short batch is filled up.
        with_text: whether to keep the text network, as `text`; without it, ViT-L/14 is a third smaller.

    Raises:
        InputError: weights of another architecture, or a damaged file.
    """

    def __init__(
        self,
        architecture: Architecture,
        file: Path,
        preprocessing: dict[str, Any],
        device: torch.device,
        dtype: str,
        batch_size: int,
        with_text: bool = False,
    ):
        self.device, self.batch_size, self._dtype = device, batch_size, getattr(torch, dtype)
        model = load_model(architecture, file, preprocessing)
        self.preprocessing = dict(model.visual.preprocess_cfg)
        self._transform = image_transform_v2(PreprocessCfg(**self.preprocessing), is_train=False)
        # The same bits as the transform; other devices may lack float64.
        on_device = self.device.type in ("cpu", "cuda") and reproducible(self.preprocessing)
        self._clip_input = ClipInput(self.preprocessing, self.device) if on_device else None
        self.visual = model.visual.to(self.device, self._dtype).eval()
        del model.visual
        self.text = model.to(self.device, self._dtype).eval() if with_text else None

    def checked(self, images: np.ndarray | Sequence[np.ndarray] | torch.Tensor) -> Sequence[np.ndarray] | torch.Tensor:
        """Check pictures and return them, as a tensor if the encoder takes one, else as arrays.

        Args:
            images: (B, H, W, 3) uint8 RGB, or a sequence of (H, W, 3) arrays.

        Raises:
            InputError: another shape or dtype.
            JudgeError: a shape that can't be judged.
        """
        stays = self._clip_input and isinstance(images, torch.Tensor)
        pictures = check_tensor(images) if stays else check_pictures(images)
        for shape in {pictures.shape[1:]} if stays else {picture.shape for picture in pictures}:
            check_shape(shape)
        return pictures

    @torch.inference_mode()
    def embedded(self, pictures: Sequence[np.ndarray] | torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """Yield each batch's slice of the pictures, and its (batch_size, D) float32 embeddings of length one.

        A short batch is filled up, so the embeddings behind its slice are to be dropped.
        """
        # On a CPU, Pillow's preprocessing of single pictures is faster.
        one_size = isinstance(pictures, torch.Tensor) or (
            self.device.type != "cpu" and len({picture.shape for picture in pictures}) == 1
        )
        inputs = self._inputs_on_device if self._clip_input and one_size else self._inputs_by_pillow
        for start, batch in zip(range(0, len(pictures), self.batch_size), inputs(pictures), strict=True):
            filled = torch.cat([batch, batch[:1].expand(self.batch_size - len(batch), -1, -1, -1)])
            # TensorFloat-32 in the first convolution would move logits by 1e-3. The flags apply to the whole process,
            # the denoiser too, and by default turn cuDNN off.
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                embeddings = self.visual(filled.to(self._dtype)).float()
            yield slice(start, start + len(batch)), embeddings / embeddings.norm(dim=-1, keepdim=True)

    def _inputs_on_device(self, pictures: Sequence[np.ndarray] | torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the network's inputs for pictures of one size, (n, 3, S, S) float32 per batch."""
        for start in range(0, len(pictures), self.batch_size):
            batch = pictures[start : start + self.batch_size]
            batch = batch if isinstance(batch, torch.Tensor) else torch.from_numpy(np.stack(batch))
            yield self._clip_input(upload(batch, self.device))

    def _inputs_by_pillow(self, pictures: Sequence[np.ndarray]) -> Iterator[torch.Tensor]:
        """Yield the network's inputs for arrays of any sizes, by open_clip's transform."""
        with ThreadPoolExecutor(min(8, usable_cores())) as pool:
            # All pictures are queued at once, to resize the next batch while the network computes this one.
            inputs = pool.map(lambda picture: self._transform(Image.fromarray(picture)), pictures)
            while ready := list(islice(inputs, self.batch_size)):
                yield upload(torch.stack(ready), self.device)


def load_model(architecture: Architecture, file: Path, preprocessing: dict[str, Any]) -> torch.nn.Module:
    """Load open_clip's model through a temporary folder, which serves names and configs and leaves its registry alone.

    Args:
        architecture: of the weights.
        file: the weights.
        preprocessing: fields of PreprocessCfg; those of the architecture take precedence.

    Raises:
        InputError: weights of another architecture, or a damaged file.
    """
    config = {"model_cfg": architecture.model, "preprocess_cfg": preprocessing | architecture.preprocessing}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
        suffix = ".safetensors" if file.suffix == ".safetensors" else ".bin"
        Path(folder, f"open_clip_model{suffix}").symlink_to(file.absolute())
        try:
            return open_clip.create_model(f"local-dir:{folder}", require_pretrained=True, weights_only=True)
        except Exception as error:  # a reader may raise anything for a damaged file or another network
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(
                f"weights must be those of {architecture.name}, found a file that can't be loaded into it at {file} "
                f"({reason}): download it again, or give the architecture that it was made for, architecture=NAME",
                "architecture=NAME",
            ) from error
