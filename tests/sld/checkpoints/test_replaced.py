"""Weights in another's place are counted against the base's; where none differs they are refused."""

import json
import math
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import sld
from sld.checkpoints.replaced import is_same

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def base(checkpoint):
    return load_file(checkpoint / UNET)


@pytest.fixture
def saved(tmp_path):
    def saved(weights):
        save_file(weights, tmp_path / "erased.safetensors", {"format": "pt"})
        return tmp_path / "erased.safetensors"

    return saved


def by_hand(base, new):
    """‖new - base‖ / ‖base‖ in float64, tensor after tensor."""
    changed = sum(float((value.double() - base[name].double()).square().sum()) for name, value in new.items())
    return math.sqrt(changed / sum(float(value.double().square().sum()) for value in base.values()))


def test_the_change_is_counted_and_measured_as_by_hand(checkpoint, base, saved):
    cross = {name: value for name, value in base.items() if "attn2.to_" in name}
    noisy = {name: value + 0.01 * torch.randn_like(value) for name, value in list(cross.items())[:5]}
    for new_weights in (noisy, cross | noisy, base | noisy):
        described = sld.load_model(checkpoint, unet=saved(new_weights)).describe()["replaced"]["unet"]
        counts = {"given": len(new_weights), "used": len(new_weights), "different": 5, "of": len(base)}
        assert {name: described[name] for name in counts} == counts
        assert described["relative_change"] == pytest.approx(by_hand(base, new_weights), rel=1e-5)
        assert json.loads(json.dumps(described, allow_nan=False)) == described


def test_parameters_are_measured_without_a_gradient_or_a_warning(checkpoint, base, tmp_path):
    torch.save({name: torch.nn.Parameter(value + 0.01) for name, value in base.items()}, tmp_path / "erased.pt")
    model = sld.load_model(checkpoint, unet=tmp_path / "erased.pt", allow_pickle=True)
    assert model.describe()["replaced"]["unet"]["different"] == len(base)
    assert not any(value.requires_grad for value in model.unet.parameters())


def test_the_base_has_no_such_description(model):
    assert "replaced" not in model.describe()


def roundings(base):
    def all_of(change):
        return {name: change(value) for name, value in base.items()}

    yield "the same", base
    yield "a part of the same", dict(list(base.items())[:3])
    yield "in half precision", all_of(lambda x: x.half())
    yield "in bfloat16", all_of(lambda x: x.bfloat16())
    yield "in float64", all_of(lambda x: x.double())
    yield "through half precision and back", all_of(lambda x: x.half().float())
    yield "through bfloat16 and back", all_of(lambda x: x.bfloat16().float())
    yield "of both kinds", {name: x.half() if "attn" in name else x for name, x in base.items()}


def test_copies_of_the_base_are_refused_also_rounded_to_another_precision(checkpoint, base, saved):
    files = dict(roundings(base))
    for weights in files.values():
        assert all(is_same(value, base[name]) for name, value in weights.items())
    for weights in (files["a part of the same"], files["in bfloat16"], files["of both kinds"]):
        with pytest.raises(sld.InputError, match=rf"found that all {len(weights)} equal them or are the same"):
            sld.load_model(checkpoint, unet=saved(weights))


def test_the_full_precision_of_a_base_in_half_precision_is_no_erased_model(checkpoint, base, saved, tmp_path):
    rounded = shutil.copytree(checkpoint, tmp_path / "half")
    save_file({name: value.half() for name, value in base.items()}, rounded / UNET, {"format": "pt"})
    with pytest.raises(sld.InputError, match="the base model would be evaluated"):
        sld.load_model(rounded, unet=saved(base))


def test_one_number_beyond_rounding_is_a_difference_in_each_precision(checkpoint, base, saved):
    for _, weights in roundings(base):
        changed = {name: value.clone() for name, value in weights.items()}
        name = next(iter(changed))
        changed[name].view(-1)[-1] += 1
        assert [key for key, value in changed.items() if not is_same(value, base[key])] == [name]
    # The last is of both kinds.
    described = sld.load_model(checkpoint, unet=saved(changed)).describe()["replaced"]["unet"]
    assert described["different"] == 1


