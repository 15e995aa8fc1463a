"""Every family's components load as their libraries load them, and what a library would fill in or drop is refused."""

import io
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL, SD3Transformer2DModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel, T5Tokenizer

import sld
from sld.checkpoints import files
from sld.checkpoints.components import Checkpoint, component_files, variants_left_aside
from sld.checkpoints.family import Component, Family
from sld.checkpoints.finite import check_finite
from sld.checkpoints.precision import dtypes
from sld.checkpoints.pretrained import pretrained
from sld.checkpoints.tokenizer import write_clip_tokenizer
from sld.checkpoints.weights_check import check_components
from sld.models.networks import placed
from sld.models.text import read_tokenizers

# Components as Stable Diffusion 3 has them.
FAMILY = Family(
    "three",
    "Three",
    ("ThreePipeline",),
    (
        Component("transformer", "SD3Transformer2DModel"),
        Component("vae", "AutoencoderKL"),
        Component("text_encoder", "CLIPTextModelWithProjection"),
        Component("text_encoder_3", "T5EncoderModel", optional=True),
    ),
    {"tokenizer": "text_encoder", "tokenizer_3": "text_encoder_3"},
    lambda configs, source: None,
    SimpleNamespace(denoiser="transformer"),
)
INDEX = {c.part: ["a library", c.cls] for c in FAMILY.components}
CLIP, T5 = "text_encoder/model.safetensors", "text_encoder_3/model.safetensors"
WORDS = ("a", "cat", "dog", "red", "house", "water", "person", "painting", "light", "oil", "by", "zebra")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("three")
    torch.manual_seed(0)
    SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=16, caption_projection_dim=16, pooled_projection_dim=16,
        pos_embed_max_size=8,
    ).save_pretrained(place / "transformer")  # fmt: skip
    AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).save_pretrained(place / "vae")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPTextConfig(vocab_size=49408, projection_dim=16, eos_token_id=49407, **sizes)
    CLIPTextModelWithProjection(config).save_pretrained(place / "text_encoder")
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    T5EncoderModel(T5Config(vocab_size=128, feed_forward_proj="gated-gelu", **sizes)).save_pretrained(
        place / "text_encoder_3"
    )
    write_clip_tokenizer(place / "tokenizer")
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    T5Tokenizer(vocab=special + [(f"▁{word}", -1.0) for word in WORDS], extra_ids=0).save_pretrained(
        place / "tokenizer_3"
    )
    return place


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def load(folder, index=INDEX):
    checkpoint = Checkpoint(folder, index, FAMILY)
    paths = component_files(checkpoint, False)
    check_components(checkpoint, paths, False)
    return {c.part: pretrained(c, folder / c.part, paths[c.part], False) for c in checkpoint.components}


def refusal(folder):
    with pytest.raises(sld.InputError) as caught:
        load(folder)
    return str(caught.value)


def rewrite(path, change):
    weights = {name: value.clone().contiguous() for name, value in change(load_file(path)).items()}
    save_file(weights, path, {"format": "pt"})


def equal(first, second):
    own, reference = first.state_dict(), second.state_dict()
    return own.keys() == reference.keys() and all(torch.equal(own[name], reference[name]) for name in own)


def test_each_component_loads_to_the_weights_that_its_library_loads(folder):
    for part, model in load(folder).items():
        assert equal(model, type(model).from_pretrained(folder / part))


def test_an_encoder_that_may_lack_may_lack_with_its_tokenizer(folder, copy):
    for part in ("text_encoder_3", "tokenizer_3"):
        shutil.rmtree(copy / part)
    for index in ({**INDEX, "text_encoder_3": [None, None]}, {k: v for k, v in INDEX.items() if k != "text_encoder_3"}):
        checkpoint = Checkpoint(copy, index, FAMILY)
        assert list(load(copy, index)) == ["transformer", "vae", "text_encoder"]
        assert list(read_tokenizers(copy, checkpoint.tokenizers)) == ["tokenizer"]
    assert str(copy / "text_encoder_3") in refusal(copy)


def test_of_t5_s_two_names_of_one_tensor_either_is_enough(copy):
    tied = ("shared.weight", "encoder.embed_tokens.weight")
    weights = load_file(copy / T5)
    (own,) = [name for name in tied if name in weights]
    expected = load(copy)["text_encoder_3"]
    others = {name: value for name, value in weights.items() if name != own}
    for names in (tied[:1], tied[1:], tied):
        rewrite(copy / T5, lambda _, names=names: others | dict.fromkeys(names, weights[own]))
        assert equal(load(copy)["text_encoder_3"], expected)
    rewrite(copy / T5, lambda _: others)
    assert "found 1 missing ('shared.weight')" in refusal(copy)


