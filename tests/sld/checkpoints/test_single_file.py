"""One file in the original layout loads offline to the same model as the folder it came from."""

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.utils import logging
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import sld
from sld.checkpoints import single_file
from sld.checkpoints.files import read_json


def test_a_single_file_gives_the_folders_latents(pair):
    folder, file, config = pair
    options = {"prompts": ["a cat"], "methods": ["baseline", "sld_max"], "steps": 3, "seeds": [1]}
    expected = sld.sample(sld.load_model(folder), **options)
    model = sld.load_model(file, config=config)
    result = sld.sample(model, **options)
    for name in options["methods"]:
        torch.testing.assert_close(result.latents[name], expected.latents[name])
        assert (result.images[name] == expected.images[name]).mean() > 0.99
    assert list(model.describe()["weights"]) == ["model.safetensors"]


@pytest.mark.parametrize("pair", ["sd1"], indirect=True)
def test_a_single_file_may_be_a_pickle_on_request(pair, tmp_path):
    folder, file, config = pair
    pickled = tmp_path / "model.ckpt"
    torch.save({"state_dict": load_file(file)}, pickled)
    with pytest.raises(sld.InputError, match="found a pickle"):
        sld.load_model(pickled, config=config)
    loaded = sld.load_model(pickled, config=config, allow_pickle=True)
    assert torch.equal(loaded.unet.conv_in.weight, sld.load_model(folder).unet.conv_in.weight)


def test_without_a_configuration_the_file_is_taken_for_a_full_size_model(pair):
    folder, file, _ = pair
    if sld.load_model(folder).scheduler.config.prediction_type == "epsilon":
        with pytest.raises(sld.InputError, match=r"of another shape .* give config=FOLDER"):
            sld.load_model(file)
        with pytest.raises(sld.InputError, match="must be epsilon or v_prediction, found 'sample'"):
            sld.load_model(file, prediction_type="sample")
    else:
        with pytest.raises(sld.InputError, match=r"of another shape .* give config=FOLDER"):
            sld.load_model(file, prediction_type="v_prediction")
        with pytest.raises(sld.InputError, match="do not say which"):
            sld.load_model(file)


@pytest.mark.parametrize("part", ["model.diffusion_model.", "first_stage_model.", "cond_stage_model."])
def test_missing_weights_are_not_replaced_by_random_ones(pair, tmp_path, part):
    _, file, config = pair
    weights = load_file(file)
    weights.pop([key for key in weights if key.startswith(part) and key.endswith("bias")][-1])
    save_file(weights, tmp_path / "part.safetensors")
    with pytest.raises(sld.InputError, match="config=FOLDER"):
        sld.load_model(tmp_path / "part.safetensors", config=config)


@pytest.mark.parametrize("pair", ["sd2"], indirect=True)
def test_an_sd2_file_that_says_its_prediction_type_needs_no_word_of_the_user(pair, tmp_path):
    save_file(load_file(pair[1]) | {"v_pred": torch.zeros(0)}, tmp_path / "marked.safetensors")
    scheduler_and_marks = single_file.check_single_file(tmp_path / "marked.safetensors", False, None, None).scheduler()
    assert scheduler_and_marks[0].config.prediction_type == "v_prediction"
    assert scheduler_and_marks[1] == {"v_pred": "prediction_type=v_prediction"}


HARMLESS = {
    "model_ema.diffusion_modelinput_blocks00weight": torch.ones(8),
    "model_ema.decay": torch.ones(()),
    "betas": torch.ones(1000),
    "alphas_cumprod_prev": torch.ones(1000),
    "sqrt_one_minus_alphas_cumprod": torch.ones(1000),
    "posterior_mean_coef1": torch.ones(1000),
    "logvar": torch.ones(1000),
    "first_stage_model.loss.discriminator.main.0.weight": torch.ones(4),
    "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
    "cond_stage_model.model.transformer.text_model.embeddings.position_ids": torch.arange(77.0)[None],
    "cond_stage_model.transformer.text_model.text_projection.weight": torch.ones(16, 16),
    "cond_stage_model.transformer.text_model.encoder.layers.2.mlp.fc1.bias": torch.ones(4),
    "cond_stage_model.transformer.vision_model.post_layernorm.bias": torch.ones(4),
    "cond_stage_model.logit_scale": torch.ones(()),
    "cond_stage_model.model.logit_scale": torch.ones(()),
    "cond_stage_model.model.text_projection": torch.ones(16, 16),
    "cond_stage_model.model.attn_mask": torch.ones(77, 77),
    "cond_stage_model.model.transformer.resblocks.23.ln_1.bias": torch.ones(16),
    "cond_stage_model.model.transformer.resblocks.2.ln_1.bias": torch.ones(16),
}
SURPLUS = [
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.processor.to_k_lora.down.weight",
    "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q.lora_A.weight",
    "model.diffusion_model.label_emb.0.0.weight",
    "control_model.input_hint_block.0.weight",
    "first_stage_model.decoder.up.0.block.0.adapter.weight",
    "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.lora_up.weight",
    "cond_stage_model.model.transformer.resblocks.0.attn.q_lora.weight",
    "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight",
    "embedding_manager.string_to_param_dict.*",
    "scale_factor",
]


