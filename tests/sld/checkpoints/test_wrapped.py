"""The weights of one part are found in each form of wrapping, and what lies beside them is known."""

import pytest
import torch

from sld.checkpoints.wrapped import in_groups, named_tensors, select

NAMES = ["conv_in.weight", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"]
ORIGINAL = ["input_blocks.0.0.weight", "middle_block.1.transformer_blocks.0.attn2.to_k.weight", "out.2.bias"]


@pytest.mark.parametrize(
    "prefix",
    [
        *("", "unet.", "module.", "_orig_mod.", "unet.module.", "module.unet.", "unet._orig_mod.", "model."),
        *("model.diffusion_model.", "diffusion_model.", "module.model.diffusion_model."),
        *("state_dict.", "model_state_dict.", "state_dict.unet.", "state_dict.model.diffusion_model."),
    ],
)
@pytest.mark.parametrize("names", [NAMES, ORIGINAL])
def test_prefixes_of_wrappers_are_taken_off(prefix, names):
    selection = select("unet", [prefix + name for name in names])
    assert [name for name, _ in selection.names] == names
    assert [key for _, key in selection.names] == [prefix + name for name in names]
    assert selection.beside == ()


def test_the_unet_of_a_whole_model_is_taken_and_the_rest_is_counted():
    rest = ["first_stage_model.encoder.conv_in.weight", "cond_stage_model.transformer.text_model.x", "betas"]
    rest += ["model_ema.decay", "model_ema.diffusion_modelinput_blocks00weight"]
    own = [f"model.diffusion_model.{name}" for name in ORIGINAL]
    selection = select("unet", rest[:2] + own + rest[2:])
    assert [key for _, key in selection.names] == own
    assert selection.beside == tuple(rest)
    assert in_groups(rest) == "first_stage_model.*, cond_stage_model.*, betas, model_ema.* (5 tensors)"


@pytest.mark.parametrize("outer", ["state_dict.", "model_state_dict.", "model."])
def test_of_a_whole_model_in_a_dictionary_the_unet_alone_is_taken(outer):
    rest = [f"{outer}vae.conv_in.weight", f"{outer}text_encoder.x", "optimizer.state.0.exp_avg"]
    selection = select("unet", [f"{outer}unet.conv_in.weight", *rest])
    assert selection.names == (("conv_in.weight", f"{outer}unet.conv_in.weight"),)
    assert selection.beside == tuple(rest)


def test_a_state_dict_is_taken_and_its_optimizer_counted():
    selection = select("unet", ["state_dict.conv_in.weight", "optimizer.state.0.exp_avg"])
    assert selection.names == (("conv_in.weight", "state_dict.conv_in.weight"),)
    assert selection.beside == ("optimizer.state.0.exp_avg",)


@pytest.mark.parametrize(
    ("part", "prefix"),
    [
        ("text_encoder", "text_encoder."),
        ("text_encoder", "cond_stage_model.transformer."),
        ("text_encoder", "conditioner.embedders.0.transformer."),
        ("text_encoder_2", "text_encoder_2."),
        ("transformer", "transformer."),
        ("transformer", "model.diffusion_model."),
        ("vae", "first_stage_model."),
    ],
)
def test_other_parts_have_prefixes_of_their_own(part, prefix):
    selection = select(part, ["unet.conv_in.weight", f"{prefix}a.weight"])
    assert selection.names == (("a.weight", f"{prefix}a.weight"),)
    assert selection.beside == ("unet.conv_in.weight",)
    assert [name for name, _ in select(part, ["model.a.weight", "model.b.weight"]).names] == ["a.weight", "b.weight"]


def test_nested_dictionaries_become_dotted_names_and_bookkeeping_is_left_out():
    one, two = torch.ones(1), torch.zeros(2)
    esd = {"unet.a.to_k": {"weight": one, "bias": two}}  # a dictionary per module
    assert dict(named_tensors(esd)) == {"unet.a.to_k.weight": one, "unet.a.to_k.bias": two}
    optimizer = {"state": {0: {"m": two}}, "param_groups": [{"lr": 1e-5, "params": [0]}]}
    lightning = {"state_dict": {"a": one}, "epoch": 3, "callbacks": [{"x": two}], "optimizer": optimizer}
    assert dict(named_tensors(lightning)) == {"state_dict.a": one, "optimizer.state.0.m": two}
    assert dict(named_tensors(one)) == {}


def test_a_dictionary_that_holds_itself_ends():
    content = {"a": torch.ones(1)}
    content["again"] = content
    assert 1 < len(dict(named_tensors(content))) < 20
