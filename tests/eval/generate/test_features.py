"""Where memory does not suffice for the features of a batch, halves of it give each picture its own."""

import numpy as np
import pytest
import torch

from eval.generate.features import rows_of
from eval.quality.extractor import Extractor

PICTURES = [np.full((8, 8, 3), number, np.uint8) for number in range(5)]
PROMPTS = ["a", "b", "c", "d", "e"]
REFERENCES = [picture + 100 for picture in PICTURES]


class Small(Extractor):
    """An extractor on a device that holds `most` pictures at a time."""

    def __init__(self, most, error):
        self.most, self.error, self.sizes = most, error, []

    def rows(self, pictures, prompts, references):
        self.sizes.append(len(pictures))
        if len(pictures) > self.most:
            raise self.error
        pairs = [None] * len(pictures) if references is None else references
        return [
            {
                "picture": int(picture[0, 0, 0]),
                "prompt": prompt,
                "reference": other if other is None else other[0, 0, 0],
            }
            for picture, prompt, other in zip(pictures, prompts, pairs, strict=True)
        ]


@pytest.mark.parametrize("references", [None, REFERENCES])
def test_halves_keep_pictures_prompts_and_references_together(references):
    small = Small(2, torch.OutOfMemoryError("CUDA out of memory"))
    assert rows_of(small, PICTURES, PROMPTS, references) == [
        {"picture": number, "prompt": prompt, "reference": None if references is None else 100 + number}
        for number, prompt in enumerate(PROMPTS)
    ]
    assert small.sizes == [5, 2, 3, 1, 2]


def test_one_picture_that_does_not_fit_and_any_other_error_are_raised():
    with pytest.raises(torch.OutOfMemoryError):
        rows_of(Small(0, torch.OutOfMemoryError("CUDA out of memory")), PICTURES, PROMPTS, None)
    broken = Small(0, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        rows_of(broken, PICTURES, PROMPTS, None)
    assert broken.sizes == [5]
