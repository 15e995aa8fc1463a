"""CLIP as an extractor: the embedding of a picture, and how near it is to its prompt.

It is the CLIP that judges as Q16, so the embeddings of pictures that this has judged cost nothing: they are what its
logits were made from. A prompt is read once by the text network of the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.base.errors import InputError
from eval.quality import CLIP
from eval.quality.extractor import Extractor

if TYPE_CHECKING:
    import pyarrow as pa

    from eval.judges.q16 import Q16
    from eval.quality.text import TextEncoder

# What of a judge's description its embeddings depend on, or a reader wants to know.
_DESCRIBED = (
    *("architecture", "model", "weights", "weights_sha256", "preprocessing", "dtype"),
    *("device", "batch_size", "libraries", "demo"),
)
VOCABULARY = 49408  # tokens of the tokenizer that comes with open_clip
REMEMBERED = 20_000  # prompts whose embeddings are kept: 60 MB of ViT-L/14's


class Clip(Extractor):
    """The image and text networks of one CLIP.

    Args:
        judge: Q16, loaded with its text network.
        scores: whether its embeddings must be compared with prompts.

    Raises:
        InputError: they must, and the tokenizer of its text network is not known here.
    """

    name = CLIP

    def __init__(self, judge: Q16, *, scores: bool = False):
        self._judge = judge
        self._text = _text_encoder(judge)
        if scores and self._text is None:
            raise InputError(
                "q16.architecture must have the tokenizer of OpenAI's CLIP with quality=[clip_score], found "
                f"{judge.describe()['architecture']}, which has another: leave clip_score out of quality.metrics"
            )
        self._prompts: dict[str, tuple[np.ndarray, bool]] = {}

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """Return the columns.

        These are the picture's `embedding`, of length one; the `text_cosine` between that and its prompt's embedding;
        and whether the prompt is longer than the network reads, `text_cut`. The last two are null without a prompt.
        """
        import pyarrow as pa

        return {"embedding": pa.list_(pa.float16()), "text_cosine": pa.float32(), "text_cut": pa.bool_()}

    def describe(self) -> dict[str, Any]:
        """Return everything on which the features depend, as plain JSON values; `text` is null without a tokenizer."""
        judge = self._judge.describe()
        own = {key: judge[key] for key in _DESCRIBED if key in judge}
        return {"name": self.name, **own, "text": None if self._text is None else self._text.describe()}

    def rows(
        self,
        pictures: Sequence[np.ndarray],
        prompts: Sequence[str],
        references: Sequence[np.ndarray] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the values of the columns for each picture, (H, W, 3) uint8 RGB; references are not used."""
        return self.rows_of(self._judge.embed(pictures), prompts)

    def rows_of(self, embeddings: Sequence[np.ndarray], prompts: Sequence[str]) -> list[dict[str, Any]]:
        """Return the values of the columns for pictures that have been embedded.

        Args:
            embeddings: (D,) float32 each, of length one.
            prompts: of each, empty where there is none.
        """
        self._read(prompts)
        rows = []
        for embedding, prompt in zip(embeddings, prompts, strict=True):
            text, cut = self._prompts.get(prompt, (None, None))
            cosine = None if text is None else float(embedding.astype(np.float64) @ text.astype(np.float64))
            rows.append({"embedding": embedding.astype(np.float16), "text_cosine": cosine, "text_cut": cut})
        return rows

    def _read(self, prompts: Sequence[str]) -> None:
        """Embed the prompts that are new; a prompt of many pictures is read once."""
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt and prompt not in self._prompts]
        if self._text is None or not new:
            return
        if len(self._prompts) + len(new) > REMEMBERED:
            self._prompts = {prompt: self._prompts[prompt] for prompt in prompts if prompt in self._prompts}
        cut = map(bool, self._text.cut(new))
        self._prompts |= dict(zip(new, zip(self._text.embed(new), cut, strict=True), strict=True))


def _text_encoder(judge: Q16) -> TextEncoder | None:
    """Return the text encoder of a judge's CLIP; None where nothing here has its tokenizer."""
    from eval.quality.text import TextEncoder, demo_text_encoder

    if judge.demo:
        return demo_text_encoder(judge.device, judge.batch_size)
    config, network = judge.text_config, judge.text_network
    options = config.get("tokenizer_kwargs", {})
    own = any(key.startswith("hf_") for key in config) or config.get("vocab_size", VOCABULARY) != VOCABULARY
    if network is None or own or options.keys() - {"clean"}:
        return None
    from open_clip.tokenizer import SimpleTokenizer, default_bpe

    from sld.checkpoints.files import sha256

    tokenizer = SimpleTokenizer(context_length=network.context_length, **options)
    description = {"config": config, "tokenizer_sha256": sha256(Path(default_bpe()))}
    ends = tokenizer.sot_token_id, tokenizer.eot_token_id
    return TextEncoder(network, tokenizer.encode, *ends, judge.device, description, judge.batch_size)


EXTRACTOR = Clip
