"""Texts reach the text encoder by a vocabulary that fits it; learned tokens whole, long texts cut and counted."""

import json
import shutil

import ftfy
import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.pipelines.deprecated.stable_diffusion_safe import SafetyConfig
from transformers import AddedToken, CLIPTextModel, CLIPTokenizer

import i2p
import sld
from i2p.demo import trained
from sld.checkpoints.components import open_checkpoint
from sld.models.text import Texts, load_tokenizer, read_tokenizers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


def read_tokenizer(folder):
    return read_tokenizers(folder, open_checkpoint(folder).tokenizers)["tokenizer"]


def refusal(folder):
    """What the doctor's look at a folder says; loading says the same, without having read a weight."""
    with pytest.raises(sld.InputError) as looked:
        read_tokenizer(folder)
    shutil.rmtree(folder / "unet")
    with pytest.raises(sld.InputError):
        sld.load_model(folder)
    message = str(looked.value)
    assert " must " in message
    assert "found" in message
    assert "\n" not in message
    return message


def without_files(folder):
    for path in (folder / "tokenizer").iterdir():
        path.unlink()


def sentencepiece(folder):
    for name in ("vocab.json", "merges.txt"):
        (folder / "tokenizer" / name).unlink()
    (folder / "tokenizer" / "spiece.model").write_bytes(b"\x0a\x0e")


