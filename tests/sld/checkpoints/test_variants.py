"""Of several forms of one component's weights the one that diffusers and transformers read is read, whole, alone."""

import json
import shutil

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

import sld

UNET, TEXT = "unet/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"
STEM = "diffusion_pytorch_model"


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


@pytest.fixture
def weights(checkpoint):
    return load_file(checkpoint / UNET)


@pytest.fixture
def folder(checkpoint, tmp_path):
    """A UNet's folder with nothing but its configuration."""
    place = tmp_path / "erased"
    place.mkdir()
    shutil.copy(checkpoint / "unet" / "config.json", place)
    return place


def moved(weights, by):
    return {name: value + by for name, value in weights.items()}


def write(path, weights):
    torch.save(weights, path) if path.suffix == ".bin" else save_file(weights, path, {"format": "pt"})


def shards(folder, stem, suffix, weights, variant="", index=True):
    """Two files, as diffusers and transformers name them."""
    names = list(weights)
    dot = f".{variant}" if variant else ""
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        path = folder / f"{stem}{dot}-{number:05}-of-00002{suffix}"
        write(path, {name: weights[name] for name in part})
        weight_map |= dict.fromkeys(part, path.name)
    if index:
        content = {"metadata": {"total_size": 0}, "weight_map": weight_map}
        (folder / f"{stem}{suffix}.index{dot}.json").write_text(json.dumps(content))


def shift(model, weights):
    """By how much the model's UNet lies above the base's; every tensor by the same, so that none is another file's."""
    own = model.unet.state_dict()
    shifts = torch.stack([(own[name] - value).mean() for name, value in weights.items()])
    assert shifts.std() < 1e-5
    return round(float(shifts.mean()), 2)


