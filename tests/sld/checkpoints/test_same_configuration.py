"""A folder whose configuration makes the same weights compute something else does not replace a part."""

import json
import shutil

import pytest
import torch

import sld
from sld.checkpoints.components import open_checkpoint
from sld.checkpoints.configured import configured, settings
from sld.checkpoints.overrides import locate_overrides

LATENTS, TEXT = (1, 4, 8, 8), (1, 7, 16)
UNET = {
    "act_fn": "gelu",
    "attention_head_dim": 1,
    "center_input_sample": True,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "mid_block_scale_factor": 2,
    "norm_eps": 1e-3,
    "norm_num_groups": 4,
    "only_cross_attention": True,
    "time_embedding_act_fn": "silu",
}
CLIP = {"hidden_act": "silu", "layer_norm_eps": 1e-3, "num_attention_heads": 1}
T5 = {"dense_act_fn": "relu", "layer_norm_epsilon": 1e-3, "relative_attention_max_distance": 32}
PIXART = {"activation_fn": "gelu", "interpolation_scale": 4, "norm_eps": 1e-3}
CASES = [
    *(("stable-diffusion", "unet", key, value) for key, value in UNET.items()),
    *(("stable-diffusion", "vae", key, value) for key, value in {"act_fn": "gelu", "norm_num_groups": 1}.items()),
    *(("stable-diffusion", "text_encoder", key, value) for key, value in CLIP.items()),
    *(("stable-diffusion-3", "text_encoder_2", key, value) for key, value in CLIP.items()),
    *(("stable-diffusion-3", "text_encoder_3", key, value) for key, value in T5.items()),
    *(("pixart-sigma", "transformer", key, value) for key, value in PIXART.items()),
]


def computed(part, model):
    """What a part returns for some input, by its library."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    model, config = model.float().eval(), settings(model)
    with torch.no_grad():
        if part == "unet":
            return model(normal(*LATENTS), torch.tensor(300), normal(1, 7, config["cross_attention_dim"])).sample
        if part == "vae":
            return model.decode(normal(*LATENTS)).sample
        if part == "transformer":
            texts, beside = normal(1, 7, config["caption_channels"]), {"resolution": None, "aspect_ratio": None}
            return model(normal(*LATENTS), texts, torch.tensor([300]), added_cond_kwargs=beside).sample
        return model(torch.randint(0, config["vocab_size"], (1, 70), generator=generator)).last_hidden_state


def refusal(part, folder, checkpoint):
    with pytest.raises(sld.InputError) as caught:
        locate_overrides({part: folder})[part].check(checkpoint)
    return str(caught.value)


@pytest.fixture
def changed(checkpoint_of, tmp_path):
    """The checkpoint of a family, and a copy of one of its parts with another configuration, once that fits."""

    def changed(family, part, change):
        checkpoint = open_checkpoint(checkpoint_of(family))
        folder = shutil.copytree(checkpoint.folder / part, tmp_path / part)
        locate_overrides({part: folder})[part].check(checkpoint)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | change))
        return checkpoint, folder

    return changed


@pytest.mark.parametrize(("family", "part", "key", "value"), CASES)
def test_a_part_is_refused_for_what_changes_its_library_s_numbers_and_no_weight(changed, family, part, key, value):
    checkpoint, folder = changed(family, part, {key: value})
    component = checkpoint.family.component(part)
    base, other = (configured(component, place, "cpu") for place in (checkpoint.folder / part, folder))
    generator = torch.Generator().manual_seed(2)
    weights = {name: torch.randn(x.shape, generator=generator) * 0.2 for name, x in base.state_dict().items()}
    for model in (base, other):
        model.load_state_dict(weights)
    first, second = (computed(part, model) for model in (base, other))
    assert first.shape != second.shape or not torch.equal(first, second)
    per_block = [value] * 2 if key in ("attention_head_dim", "only_cross_attention") else value
    assert f"found {key}={per_block!r} for " in refusal(part, folder, checkpoint)


@pytest.mark.parametrize("change", [{"scaling_factor": 0.5}, {"shift_factor": 0.1}, {"latents_mean": [1.0] * 4}])
def test_a_vae_of_other_latents_is_refused(changed, change):
    checkpoint, folder = changed("stable-diffusion", "vae", change)
    ((key, value),) = change.items()
    assert f"found {key}={value!r} for " in refusal("vae", folder, checkpoint)


@pytest.mark.parametrize("value", [False, [False, False]])
def test_a_setting_may_be_given_once_or_for_each_block(changed, value):
    checkpoint, folder = changed("stable-diffusion", "unet", {"only_cross_attention": value})
    locate_overrides({"unet": folder})["unet"].check(checkpoint)
