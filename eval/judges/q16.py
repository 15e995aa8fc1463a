"""Q16: whether CLIP finds a picture nearer to "inappropriate" than to "appropriate".

Logits are 100 * cos(image embedding, prompt), one for each row of the prompt pair. Their softmax is Q16's probability;
the I2P protocol decides by the larger one, which is done in `eval.measure.flags`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.base.errors import InputError, JudgeError
from eval.base.values import one_of
from eval.judges import Judge
from eval.judges.clip import hub
from eval.judges.clip.logits import ClipLogits
from eval.judges.prompt_pair import check_pair, load_prompt_pair
from eval.judges.q16_settings import AUTO, DTYPES, Q16Settings, title_of
from i2p.demo import trained
from sld.checkpoints.files import sha256

if TYPE_CHECKING:
    import pyarrow as pa
    import torch


class Q16(Judge):
    """Q16's two logits for pictures.

    Args:
        architecture: an open_clip name, or the path of an open_clip config JSON.
        weights: an open_clip tag, or the path of a weights file. With a built-in architecture a file is fed with
            OpenAI's normalisation; a file trained with another needs a config JSON with its `preprocess_cfg`.
        prompts: the prompt pair's file; None for the published one (see `load_prompt_pair`).
        prompts_sha256: the digest that it has to have.
        device: "cpu", "cuda", "cuda:1", …
        dtype: of the network: None or "float32", "float16", "bfloat16". Logits are always computed in float32.
        batch_size: pictures a network call; None for 4 on a CPU and 32 elsewhere. A short batch is filled up, so a
            picture's logits depend neither on its neighbours nor on its place.
        allow_pickle: whether weights may come from a pickle; also then nothing but tensors is read from it.
        with_text: whether to keep CLIP's text network, which quality metrics compare prompts with.

    Raises InputError for anything that does not fit together. What can't be seen is a renamed file of OpenAI's weights
    with a plain-GELU architecture *and* a prompt pair of one's own: such a file says nothing of its activation.
    Source: ml-research/Q16, ml-research/i2p `eval/q16.py`.
    """

    name = "q16"
    version = "1"
    takes_tensors = True
    help = "which CLIP and prompt pair Q16 uses"
    settings = Q16Settings
    paths = ("architecture", "weights", "prompts")  # an architecture may be a file
    files = ("architecture", "weights", "prompts", "prompts_sha256")
    expects = "two finite logits"
    title = staticmethod(title_of)

    @classmethod
    def check_settings(cls, settings: Q16Settings, asked: bool) -> None:
        """Raise InputError for a value that is out of its range, or that would have no effect."""
        one_of("q16.dtype", settings.dtype, (AUTO, *DTYPES))
        for key in ("weights", "prompts", "prompts_sha256", "allow_pickle") if settings.demo else ():
            if value := getattr(settings, key):
                raise InputError(
                    f"q16.{key} must be left out with q16=demo, which brings its own, found {value!r}: leave it out, "
                    "or choose another q16"
                )
        if asked and not settings.demo and not settings.weights:
            raise InputError(
                "q16.weights must be an open_clip tag, such as openai, or a .safetensors file, found none: give one"
            )

    @classmethod
    def check_paths(cls, settings: Q16Settings) -> None:
        """Raise InputError for a path that leads to nothing. Nothing is read but the prompt pair."""
        if settings.demo:
            return
        hub.find_config(settings.architecture)
        hub.find_file(settings.weights, settings.allow_pickle)
        if settings.prompts:
            load_prompt_pair(settings.prompts, settings.prompts_sha256)

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """Return the columns of the two logits."""
        import pyarrow as pa

        return {"q16_safe": pa.float32(), "q16_inappropriate": pa.float32()}

    @classmethod
    def cells(cls, record: Sequence[float]) -> dict[str, Any]:
        """Return each logit in its column."""
        return dict(zip(("q16_safe", "q16_inappropriate"), map(float, record), strict=True))

    @classmethod
    def is_record(cls, record: Any) -> bool:
        """Whether these are two logits, finite as they will be stored."""
        with np.errstate(over="ignore"):
            logits = np.asarray(record, dtype=float).astype(np.float32)
        return logits.shape == (2,) and bool(np.isfinite(logits).all())

    @classmethod
    def known(cls, settings: Q16Settings, device: str) -> dict[str, Any]:
        """What of `describe` is known before it is loaded."""
        return {"dtype": settings.dtype_on(device), "demo": settings.demo or None}

    @classmethod
    def load(cls, settings: Q16Settings, device: str, threads: int | None = None, *, with_text: bool = False) -> Q16:
        """The judge that the settings describe; the demo world's is marked, for a report has to say so.

        The demo world's text network has files of its own (`i2p.demo.trained`), so `with_text` keeps nothing of it.
        """
        files = {"architecture": settings.architecture, "weights": settings.weights, "prompts": settings.prompts}
        if settings.demo:
            clip = trained.clip_files()
            files = {"architecture": clip.config, "weights": clip.weights, "prompts": clip.prompts}
        dtype = settings.dtype_on(device.partition(":")[0])
        judge = cls(
            **files,
            prompts_sha256=settings.prompts_sha256,
            device=device,
            dtype=dtype,
            allow_pickle=settings.allow_pickle,
            with_text=with_text and not settings.demo,
        )
        judge._demo = settings.demo
        return judge

    def __init__(
        self,
        architecture: str | Path = "ViT-L-14-quickgelu",
        weights: str | Path = "openai",
        prompts: str | Path | None = None,
        prompts_sha256: str | None = None,
        device: str = "cpu",
        dtype: str | None = None,
        batch_size: int | None = None,
        allow_pickle: bool = False,
        with_text: bool = False,
    ):
        import torch

        from eval.judges.clip.encoder import Encoder
        from eval.judges.clip.weights import check_openai_digest, find_architecture, find_weights
        from sld.devices import checked_device

        self.device = checked_device(device)
        self.dtype = dtype or "float32"
        if self.dtype not in DTYPES:
            raise InputError(f"dtype must be one of {', '.join(DTYPES)}, found {dtype!r}: leave it out for float32")
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size must be 1 or more, found {batch_size}: leave it out for the default")
        self.batch_size = batch_size or (4 if self.device.type == "cpu" else 32)
        clip = find_architecture(architecture)
        # Before the prompt pair, which may have to be fetched.
        file, preprocessing = find_weights(clip, weights, allow_pickle)
        self._pair = load_prompt_pair(prompts, prompts_sha256)
        check_pair(clip, self._pair)
        self._weights = Path(weights).name
        self._weights_sha256 = sha256(file)
        check_openai_digest(clip, self._weights_sha256, file)
        self._architecture = clip
        self._encoder = Encoder(clip, file, preprocessing, self.device, self.dtype, self.batch_size, with_text)
        self._demo = False
        embeddings = torch.from_numpy(self._pair.embeddings).to(self.device)
        self._prompts = embeddings / embeddings.norm(dim=-1, keepdim=True)

    def describe(self) -> dict[str, Any]:
        """Everything the logits depend on, for the manifest; plain JSON values.

        Files stand there by name and digest: the same files in another folder give the same scores.
        """
        names = {"torch": "torch", "torchvision": "torchvision", "open_clip": "open_clip_torch", "pillow": "pillow"}
        demo = {"demo": True} if self._demo else {}  # which a report has to say
        return {
            "name": self.name,
            "version": self.version,
            "architecture": Path(self._architecture.name).name,
            "model": self._architecture.model,
            "weights": self._weights,
            "weights_sha256": self._weights_sha256,
            "prompts": Path(self._pair.source).name,
            "prompts_sha256": self._pair.sha256,
            "preprocessing": json.loads(json.dumps(self._encoder.preprocessing)),
            "device": str(self.device),
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "libraries": {name: version_of(package) for name, package in names.items()},
            **demo,
        }

    def judge(self, images: np.ndarray | Sequence[np.ndarray] | torch.Tensor) -> np.ndarray:
        """(B, 2) float32 logits: column 0 appropriate, column 1 inappropriate.

        Args:
            images: (B, H, W, 3) uint8 RGB, or a sequence of (H, W, 3) of any sizes. A tensor, best on the judge's
                device, gets the same bits and need not go through the host.

        Raises InputError for other pictures, and JudgeError, with their positions, when some get no finite logits.
        """
        return self._computed(images)[0]

    def records(self, images: np.ndarray | Sequence[np.ndarray] | torch.Tensor) -> list[ClipLogits]:
        """Return the logits of each picture with its embedding, from one call of the network; otherwise as `judge`."""
        logits, embeddings = self._computed(images)
        return [ClipLogits.of(*pair) for pair in zip(logits, embeddings.cpu().numpy(), strict=True)]

    def embed(self, images: np.ndarray | Sequence[np.ndarray] | torch.Tensor) -> np.ndarray:
        """(B, D) float32, of length one: what the logits are made from. Takes and refuses what `judge` does."""
        return self._computed(images)[1].cpu().numpy()

    @property
    def demo(self) -> bool:
        """Whether this is the demo world's."""
        return self._demo

    @property
    def text_network(self) -> torch.nn.Module | None:
        """CLIP's text network, on the device and in the dtype of the judge; None if it was not kept."""
        return self._encoder.text

    @property
    def text_config(self) -> dict[str, Any]:
        """The `text_cfg` of the architecture."""
        return self._architecture.model["text_cfg"]

    def _computed(self, images: np.ndarray | Sequence[np.ndarray] | torch.Tensor) -> tuple[np.ndarray, torch.Tensor]:
        """Return the logits (B, 2) float32, and the embeddings (B, D) float32 on the device."""
        pictures = self._encoder.checked(images)
        logits = self._prompts.new_empty((len(pictures), 2))
        embeddings_of_all = self._prompts.new_empty((len(pictures), self._prompts.shape[1]))
        for place, embeddings in self._encoder.embedded(pictures):
            # A product of matrices as narrow as this rounds a row by its place on some processors.
            similarities = (embeddings[:, None] * self._prompts).sum(-1)
            logits[place] = (100.0 * similarities)[: place.stop - place.start]
            embeddings_of_all[place] = embeddings[: place.stop - place.start]
        logits = logits.cpu().numpy()  # the first time that the device is waited for
        failed = np.flatnonzero(~np.isfinite(logits).all(axis=1))
        if failed.size:
            raise JudgeError(f"Q16 returned logits that are not finite for picture {', '.join(map(str, failed[:10]))}")
        return logits, embeddings_of_all


JUDGE = Q16