def test_a_base_that_holds_no_numbers_measures_nothing(checkpoint, base, saved, tmp_path):
    spoiled = shutil.copytree(checkpoint, tmp_path / "nan")
    base["conv_in.bias"][0] = float("nan")
    save_file(base, spoiled / UNET, {"format": "pt"})
    with pytest.raises(sld.InputError, match=r"the base's UNet must hold .* numbers, found NaN or infinity in those"):
        sld.load_model(spoiled, unet=saved({"conv_in.bias": torch.ones(8)}))


def test_new_weights_that_are_no_numbers_are_refused(checkpoint, saved):
    with pytest.raises(sld.InputError, match=r"erased.* NaN or infinity in 1 of the UNet's \('conv_in\.bias'\): "):
        sld.load_model(checkpoint, unet=saved({"conv_in.bias": torch.full((8,), float("nan"))}))


def test_a_folder_whose_unet_computes_otherwise_is_refused(checkpoint, base, tmp_path):
    folder = shutil.copytree(checkpoint / "unet", tmp_path / "unet")
    save_file({name: value + 1 for name, value in base.items()}, folder / "diffusion_pytorch_model.safetensors")
    assert sld.load_model(checkpoint, unet=folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"attention_head_dim": [2, 2]}))
    assert sld.load_model(checkpoint, unet=folder)  # the same for each block
    for name, value in {"attention_head_dim": 4, "norm_num_groups": 4, "act_fn": "gelu"}.items():
        (folder / "config.json").write_text(json.dumps(config | {name: value}))
        with pytest.raises(sld.InputError, match=f"found {name}="):
            sld.load_model(checkpoint, unet=folder)


def test_a_weight_in_two_files_of_a_folder_is_refused_with_both_names(checkpoint, base, tmp_path):
    """As shards do that were written over those of another number; the last one read would win."""
    folder = shutil.copytree(checkpoint / "unet", tmp_path / "unet")
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    names = [f"diffusion_pytorch_model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = {key: names[number % 2] for number, key in enumerate(base)}
    for name in names:
        some = {key: value + 1 for key, value in base.items() if index[key] == name or key == "conv_in.bias"}
        save_file(some, folder / name, {"format": "pt"})
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    with pytest.raises(sld.InputError, match=r"each weight once, found 'conv_in\.bias' in .*00001.* and in .*00002"):
        sld.load_model(checkpoint, unet=folder)


def test_a_unet_that_does_not_fit_is_refused_before_the_base_is_read(checkpoint, saved, monkeypatch):
    monkeypatch.setattr("sld.checkpoints.loading.pretrained", lambda *_: pytest.fail("the base was read"))
    with pytest.raises(sld.InputError, match=r"1 that the model has no place for \('x'\)"):
        sld.load_model(checkpoint, unet=saved({"conv_in.bias": torch.ones(8), "x": torch.ones(1)}))


@pytest.mark.parametrize(("channels", "task"), [(9, "inpainting"), (8, "editing a picture"), (5, "depth to image")])
@pytest.mark.parametrize("as_folder", [False, True])
def test_a_unet_for_another_task_is_called_by_it(checkpoint, base, saved, tmp_path, channels, task, as_folder):
    new_weights = saved(base | {"conv_in.weight": torch.zeros(8, channels, 3, 3)})
    if as_folder:
        folder = shutil.copytree(checkpoint / "unet", tmp_path / "unet")
        new_weights = new_weights.rename(folder / "diffusion_pytorch_model.safetensors").parent
    with pytest.raises(sld.InputError, match=rf"found one with {channels}, .* for {task}: give the UNet of a"):
        sld.load_model(checkpoint, unet=new_weights)
