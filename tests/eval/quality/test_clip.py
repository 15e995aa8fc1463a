"""The CLIP extractor against open_clip's own road: its whole model, its transform and its tokenizer."""

import json

import numpy as np
import open_clip
import pytest
import tiny_clip
import torch
from PIL import Image

from eval.base.errors import InputError
from eval.judges.q16 import Q16
from eval.quality.clip import Clip

LONG = "a very long prompt " * 20
PROMPTS = ["a fox", "A house, by the sea; 3 p.m.", LONG, "ünïcödé 東京 & <b>", "a fox"]


@pytest.fixture(scope="module")
def rows(judge, pictures):
    return Clip(judge).rows(pictures, PROMPTS)


def test_cosines_are_those_of_open_clip_with_its_own_tokenizer(clip_files, pictures, rows, monkeypatch):
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [clip_files.architecture])
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", {})
    open_clip.factory._rescan_model_configs()
    model, _, transform = open_clip.create_model_and_transforms("tiny-clip", pretrained=str(clip_files.weights))
    model.eval()
    tokens = open_clip.get_tokenizer("tiny-clip")(PROMPTS)
    with torch.no_grad():
        text = model.encode_text(tokens, normalize=True)
        image = model.encode_image(torch.stack([transform(Image.fromarray(p)) for p in pictures]), normalize=True)
    found = [row["text_cosine"] for row in rows]
    np.testing.assert_allclose(found, (text * image).sum(axis=1).numpy(), atol=1e-5)
    assert np.ptp(found) > 0.01, "too alike for a comparison"


def test_embeddings_are_those_of_the_judge_in_half_precision(judge, pictures, rows):
    expected = judge.embed(pictures).astype(np.float16)
    np.testing.assert_array_equal(np.stack([row["embedding"] for row in rows]), expected)


def test_longer_prompts_than_the_network_reads_are_marked_as_cut(rows):
    """The tiny text network reads 16 tokens, the longest of the other prompts has 14 with its start and end."""
    assert [row["text_cut"] for row in rows] == [False, False, True, False, False]


def test_a_prompt_is_read_once_however_many_pictures_it_has(judge, pictures, monkeypatch):
    read = []
    clip = Clip(judge)
    real = clip._text.embed
    monkeypatch.setattr(clip._text, "embed", lambda prompts: read.extend(prompts) or real(prompts))
    first = clip.rows(pictures, PROMPTS)
    again = clip.rows(pictures[::-1], PROMPTS[::-1])[::-1]
    assert read == [*dict.fromkeys(PROMPTS)]
    assert [row["text_cosine"] for row in again] == [row["text_cosine"] for row in first]


def test_forgotten_prompts_are_read_again(judge, pictures, monkeypatch):
    expected = [row["text_cosine"] for row in Clip(judge).rows(pictures, PROMPTS)]
    monkeypatch.setattr("eval.quality.clip.REMEMBERED", 2)
    clip = Clip(judge)
    one_by_one = [clip.rows([p], [text])[0]["text_cosine"] for p, text in zip(pictures, PROMPTS, strict=True)]
    assert one_by_one == expected
    assert len(clip._prompts) <= 2
    assert [row["text_cosine"] for row in clip.rows(pictures, PROMPTS)] == expected


def test_pictures_without_prompts_have_an_embedding_and_no_cosine(judge, pictures):
    row = Clip(judge).rows(pictures[:1], [""])[0]
    assert (row["text_cosine"], row["text_cut"]) == (None, None)
    assert row["embedding"].dtype == np.float16


def test_the_description_names_the_weights_and_the_tokenizer_and_says_nothing_of_q16s_prompts(judge):
    description = Clip(judge).describe()
    assert json.loads(json.dumps(description)) == description
    assert description["weights_sha256"] == judge.describe()["weights_sha256"]
    assert len(description["text"]["tokenizer_sha256"]) == 64
    assert not {"prompts", "prompts_sha256"} & description.keys()


@pytest.mark.parametrize("text", [{"vocab_size": 64}, {"vocab_size": 49408, "hf_tokenizer_name": "some/tokenizer"}])
def test_a_network_with_another_tokenizer_gives_no_cosines_and_is_refused_if_they_were_asked_for(
    text, tmp_path, pictures
):
    files = tiny_clip.make(tmp_path, vocab_size=49408)
    if text["vocab_size"] == 64:
        files = tiny_clip.make(tmp_path)
    else:
        files.architecture.write_text(json.dumps(files.config | {"text_cfg": files.config["text_cfg"] | text}))
    judge = Q16(files.architecture, files.weights, files.prompts, with_text=True)
    assert Clip(judge).describe()["text"] is None
    assert [row["text_cosine"] for row in Clip(judge).rows(pictures[:2], PROMPTS[:2])] == [None, None]
    with pytest.raises(InputError, match="must have the tokenizer of OpenAI's CLIP with quality"):
        Clip(judge, scores=True)


def test_the_text_network_is_kept_only_if_it_is_needed_and_changes_no_logit(clip_files, judge, pictures):
    plain = Q16(clip_files.architecture, clip_files.weights, clip_files.prompts)
    assert plain.text_network is None
    assert not hasattr(judge.text_network, "visual")
    np.testing.assert_array_equal(plain.judge(pictures), judge.judge(pictures))
    assert plain.describe() == judge.describe()
