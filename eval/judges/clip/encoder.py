"""CLIP's image half: pictures to embeddings of length one, the same bits whatever a picture's neighbours are."""

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
    """The network and its preprocessing, on a device.

    Args:
        architecture: what the weights are of.
        file: the weights.
        preprocessing: that goes with them.
        device: where the network runs.
        dtype: float32, float16 or bfloat16.
        batch_size: pictures a network call; a short batch is filled up.

    Raises InputError for weights that can't be loaded into it.
    """

    def __init__(
        self,
        architecture: Architecture,
        file: Path,
        preprocessing: dict[str, Any],
        device: torch.device,
        dtype: str,
        batch_size: int,
    ):
        self.device, self.batch_size, self._dtype = device, batch_size, getattr(torch, dtype)
        model = load_model(architecture, file, preprocessing)
        self.preprocessing = dict(model.visual.preprocess_cfg)
        self._transform = image_transform_v2(PreprocessCfg(**self.preprocessing), is_train=False)
        # The same bits as the transform; other devices may lack float64.
        on_device = self.device.type in ("cpu", "cuda") and reproducible(self.preprocessing)
        self._clip_input = ClipInput(self.preprocessing, self.device) if on_device else None
        # The text half is never used: without it ViT-L/14 is a third smaller.
        self.visual = model.visual.to(self.device, self._dtype).eval()

    def checked(self, images: np.ndarray | Sequence[np.ndarray] | torch.Tensor) -> Sequence[np.ndarray] | torch.Tensor:
        """A tensor where it can stay one, and else arrays; of shapes whose shorter side can be CLIP's."""
        stays = self._clip_input and isinstance(images, torch.Tensor)
        pictures = check_tensor(images) if stays else check_pictures(images)
        for shape in {pictures.shape[1:]} if stays else {picture.shape for picture in pictures}:
            check_shape(shape)
        return pictures

    @torch.inference_mode()
    def embedded(self, pictures: Sequence[np.ndarray] | torch.Tensor) -> Iterator[tuple[slice, torch.Tensor]]:
        """Where a batch stands, and its embeddings (batch_size, D) of length one, filled up behind the last batch's."""
        # On a CPU Pillow is faster, and takes its pictures one by one.
        one_size = isinstance(pictures, torch.Tensor) or (
            self.device.type != "cpu" and len({each.shape for each in pictures}) == 1
        )
        inputs = self._made_on_device if self._clip_input and one_size else self._made_by_pillow
        for start, made in zip(range(0, len(pictures), self.batch_size), inputs(pictures), strict=True):
            filled = torch.cat([made, made[:1].expand(self.batch_size - len(made), -1, -1, -1)])
            # TensorFloat-32 in the first convolution would move logits by 1e-3. The flags are the whole process's, the
            # denoiser's too, and unless told otherwise turn cuDNN off.
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                embeddings = self.visual(filled.to(self._dtype)).float()
            yield slice(start, start + len(made)), embeddings / embeddings.norm(dim=-1, keepdim=True)

    def _made_on_device(self, pictures: Sequence[np.ndarray] | torch.Tensor) -> Iterator[torch.Tensor]:
        """The network's inputs for pictures of one size: at most batch_size of (3, S, S) float32 at a time."""
        for start in range(0, len(pictures), self.batch_size):
            batch = pictures[start : start + self.batch_size]
            batch = batch if isinstance(batch, torch.Tensor) else torch.from_numpy(np.stack(batch))
            yield self._clip_input(upload(batch, self.device))

    def _made_by_pillow(self, pictures: Sequence[np.ndarray]) -> Iterator[torch.Tensor]:
        """The same for arrays of any sizes, by open_clip's transform."""
        with ThreadPoolExecutor(min(8, usable_cores())) as pool:
            # All are queued at once: the next batch is resized while the network works on this one.
            inputs = pool.map(lambda picture: self._transform(Image.fromarray(picture)), pictures)
            while ready := list(islice(inputs, self.batch_size)):
                yield upload(torch.stack(ready), self.device)


def load_model(architecture: Architecture, file: Path, preprocessing: dict[str, Any]) -> torch.nn.Module:
    """open_clip's model from a folder of our making: one way for names and configs, leaving its registry as it is."""
    config = {"model_cfg": architecture.model, "preprocess_cfg": preprocessing | architecture.preprocessing}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
        suffix = ".safetensors" if file.suffix == ".safetensors" else ".bin"
        Path(folder, f"open_clip_model{suffix}").symlink_to(file.absolute())
        try:
            return open_clip.create_model(f"local-dir:{folder}", require_pretrained=True, weights_only=True)
        except Exception as error:  # whatever a damaged file or one of another network can raise in its reader
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise InputError(
                f"expected weights of {architecture.name}, found a file that can't be loaded into it at {file} "
                f"({reason}): get it again, or give architecture=NAME, what it was made for",
                "architecture=NAME",
            ) from error
