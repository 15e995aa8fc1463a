"""The tokenizer built from open_clip's vocabulary is CLIP's."""

import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer

import sld

TEXTS = [
    "a photo of a cat", "", "Two\nlines,  and   spaces", "<b>bold</b> & more", "naïve café 北京 🙂👍",
    "it's 12,345 o'clock!",
    "x" * 1093, "many strange things, " * 40, sld.CONCEPT,
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_equal_open_clips(model, text):
    written = model.tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids
    upstream = SimpleTokenizer()(text)[0].tolist()
    length = upstream.index(49407) + 1
    assert written[:length] == upstream[:length]
    # The pad differs by design: transformers' CLIP pads with its end token, open_clip with 0.
    assert set(written[length:]) <= {49407}
    assert len(written) == 77


def test_sd2_pads_with_an_exclamation_mark(checkpoint_v):
    model = sld.load_model(checkpoint_v)
    assert model.tokenizer("a cat", padding="max_length").input_ids == [49406, 320, 2368, 49407] + [0] * 73


def test_an_embedding_depends_on_its_own_text_only(model):
    (together,) = model.encode(["a cat", "a dog, running", "a cat"], 64, 64)
    assert together.shape[:2] == (3, 77)
    assert torch.equal(together[0], together[2])
    assert torch.equal(together[1:2], model.encode(["a dog, running"], 64, 64)[0])
