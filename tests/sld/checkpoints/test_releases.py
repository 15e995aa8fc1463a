"""Files as the releases of concept erasure methods write them take effect, and what they hold besides is told.

Each format is made here by the steps of the code that saves it, which the comment names.
"""

import copy
import runpy
from pathlib import Path

import pytest
import torch
from diffusers import SD3Transformer2DModel, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

import sld
from sld.checkpoints.family import Component
from sld.checkpoints.replaced import replace
from sld.models.stable_diffusion import FAMILY

ORIGINAL = runpy.run_path(str(Path(__file__).parents[1] / "original_layout.py"))
UNET, TEXT = "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
# Buffers of CompVis' LatentDiffusion, ldm/models/diffusion/ddpm.py: register_schedule.
SCHEDULE = ("betas", "alphas_cumprod", "sqrt_alphas_cumprod", "posterior_variance", "logvar")


@pytest.fixture(scope="module")
def base(checkpoint):
    return load_file(checkpoint / UNET)


@pytest.fixture(scope="module")
def base_unet(checkpoint):
    return UNet2DConditionModel.from_pretrained(checkpoint / "unet")


def erased(weights, chosen=""):
    """Weights after training: those whose names hold a word are changed."""
    return {name: value + 0.5 if chosen in name else value for name, value in weights.items()}


def compvis(checkpoint, unet):
    """`model.state_dict()` of a whole CompVis model: ESD (train-esd.py), SalUn (nsfw_removal.py: save_model)."""
    whole = {name: torch.ones(3) for name in SCHEDULE} | ORIGINAL["original_unet"](unet)
    return whole | {
        name: value
        for name, value in ORIGINAL["original_layout"](checkpoint, False).items()
        if not name.startswith("model.diffusion_model.")
    }


def only(weights, word):
    return {name: value for name, value in weights.items() if word in name}


def by_module(weights):
    """ESD for diffusers, 2024 (esd_diffusers.py: FineTunedModel.state_dict): a dictionary per trained module."""
    modules: dict[str, dict] = {}
    for name, value in weights.items():
        module, _, kind = name.rpartition(".")
        modules.setdefault(f"unet.{module}", {})[kind] = value
    return modules


RELEASES = {
    # file name, what is trained, and how it is saved
    "ESD 2023, CompVis": ("compvis-word_nudity.pt", "", compvis),
    "ESD 2023, diffusers": ("diffusers-nudity-ESDu1-UNET.pt", "", lambda _, unet: unet),
    "ESD 2024": ("esd-nudity.pt", "attn2", lambda _, unet: by_module(only(unet, "attn2"))),
    "ESD 2025": ("esd-nudity-from-nudity-esdx.safetensors", "attn2", lambda _, unet: only(unet, "attn2")),
    "UCE 2023": ("erased-nudity.pt", "attn2.to_v", lambda _, unet: unet),
    "UCE 2025": ("uce.safetensors", "attn2.to_k", lambda _, unet: only(unet, "to_k") | only(unet, "attn2.to_v")),
    "RECE": ("0.1972-3.pt", "attn2.to_v", lambda _, unet: unet),
    "SalUn, CompVis": ("compvis-nsfw-mask.pt", "", compvis),
    "SalUn, diffusers": ("diffusers-nsfw-mask.pt", "", lambda _, unet: unet),
    "Concept ablation": ("delta.bin", "attn2.to_", lambda _, unet: {"unet": only(unet, "attn2.to_")}),
    # forms that scripts of others write
    "the trained part under CompVis' names": (
        "unet.ckpt",
        "attn2",
        lambda _, unet: {"state_dict": only(ORIGINAL["original_unet"](unet), "attn2")},
    ),
    "a training state": (
        "last.pt",
        "attn2",
        lambda _, unet: {"model_state_dict": {f"module.{name}": x for name, x in unet.items()}, "epoch": 3, "lr": [1]},
    ),
    "a compiled UNet": ("c.safetensors", "attn2", lambda _, unet: {f"_orig_mod.{k}": x for k, x in unet.items()}),
    "a pipeline's UNet": ("p.safetensors", "", lambda _, unet: {f"unet.{name}": x for name, x in unet.items()}),
}  # fmt: skip


@pytest.mark.parametrize(("name", "chosen", "form"), RELEASES.values(), ids=RELEASES)
def test_the_trained_weights_take_effect(checkpoint, base, base_unet, tmp_path, name, chosen, form):
    path, new_weights = tmp_path / name, erased(base, chosen)
    content = form(checkpoint, new_weights)
    if path.suffix == ".safetensors":
        save_file(content, path, {"format": "erasing-esd-v2"})
    else:
        torch.save(content, path)
    unet = copy.deepcopy(base_unet)
    audit = replace(FAMILY.component("unet"), unet, [path], path, allow_pickle=path.suffix != ".safetensors")
    weights = unet.state_dict()
    for key, value in base.items():
        assert torch.equal(weights[key], new_weights[key] if chosen in key else value)
    assert audit.different == sum(chosen in key for key in base)


def test_a_whole_compvis_models_other_parts_are_counted_and_not_used(checkpoint, base, tmp_path):
    content = compvis(checkpoint, erased(base))
    torch.save(content, tmp_path / "compvis.pt")
    model = sld.load_model(checkpoint, unet=tmp_path / "compvis.pt", allow_pickle=True)
    (told,) = model.describe()["left_aside"]
    assert told.endswith(f"({len(content) - len(base):,} tensors) in compvis.pt")
    assert "betas" in told