def test_weights_of_a_file_that_are_known_to_be_harmless_change_nothing(pair, tmp_path):
    folder, file, config = pair
    save_file(load_file(file) | HARMLESS, tmp_path / "more.safetensors")
    result, expected = sld.load_model(tmp_path / "more.safetensors", config=config), sld.load_model(folder)
    for part in ("unet", "vae", "text_encoder"):
        own, reference = (getattr(model, part).state_dict() for model in (result, expected))
        assert own.keys() == reference.keys()
        assert all(torch.equal(own[name], reference[name]) for name in own)


@pytest.mark.parametrize(
    ("pair", "name"), [("sd2" if ".model." in n else "sd1", n) for n in SURPLUS], indirect=["pair"]
)
def test_a_weight_of_a_file_without_a_place_is_refused(pair, tmp_path, name):
    _, file, config = pair
    path = tmp_path / "more.safetensors"
    save_file(load_file(file) | {name: torch.ones(4)}, path)
    with pytest.raises(sld.InputError) as caught:
        sld.load_model(path, config=config)
    assert (
        f"{path} must hold the weights of the configured model and no others, found 1 that the model has no place for"
        in str(caught.value)
    )
    assert f"({name!r}): " in str(caught.value)


@pytest.mark.parametrize("pair", ["sd1"], indirect=True)
@pytest.mark.parametrize("channels", [9, 5, 7], ids=["inpainting", "depth", "upscaler"])
def test_a_file_of_another_kind_of_model_is_told_by_its_channels_and_no_configuration_is_advised(
    pair, tmp_path, channels
):
    _, file, config = pair
    weights = load_file(file) | {"model.diffusion_model.input_blocks.0.0.weight": torch.ones(8, channels, 3, 3)}
    save_file(weights, tmp_path / "x.safetensors")
    with pytest.raises(sld.InputError, match=rf"found one with {channels} input channels for 4: choose another"):
        sld.load_model(tmp_path / "x.safetensors", config=config)


@pytest.mark.parametrize("pair", ["sd1"], indirect=True)
def test_the_moving_average_in_a_file_is_left_aside_and_that_is_said_once(pair, tmp_path, capfd):
    folder, file, config = pair
    weights = load_file(file)
    averages = {f"model_ema.diffusion_model{n.split('.', 2)[2].replace('.', '')}": x + 1
                for n, x in weights.items() if n.startswith("model.diffusion_model.")}  # fmt: skip
    assert len(averages) > 100  # from so many on diffusers speaks of an option of its script
    save_file(weights | averages | {"model_ema.decay": torch.ones(())}, tmp_path / "full.safetensors")
    verbosity = logging.get_verbosity()
    logging.set_verbosity_warning()
    try:
        model = sld.load_model(tmp_path / "full.safetensors", config=config)
        assert logging.get_verbosity() == logging.WARNING
    finally:
        logging.set_verbosity(verbosity)
    assert model.describe()["left_aside"] == ["model_ema.* in full.safetensors (the moving average of model.*)"]
    assert torch.equal(model.unet.conv_in.weight, sld.load_model(folder).unet.conv_in.weight)
    assert "left_aside" not in sld.load_model(file, config=config).describe()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("pair", ["sd1"], indirect=True)