def test_a_whole_t5_is_read_and_its_decoder_left(copy):
    decoder = {"decoder.final_layer_norm.weight": torch.ones(16), "lm_head.weight": torch.ones(128, 16)}
    rewrite(copy / T5, lambda weights: weights | decoder)
    assert load(copy)
    rewrite(copy / T5, lambda weights: weights | {"encoder.more.weight": torch.ones(1)})
    assert "1 that the model has no place for ('encoder.more.weight')" in refusal(copy)


def test_a_text_encoder_with_a_projection_needs_it(copy):
    rewrite(copy / CLIP, lambda weights: {k: v for k, v in weights.items() if k != "text_projection.weight"})
    assert "found 1 missing ('text_projection.weight')" in refusal(copy)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_layers_stay_in_float32_where_their_library_keeps_them_so(folder, dtype):
    for part, model in load(folder).items():
        upstream = type(model).from_pretrained(folder / part, dtype=dtype)
        assert dtypes(model, dtype) == {name: x.dtype for name, x in upstream.state_dict().items()}
        kept = {name for name, kept in dtypes(model, dtype).items() if kept != dtype}
        assert bool(kept) == (part == "text_encoder_3" and dtype == torch.float16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_placed_model_computes_as_one_that_its_library_loaded_in_that_precision(folder, dtype):
    upstream = T5EncoderModel.from_pretrained(folder / "text_encoder_3", dtype=dtype).eval()
    own = placed(load(folder)["text_encoder_3"], torch.device("cpu"), dtype)
    assert {n: x.dtype for n, x in own.state_dict().items()} == {n: x.dtype for n, x in upstream.state_dict().items()}
    numbers = torch.tensor([[4, 7, 5, 1]])
    with torch.no_grad():
        assert torch.equal(own(numbers)[0], upstream(numbers)[0])


def test_a_layer_that_stays_in_float32_may_hold_what_half_precision_cannot(copy, folder):
    def large(weights, name):
        return weights | {name: torch.full_like(weights[name], 1e6)}

    (t5,) = [component for component in FAMILY.components if component.part == "text_encoder_3"]
    for layer, code in (("wo", None), ("wi_0", "float16 can represent")):
        name = f"encoder.block.0.layer.1.DenseReluDense.{layer}.weight"
        shutil.copy(folder / T5, copy / T5)
        rewrite(copy / T5, lambda weights, name=name: large(weights, name))
        parts = load(copy)
        if code is None:
            check_finite([t5], parts, torch.float16, {"text_encoder_3": copy})
        else:
            with pytest.raises(sld.InputError, match=code):
                check_finite([t5], parts, torch.float16, {"text_encoder_3": copy})


def test_variants_beside_a_component_s_weights_are_named(copy):
    shutil.copy(copy / T5, copy / "text_encoder_3/model.fp16.safetensors")
    paths = component_files(Checkpoint(copy, INDEX, FAMILY), False)
    assert variants_left_aside(paths) == ["text_encoder_3/model.fp16.safetensors"]


def test_t5_s_tokenizer_is_read_and_one_without_words_refused(copy):
    encoders = Checkpoint(copy, INDEX, FAMILY).tokenizers
    tokenizer = read_tokenizers(copy, encoders)["tokenizer_3"]
    assert tokenizer("a red cat").input_ids == [4, 7, 5, 1]
    (copy / "tokenizer_3" / "tokenizer.json").unlink()
    with pytest.raises(sld.InputError, match=r"tokenizer_3 must hold .*T5's"):
        read_tokenizers(copy, encoders)


def test_t5_s_tokenizer_from_sentencepiece_reads_texts_as_sentencepiece_does(copy, monkeypatch):
    sentencepiece, model = pytest.importorskip("sentencepiece"), io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS), *WORDS] * 20), model_writer=model, vocab_size=60, model_type="unigram",
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    (copy / "tokenizer_3" / "tokenizer.json").unlink()
    (copy / "tokenizer_3" / "spiece.model").write_bytes(model.getvalue())
    (copy / "tokenizer_3" / "tokenizer_config.json").write_text('{"extra_ids": 0}')
    encoders = Checkpoint(copy, INDEX, FAMILY).tokenizers
    tokenizer = read_tokenizers(copy, encoders)["tokenizer_3"]
    upstream = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    for text in ("a red cat", "oil painting by water"):
        assert tokenizer(text).input_ids == [*upstream.encode(text), 1]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(sld.InputError, match=r"pip install 'i2p-bench\[t5\]'"):
        read_tokenizers(copy, encoders)


def test_model_index_is_read_once(pair, monkeypatch):
    folder, file, config = pair
    names = []

    def read_json(path, read=files.read_json):
        names.append(path.name)
        return read(path)

    for module in ("files", "components", "classes", "configured"):
        monkeypatch.setattr(f"sld.checkpoints.{module}.read_json", read_json)
    monkeypatch.setattr("sld.schedulers.read_json", read_json)
    for arguments in ({"source": folder}, {"source": file, "config": config}):
        names.clear()
        sld.load_model(**arguments)
        assert names.count("model_index.json") == 1
    assert json.loads((folder / "model_index.json").read_text())