def test_what_a_file_lacks_or_has_too_much_is_named_under_its_own_names(checkpoint, base, tmp_path):
    part = only(ORIGINAL["original_unet"](base), "attn2.to_k")
    key = next(iter(part))
    cases = {
        "1 that the model has no place for ('model.diffusion_model.input_blocks.9.1.norm.weight')": part
        | {"model.diffusion_model.input_blocks.9.1.norm.weight": torch.ones(8)},
        f"1 of another shape ('{next(name for name in base if 'attn2.to_k' in name)}': (8, 3) for (8, 16))": part
        | {key: torch.ones(8, 3)},
    }
    for clause, weights in cases.items():
        save_file({name: x.contiguous() for name, x in weights.items()}, tmp_path / "part.safetensors")
        with pytest.raises(sld.InputError) as caught:
            sld.load_model(checkpoint, unet=tmp_path / "part.safetensors")
        assert clause in str(caught.value)
        assert "part.safetensors must hold the UNet's weights or a part of them" in str(caught.value)


def test_one_weight_under_two_names_is_refused(checkpoint, base, tmp_path):
    original = ORIGINAL["original_unet"]({"conv_in.weight": base["conv_in.weight"] + 1})
    save_file(original | {"model.diffusion_model.conv_in.weight": base["conv_in.weight"]}, tmp_path / "a.safetensors")
    with pytest.raises(sld.InputError, match=r"must hold each weight once, found 'conv_in\.weight' in a\.safetensors"):
        sld.load_model(checkpoint, unet=tmp_path / "a.safetensors")


def test_a_lora_in_a_unets_place_is_told_where_it_belongs(checkpoint, tmp_path):
    for names in (["lora_unet_x.lora_down.weight"], ["unet.x.to_k.lora_A.weight"], ["x.processor.to_k_lora.up.weight"]):
        save_file({name: torch.ones(2, 2) for name in names}, tmp_path / "lora.safetensors")
        with pytest.raises(sld.InputError, match=r"found a LoRA .*: give it as lora=/"):
            sld.load_model(checkpoint, unet=tmp_path / "lora.safetensors")


def test_a_model_of_the_compvis_family_without_a_unet_is_refused(checkpoint, tmp_path):
    torch.save({"first_stage_model.a": torch.ones(1), "cond_stage_model.b": torch.ones(1)}, tmp_path / "vae.pt")
    with pytest.raises(sld.InputError, match="2 that the model has no place for"):
        sld.load_model(checkpoint, unet=tmp_path / "vae.pt", allow_pickle=True)


def advunlearn(text):
    """AdvUnlearn (util.py: save_text_encoder) saves a module that holds CLIP and its three parts once more."""
    names = {"embeddings": "embedding", "encoder": "encoder", "final_layer_norm": "final_layer_norm"}
    whole = {f"text_encoder.text_model.{name}": value for name, value in text.items()}
    again = {f"{names[name.partition('.')[0]]}.{name.partition('.')[2]}": value for name, value in text.items()}
    positions = {"text_encoder.text_model.embeddings.position_ids": torch.arange(77)[None]}
    return whole | positions | again


def test_a_text_encoder_as_advunlearn_saves_it_takes_effect(checkpoint, tmp_path):
    encoder = CLIPTextModel.from_pretrained(checkpoint / "text_encoder")
    base = {name.removeprefix("text_model."): value.clone() for name, value in encoder.state_dict().items()}
    new_weights = erased(base, "self_attn")
    path = tmp_path / "TextEncoder-text_encoder_full-epoch_999.pt"
    torch.save(advunlearn(new_weights), path)
    audit = replace(FAMILY.component("text_encoder"), encoder, [path], path, True)
    weights = {name.removeprefix("text_model."): value for name, value in encoder.state_dict().items()}
    assert all(torch.equal(weights[name], value) for name, value in new_weights.items())
    assert audit.different == sum("self_attn" in name for name in base)
    assert audit.left_aside == ()  # the second names are of the same numbers


def test_a_transformer_under_the_original_names_takes_effect_in_part(tmp_path):
    transformer = SD3Transformer2DModel(
        sample_size=4, patch_size=1, in_channels=4, num_layers=2, attention_head_dim=4, num_attention_heads=2,
        joint_attention_dim=8, caption_projection_dim=8, pooled_projection_dim=8, out_channels=4, pos_embed_max_size=4,
    )  # fmt: skip
    before = {name: value.clone() for name, value in transformer.state_dict().items()}
    qkv = torch.arange(24 * 8.0).reshape(24, 8)
    path = tmp_path / "erased.safetensors"
    save_file({"model.diffusion_model.joint_blocks.1.context_block.attn.qkv.weight": qkv}, path)
    audit = replace(Component("transformer", "SD3Transformer2DModel"), transformer, [path], path, False)
    after = transformer.state_dict()
    for number, name in enumerate(("add_q_proj", "add_k_proj", "add_v_proj")):
        changed = f"transformer_blocks.1.attn.{name}.weight"
        assert torch.equal(after[changed], qkv[8 * number : 8 * number + 8])
        del before[changed]
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert (audit.used, audit.different) == (3, 3)


def test_weights_of_another_architecture_name_both_shapes(checkpoint, tmp_path):
    wider = sld.write_tiny_checkpoint(tmp_path / "wider", width=16, text_width=16)
    with pytest.raises(sld.InputError) as caught:
        sld.load_model(checkpoint, unet=wider / "unet")
    assert "of another shape ('conv_in.bias': (16,) for (8,), " in str(caught.value)
    assert "choose the matching base checkpoint" in str(caught.value)