def test_a_text_encoder_under_its_former_names_is_told_with_the_names_that_are_read(pair, tmp_path):
    _, file, config = pair
    save_file({n.replace("transformer.text_model.", "transformer."): x for n, x in load_file(file).items()},
              tmp_path / "x.safetensors")  # fmt: skip
    with pytest.raises(sld.InputError, match=r"rename cond_stage_model\.transformer\.\* to .*text_model\.\*$"):
        sld.load_model(tmp_path / "x.safetensors", config=config)


def test_a_file_without_a_vae_is_told_as_one(pair, tmp_path):
    _, file, config = pair
    weights = {name: x for name, x in load_file(file).items() if not name.startswith("first_stage_model.")}
    save_file(weights, tmp_path / "x.safetensors")
    with pytest.raises(sld.InputError, match=r"found no first_stage_model\.\* among"):
        sld.load_model(tmp_path / "x.safetensors", config=config)


def test_a_unet_in_one_file_is_no_checkpoint(checkpoint):
    with pytest.raises(sld.InputError, match="give it as unet="):
        sld.load_model(checkpoint / "unet" / "diffusion_pytorch_model.safetensors")


def test_config_must_be_a_folder_and_goes_with_a_file(pair, checkpoint, tmp_path):
    _, file, _ = pair
    with pytest.raises(sld.InputError, match=r"found no model_index\.json"):
        sld.load_model(file, config=tmp_path)
    with pytest.raises(sld.InputError, match="leave config= and prediction_type= out"):
        sld.load_model(checkpoint, config=checkpoint)


@pytest.mark.parametrize(("prediction", "second", "sizes"), [
    # Parameters of stable-diffusion-v1-5 and stable-diffusion-2-1, as their weight files on the hub hold them.
    ("epsilon", False, (859_520_964, 83_653_863, 123_060_480)),
    ("v_prediction", True, (865_910_724, 83_653_863, 340_387_840)),
])  # fmt: skip
def test_the_built_in_configurations_have_the_published_sizes(tmp_path, prediction, second, sizes):
    single_file._write_config(tmp_path, second, prediction)
    configs = [read_json(tmp_path / part / "config.json") for part in ("unet", "vae", "text_encoder")]
    with torch.device("meta"):
        models = [
            UNet2DConditionModel.from_config(configs[0]),
            AutoencoderKL.from_config(configs[1]),
            CLIPTextModel(CLIPTextConfig(**configs[2])),
        ]
    assert tuple(sum(value.numel() for value in model.parameters()) for model in models) == sizes


# Of stable-diffusion-v1-5, -2-base and -2-1 on the hub: what no count of parameters shows.
HEADS_1, HEADS_2 = 8, [5, 10, 20, 20]


@pytest.mark.parametrize(
    ("prediction", "second", "size", "heads", "text_heads", "activation", "padding"),
    [
        ("epsilon", False, 64, HEADS_1, 12, "quick_gelu", "<|endoftext|>"),
        ("v_prediction", False, 64, HEADS_1, 12, "quick_gelu", "<|endoftext|>"),
        ("epsilon", True, 64, HEADS_2, 16, "gelu", "!"),
        ("v_prediction", True, 96, HEADS_2, 16, "gelu", "!"),
    ],
)
def test_the_built_in_configurations_compute_as_the_published_do(
    tmp_path, prediction, second, size, heads, text_heads, activation, padding
):
    single_file._write_config(tmp_path, second, prediction)
    unet, text = (read_json(tmp_path / part / "config.json") for part in ("unet", "text_encoder"))
    assert (unet["sample_size"], unet["attention_head_dim"], unet["use_linear_projection"]) == (size, heads, second)
    assert (text["num_attention_heads"], text["hidden_act"]) == (text_heads, activation)
    assert CLIPTokenizer.from_pretrained(tmp_path / "tokenizer").pad_token == padding
    assert read_json(tmp_path / "scheduler" / "scheduler_config.json")["prediction_type"] == prediction


@pytest.mark.parametrize("name", ["conditioner.embedders.0.x", "model.diffusion_model.joint_blocks.0.x"])
def test_a_file_of_another_family_is_refused_with_the_way_to_a_folder(tmp_path, name):
    save_file({name: torch.ones(1)}, tmp_path / "xl.safetensors")
    with pytest.raises(sld.InputError, match=r"convert it to a folder in diffusers' layout"):
        sld.load_model(tmp_path / "xl.safetensors")
