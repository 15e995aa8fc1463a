"""CLIP as an extractor: the embedding of a picture, and how near it is to its prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.quality import CLIP
from eval.quality.extractor import Extractor

if TYPE_CHECKING:
    import pyarrow as pa


class Clip(Extractor):
    """The CLIP of Q16: its image embedding of a picture, and the cosine between that and its prompt's embedding."""

    name = CLIP

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """Return the columns: `embedding`, of length one, and `text_cosine`, null where there is no prompt."""
        import pyarrow as pa

        return {"embedding": pa.list_(pa.float16()), "text_cosine": pa.float32()}


EXTRACTOR = Clip