def refusal(*arguments, **options):
    with pytest.raises(sld.InputError) as caught:
        sld.load_model(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
def test_the_main_file_is_read_and_the_variants_beside_it_are_left(checkpoint, folder, weights, suffix):
    for name, by in (("", 1), (".non_ema", 2), (".fp16", 3)):
        write(folder / f"{STEM}{name}{suffix}", moved(weights, by))
    model = sld.load_model(checkpoint, unet=folder, allow_pickle=True)
    assert shift(model, weights) == 1
    upstream = UNet2DConditionModel.from_pretrained(folder, use_safetensors=suffix != ".bin")
    assert torch.equal(model.unet.conv_in.weight, upstream.conv_in.weight)
    assert [name for name in model.describe()["weights"] if "=" in name] == [f"unet={STEM}{suffix}"]
    assert model.describe()["left_aside"] == [f"unet={STEM}{name}{suffix}" for name in (".fp16", ".non_ema")]


def test_in_a_checkpoint_it_is_the_same_and_what_is_left_aside_is_said(checkpoint, copy, weights):
    for name, by in ((".non_ema.safetensors", 2), (".fp16.safetensors", 3), (".bin", 4)):
        write(copy / "unet" / f"{STEM}{name}", moved(weights, by))
    description = sld.load_model(copy).describe()
    assert shift(sld.load_model(copy), weights) == 0
    assert f"unet/{STEM}.safetensors" in description["weights"]
    assert description["left_aside"] == [
        f"unet/{STEM}{end}" for end in (".bin", ".fp16.safetensors", ".non_ema.safetensors")
    ]
    assert "left_aside" not in sld.load_model(checkpoint).describe()


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
@pytest.mark.parametrize("index", [True, False])
def test_all_shards_are_read(checkpoint, copy, folder, weights, suffix, index):
    shards(folder, STEM, suffix, moved(weights, 1), index=index)
    shards(folder, STEM, suffix, moved(weights, 2), variant="fp16", index=index)
    assert shift(sld.load_model(checkpoint, unet=folder, allow_pickle=True), weights) == 1
    (copy / UNET).unlink()
    shards(copy / "unet", STEM, suffix, moved(weights, 1), index=index)
    assert shift(sld.load_model(copy, allow_pickle=True), weights) == 1


@pytest.mark.parametrize("suffix", [".bin", ".safetensors"])
@pytest.mark.parametrize("index", [True, False])
def test_a_missing_shard_is_refused(checkpoint, folder, weights, suffix, index):
    shards(folder, STEM, suffix, moved(weights, 1), index=index)
    (folder / f"{STEM}-00002-of-00002{suffix}").unlink()
    message = refusal(checkpoint, unet=folder, allow_pickle=True)
    assert f"{folder} must hold all 2 shards of the weights, found no {STEM}-00002-of-00002{suffix}: " in message


def test_an_index_of_lost_shards_is_stale_and_one_of_shards_that_are_there_is_read_as_the_libraries_do(
    checkpoint, copy, folder, weights
):
    write(folder / f"{STEM}.safetensors", moved(weights, 1))
    shards(folder, STEM, ".safetensors", moved(weights, 2))
    model = sld.load_model(checkpoint, unet=folder)
    upstream = UNet2DConditionModel.from_pretrained(folder)
    assert torch.equal(model.unet.conv_in.weight, upstream.conv_in.weight)
    assert shift(model, weights) == 2
    (folder / f"{STEM}-00001-of-00002.safetensors").unlink()
    assert shift(sld.load_model(checkpoint, unet=folder), weights) == 1

    text = load_file(copy / TEXT)
    shards(copy / "text_encoder", "model", ".safetensors", moved(text, 1))
    model, upstream = sld.load_model(copy), CLIPTextModel.from_pretrained(copy / "text_encoder")
    assert torch.equal(model.text_encoder.get_input_embeddings().weight, upstream.get_input_embeddings().weight.float())


@pytest.mark.parametrize(("variant", "single"), [("fp16", True), ("non_ema", True), ("fp16", False)])
def test_the_only_variant_there_is_is_read_and_said(copy, weights, variant, single):
    (copy / UNET).unlink()
    if single:
        write(copy / "unet" / f"{STEM}.{variant}.safetensors", moved(weights, 1))
    else:
        shards(copy / "unet", STEM, ".safetensors", moved(weights, 1), variant)
    model = sld.load_model(copy)
    assert shift(model, weights) == 1
    upstream = UNet2DConditionModel.from_pretrained(copy / "unet", variant=variant)
    assert torch.equal(model.unet.conv_in.weight, upstream.conv_in.weight)
    assert sum(f".{variant}" in name for name in model.describe()["weights"]) == (1 if single else 2)


def test_of_two_variants_without_a_main_file_none_is_guessed(copy, weights):
    (copy / UNET).rename(copy / "unet" / f"{STEM}.fp16.safetensors")
    write(copy / "unet" / f"{STEM}.non_ema.safetensors", moved(weights, 1))
    message = refusal(copy)
    assert "found only the variants fp16, non_ema: rename" in message
    assert message.endswith(f"rename the files of the intended one to {STEM}.safetensors")
    (copy / "unet" / f"{STEM}.fp16.safetensors").rename(copy / UNET)
    assert shift(sld.load_model(copy), weights) == 0


def test_a_variant_never_stands_in_for_a_main_file_that_is_a_pickle(copy, weights):
    (copy / UNET).unlink()
    write(copy / "unet" / f"{STEM}.bin", moved(weights, 1))
    write(copy / "unet" / f"{STEM}.fp16.safetensors", moved(weights, 2))
    assert f"found a pickle, {STEM}.bin" in refusal(copy)
    assert shift(sld.load_model(copy, allow_pickle=True), weights) == 1


def test_files_of_other_names_are_named_and_not_read(checkpoint, folder, weights):
    write(folder / "my_unet.safetensors", moved(weights, 1))
    message = refusal(checkpoint, unet=folder)
    assert "found only my_unet.safetensors: rename" in message
    (folder / "my_unet.safetensors").rename(folder / f"{STEM}.safetensors")
    assert shift(sld.load_model(checkpoint, unet=folder), weights) == 1


def test_an_index_of_files_that_do_not_belong_together_is_refused(checkpoint, folder, weights):
    shards(folder, STEM, ".safetensors", moved(weights, 1))
    index = folder / f"{STEM}.safetensors.index.json"
    content = json.loads(index.read_text())
    first, second = f"{STEM}-00001-of-00002.safetensors", f"{STEM}-00002-of-00002.safetensors"

    def listing(change):
        index.write_text(json.dumps(content | {"weight_map": {k: change(v) for k, v in content["weight_map"].items()}}))
        return refusal(checkpoint, unet=folder)

    assert "all 2 shards, found 1 of them" in listing(lambda name: first)
    second_path = second.replace(STEM, f"{STEM}.fp16")
    assert "found files of several" in listing(lambda name: name.replace(second, second_path))
    assert "plain" not in listing(lambda name: f"../{name}")
    index.unlink()
    shutil.copy(folder / first, folder / second)
    assert "must hold each weight once" in refusal(checkpoint, unet=folder)


def test_one_shard_alone_is_not_taken_for_a_whole_unet(checkpoint, folder, weights):
    shards(folder, STEM, ".safetensors", moved(weights, 1))
    message = refusal(checkpoint, unet=folder / f"{STEM}-00001-of-00002.safetensors")
    assert message.endswith(f"give its folder, unet={folder}")
    assert shift(sld.load_model(checkpoint, unet=folder), weights) == 1


@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_of_both_of_torch_s_formats_are_read(checkpoint, folder, weights, zipped):
    torch.save(moved(weights, 1), folder / "erased.pt", _use_new_zipfile_serialization=zipped)
    assert shift(sld.load_model(checkpoint, unet=folder / "erased.pt", allow_pickle=True), weights) == 1