def half_the_merges(folder):
    path = folder / "tokenizer" / "merges.txt"
    lines = path.read_text().split("\n")
    path.write_text("\n".join(lines[: len(lines) // 2]))


def another_alphabet(folder):
    """Bytes as GPT-2 writes them, without CLIP's mark of a word's end."""
    path = folder / "tokenizer" / "vocab.json"
    words = json.loads(path.read_text())
    path.write_text(
        json.dumps({word.removesuffix("</w>") + "Ġ" * word.endswith("</w>"): n for word, n in words.items()})
    )
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\n")


@pytest.mark.parametrize("spoil", [without_files, sentencepiece, another_alphabet])
def test_a_tokenizer_that_knows_no_words_is_refused(copy, spoil):
    spoil(copy)
    assert "must hold CLIP's vocabulary, found a tokenizer of" in refusal(copy)


def test_a_vocabulary_whose_words_fall_apart_is_refused(copy):
    half_the_merges(copy)
    assert "not read as one token" in refusal(copy)


def test_a_token_without_an_embedding_is_refused(copy):
    (copy / "tokenizer" / "added_tokens.json").write_text(json.dumps({"<stale>": 49408}))
    assert "found 49409 tokens" in (message := refusal(copy))
    assert "and 49408 embeddings" in message


def set_tokenizer(folder, **changes):
    path = folder / "tokenizer" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(("length", "words"), [(2, "2"), (-1, "-1"), ("77", "'77'"), (True, "True")])
def test_a_tokenizer_without_a_length_for_texts_is_refused(copy, length, words):
    set_tokenizer(copy, model_max_length=length)
    assert f"model_max_length {words}: " in refusal(copy)


@pytest.mark.parametrize("length", [77, 77.0, 10**30, 1e30, None])
def test_a_length_is_read_however_it_was_written(model, copy, length):
    set_tokenizer(copy, model_max_length=length)
    texts = Texts(read_tokenizer(copy), model.text_encoder.config)
    assert texts.read(["a red house"]).input_ids.shape == (1, 77)
    assert texts.are_cut(["cat " * 75, "cat " * 76]) == [False, True]


def test_a_tokenizer_that_cannot_fill_texts_up_is_refused(copy):
    set_tokenizer(copy, pad_token=None)
    assert '"pad_token": "<|endoftext|>"' in refusal(copy)


def test_a_tokenizer_json_alone_and_the_demos_small_vocabulary_are_read(copy):
    full = read_tokenizer(copy)
    full.save_pretrained(copy / "saved")
    shutil.rmtree(copy / "tokenizer")
    (copy / "tokenizer").mkdir()
    shutil.move(copy / "saved" / "tokenizer.json", copy / "tokenizer")
    model = sld.load_model(copy)
    assert model.tokenizer.model_max_length > 10**9  # nothing says a length but the text encoder
    assert model.texts.length == 77
    assert model.texts.read(["a red house"]).input_ids[0, :5].tolist() == [49406, 320, 736, 1212, 49407]
    assert len(read_tokenizer(trained.model_folder())) == 783


@pytest.fixture(scope="module")
def learned(checkpoint, tmp_path_factory):
    """Two learned tokens, of three vectors and of one, saved as diffusers saves them."""
    folder = shutil.copytree(checkpoint, tmp_path_factory.mktemp("learned") / "model")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
    tokenizer.add_tokens(["<lake>", "<lake>_1", "<lake>_2", "<fog>"])
    encoder.resize_token_embeddings(len(tokenizer))
    encoder.get_input_embeddings().weight.data[-4:] = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
    shutil.rmtree(folder / "tokenizer")
    tokenizer.save_pretrained(folder / "tokenizer")
    encoder.save_pretrained(folder / "text_encoder")
    return folder


def test_a_learned_token_stands_for_all_its_vectors_as_in_diffusers(learned, oracle, spread_error):
    model = sld.load_model(learned, dtype="float64", scheduler="ddim")
    prompts = ["a <lake> house, <fog>", "<lake>,<lake>"]
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    methods = [
        sld.Method("negative", negative_prompt="a <lake>"),
        sld.Method("concept", "max", concept="by the <lake>"),
    ]
    tokens = sld.sample(model, prompts, ["baseline", *methods], steps=4, noise=noise, decode=False).latents
    reference, options = oracle(model), {"num_inference_steps": 4, "guidance_scale": 7.5}
    assert spread_error(tokens["baseline"], reference.plain(prompts, noise, **options)) < 1e-8
    negative = reference.plain(prompts, noise, negative_prompt="a <lake>", **options)
    assert spread_error(tokens["negative"], negative) < 1e-8
    # The safe pipeline of diffusers expands no token, so it gets the vectors by name.
    every = "<lake> <lake>_1 <lake>_2"
    reference._safe.safety_concept = f"by the {every}"
    named = [prompt.replace("<lake>", every) for prompt in prompts]
    concept = reference.safe(named, noise, **options, **SafetyConfig.MAX)
    assert spread_error(tokens["concept"], concept) < 1e-8


def test_texts_expand_as_diffusers_expands_them(learned):
    model = sld.load_model(learned)
    pipeline = StableDiffusionPipeline.from_pretrained(learned, safety_checker=None, feature_extractor=None)
    for text in ("<lake>", "no token", "a <lake>, a <fog>; <lake>!", "x<lake>y"):
        converted = pipeline.maybe_convert_prompt(text, pipeline.tokenizer)
        expected = pipeline.tokenizer(converted, padding="max_length", max_length=77, truncation=True).input_ids
        assert model.texts.read([text]).input_ids[0].tolist() == expected, text


@pytest.mark.parametrize("special", [False, True])
def test_a_learned_token_in_capitals_uses_all_its_vectors_too(checkpoint, special):
    tokenizer = CLIPTokenizer.from_pretrained(checkpoint / "tokenizer")
    added = [AddedToken(name, normalized=not special, special=special) for name in ("<Cat-Toy>", "<Cat-Toy>_1", "SKS")]
    tokenizer.add_tokens(added, special_tokens=special)
    texts = Texts(tokenizer, CLIPTextModel.from_pretrained(checkpoint / "text_encoder").config)
    start, toy, end = 49406, [49408, 49409], 49407
    for text in ("<Cat-Toy>", *(() if special else ("<cat-toy>", "<CAT-TOY>"))):
        assert texts.read([f"a {text} SKS"]).input_ids[0, :6].tolist() == [start, 320, *toy, 49410, end], text


def test_texts_longer_than_the_text_encoder_reads_are_known(model, learned):
    assert model.texts.are_cut(["cat " * 75, "cat " * 76, "", "cat " * 500]) == [False, True, False, True]
    assert model.texts.are_cut([]) == []
    expanded = sld.load_model(learned).texts  # each is three tokens
    assert expanded.are_cut(["<lake> " * 25, "<lake> " * 26]) == [False, True]
    demo = Texts(
        load_tokenizer(trained.model_folder() / "tokenizer"), sld.load_model(trained.model_folder()).text_encoder.config
    )
    assert demo.length == 56


def test_182_prompts_of_i2p_are_longer_than_clip_reads(model, i2p_csv):
    """As published; OpenAI's tokenizer sets typographic quotes straight first, transformers' does not."""
    prompts = [prompt.text for prompt in i2p.load_prompts("i2p", path=str(i2p_csv))]
    assert sum(model.texts.are_cut([ftfy.fix_text(text) for text in prompts])) == 182
    assert sum(model.texts.are_cut(prompts)) == 185
