"""Checkpoints load from folders, files and hub ids; what cannot be loaded is explained in one sentence."""

import errno
import json
import pathlib
import shutil
import sys
import types

import pytest
import torch
from safetensors.torch import load_file, save_file

import sld
from sld.schedulers import NAMES

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


def refusal(*arguments, **options):
    with pytest.raises(sld.InputError) as caught:
        sld.load_model(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert " must " in message
    assert "found" in message
    return message


def test_the_tiny_checkpoint_is_a_function_of_its_arguments(tmp_path):
    first, same, second = (
        sld.write_tiny_checkpoint(tmp_path / name, seed=seed, width=8, text_width=16)
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    digests = [sld.load_model(folder).describe()["weights"] for folder in (first, same, second)]
    assert digests[0] == digests[1]
    assert all(digests[0][name] != digests[2][name] for name in digests[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other", "same"]


def test_the_tiny_checkpoint_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr("sld.checkpoints.tiny.stable_diffusion.write_clip_tokenizer", fail)
    with pytest.raises(OSError, match="disk full"):
        sld.write_tiny_checkpoint(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_the_tiny_checkpoint_replaces_nothing_but_a_checkpoint(tmp_path):
    (tmp_path / "notes.txt").write_text("keep")
    with pytest.raises(sld.InputError, match="found other files"):
        sld.write_tiny_checkpoint(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "keep"
    with pytest.raises(sld.InputError, match="found 'x0'"):
        sld.write_tiny_checkpoint(tmp_path / "new", prediction_type="x0")
    for _ in range(2):
        assert sld.load_model(sld.write_tiny_checkpoint(tmp_path / "new", width=8, text_width=16))


def test_nothing_there_and_no_hub_id(tmp_path):
    assert "nothing at" in refusal(tmp_path / "missing")
    assert "nothing at" in refusal(tmp_path / "missing.safetensors")
    assert "nothing at" in refusal("org/model.safetensors")
    assert "nothing at" in refusal("a\0b")
    assert "nothing at" in refusal("a\udcff")


LONG = f"{'a' * 300}.safetensors"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("~nobody-here/x", "must begin with the home folder of a user of this machine, found no user ~nobody-here:"),
        ("~nobody-here/x:y", "found no user ~nobody-here: write ./~nobody-here/x:y for a folder of that name"),
        (LONG, "must be a path that this user can reach, found that it can't be (File name too long): give another"),
        (f"{LONG}:x!", "(File name too long)"),
        (f"here/{LONG[:280]}", "(File name too long)"),  # as a repository is named
    ],
)
def test_a_path_that_can_t_be_is_refused_wherever_one_is_given(given, reason, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    for options in ({"source": given}, {"unet": given}, {"parts": {"vae": given}}, {"lora": given}):
        sentence = refusal(**{"source": checkpoint} | options)
        assert sentence.startswith(given)
        assert reason in sentence


def test_a_home_folder_is_expanded_in_the_path_of_a_configuration_too(pair, monkeypatch):
    _, file, config = pair
    monkeypatch.setenv("HOME", str(config.parent))
    assert sld.load_model(file, config=f"~/{config.name}")
    assert "found no user ~nobody-here" in refusal(file, config="~nobody-here/x")
    assert "(File name too long)" in refusal(file, config=LONG)


def test_a_folder_closed_to_this_user_is_named(tmp_path, monkeypatch):
    def closed(path, *arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(pathlib.Path, "exists", closed)
    sentence = refusal(tmp_path / "x.safetensors")
    assert "found that it can't be (Permission denied): give the user permission, or give another path" in sentence


def test_an_unreachable_hub_is_explained_without_another_try(nothing_waits):
    message = refusal("org-of-nobody/model-of-nobody@v1")
    assert "'org-of-nobody/model-of-nobody'" in message
    assert "'v1'" in message


def test_a_cached_hub_id_loads_offline(checkpoint, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--org--name"
    shutil.copytree(checkpoint, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1.0").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for revision in ("v1.0", commit):
        description = sld.load_model(f"org/name@{revision}").describe()
        assert description["revision"] == commit
        assert description["source"] == f"org/name@{revision}"


def test_a_folder_without_a_checkpoint(tmp_path):
    assert "model_index.json" in refusal(tmp_path)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "tokenizer", "scheduler"])
def test_a_missing_component(copy, part):
    shutil.rmtree(copy / part)
    assert part in refusal(copy)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda complete: complete[: len(complete) // 2], "truncated"),
        (lambda complete: complete[:4], "truncated"),
        (lambda complete: b"", "an empty file"),
        (lambda complete: bytes(range(256)) * 40, "foreign"),
        (lambda complete: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        (lambda complete: b"PK\x03\x04" + complete, "a pickle"),
    ],
)
def test_damaged_weights_are_named(copy, content, words):
    path = copy / UNET
    path.write_bytes(content(path.read_bytes()))
    message = refusal(copy)
    assert words in message
    assert str(path) in message


@pytest.mark.parametrize("name", ["erased.safetensors", "erased.pt"])
def test_weights_that_this_user_may_not_read_are_not_called_damaged(checkpoint, tmp_path, monkeypatch, name):
    closed, opened = tmp_path / name, pathlib.Path.open
    closed.write_bytes(b"PK\x03\x04")

    def as_another_user(path, *arguments, **options):
        if path == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(pathlib.Path, "open", as_another_user)
    message = rf"{name} must be a file that this user can read, found that it can't be \(Permission denied\): give"
    with pytest.raises(sld.InputError, match=message):
        sld.load_model(checkpoint, unet=closed, allow_pickle=True)


@pytest.mark.parametrize(("suffix", "what"), [(".safetensors", "a safetensors file"), (".bin", "a file of weights")])
@pytest.mark.parametrize("make", [pathlib.Path.mkdir, lambda path: path.symlink_to("gone")], ids=["folder", "link"])
def test_a_folder_or_a_link_to_nothing_in_the_place_of_weights_is_no_file(checkpoint, tmp_path, make, suffix, what):
    path = (tmp_path / UNET).with_suffix(suffix)
    path.parent.mkdir()
    shutil.copy((checkpoint / UNET).with_name("config.json"), path.parent)
    make(path)
    with pytest.raises(sld.InputError, match=f"{path} must be {what}, found none: complete the checkpoint"):
        sld.load_model(checkpoint, unet=path.parent, allow_pickle=True)


def test_pickles_are_refused_and_read_weights_only_on_request(copy, model):
    path = copy / UNET
    pickled = path.with_suffix(".bin")
    torch.save(load_file(path), pickled)
    path.unlink()
    assert "pickle, diffusion_pytorch_model.bin" in refusal(copy)
    loaded = sld.load_model(copy, allow_pickle=True)
    assert torch.equal(loaded.unet.conv_in.weight, model.unet.conv_in.weight)

    class Hostile:
        def __reduce__(self):
            return (pickled.unlink, ())

    torch.save({"conv_in.weight": Hostile()}, pickled)
    assert "found" in refusal(copy, allow_pickle=True)
    assert pickled.exists()


def lightning_class(package):
    """A class as PyTorch Lightning's callbacks are in a checkpoint of its own; its package has had three names."""
    steps = [*package.split("."), "callbacks", "model_checkpoint"]
    names = [".".join(steps[:end]) for end in range(1, len(steps) + 1)]
    modules = {name: types.ModuleType(name) for name in names}
    kind = type("ModelCheckpoint", (), {"__module__": names[-1]})
    modules[names[-1]].ModelCheckpoint = kind
    return kind, modules


@pytest.mark.parametrize("pair", ["sd1"], indirect=True)
@pytest.mark.parametrize(
    ("package", "as_object"),
    [
        *(("pytorch_lightning", as_object) for as_object in (False, True)),
        ("lightning.pytorch", True),
        ("lightning_fabric", True),
    ],
)
def test_the_weights_beside_a_trainer_s_own_objects_are_read_without_its_classes(
    pair, tmp_path, monkeypatch, package, as_object
):
    _, file, config = pair
    kind, modules = lightning_class(package)
    with monkeypatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        callbacks = [kind()] if as_object else {kind: {"best_model_score": None}}
        torch.save({"epoch": 5, "state_dict": load_file(file), "callbacks": callbacks}, tmp_path / "model.ckpt")
    loaded = sld.load_model(tmp_path / "model.ckpt", config=config, allow_pickle=True)
    expected = load_file(file)["model.diffusion_model.input_blocks.0.0.weight"]
    assert torch.equal(loaded.unet.conv_in.weight, expected.float())


def test_a_pickle_s_other_classes_are_refused_by_name(copy):
    pickled = (copy / UNET).with_suffix(".bin")
    torch.save({"conv_in.weight": torch.ones(1), "path": pathlib.PurePosixPath("a")}, pickled)
    (copy / UNET).unlink()
    assert "found a file from which torch reads no plain tensors (pathlib." in refusal(copy, allow_pickle=True)


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, on what is beta there
@pytest.mark.parametrize(
    "odd",
    [
        lambda x: x.flatten(1).to_sparse(),
        lambda x: x.flatten(1).to_sparse_csr(),
        lambda x: x.to("meta"),
        lambda x: torch.nested.nested_tensor([x[0, 0], x[1, 0]]),
    ],
)
def test_pickled_tensors_without_a_number_in_each_place_are_refused(copy, checkpoint, odd):
    weights = load_file(copy / UNET)
    pickled = (copy / UNET).with_suffix(".bin")
    torch.save(weights | {"conv_in.weight": odd(weights["conv_in.weight"])}, pickled)
    words = "found 1 sparse, nested or without numbers ('conv_in.weight')"
    assert words in refusal(checkpoint, unet=pickled, allow_pickle=True)
    (copy / UNET).unlink()
    assert words in refusal(copy, allow_pickle=True)


def test_missing_weights_are_not_replaced_by_random_ones(copy):
    for name, key in ((UNET, "conv_out.weight"), ("text_encoder/model.safetensors", None)):
        weights = load_file(copy / name)
        key = key or next(iter(weights))
        save_file({second: value for second, value in weights.items() if second != key}, copy / name, {"format": "pt"})
        assert name.split("/")[0] in refusal(copy)
        save_file(weights, copy / name, {"format": "pt"})
    assert sld.load_model(copy)


def test_a_broken_configuration(copy):
    (copy / "unet" / "config.json").write_text("{")
    assert "unet/config.json" in refusal(copy)
    (copy / "unet" / "config.json").write_text(json.dumps({"block_out_channels": "none"}))
    assert str(copy / "unet") in refusal(copy)


@pytest.mark.parametrize(
    "change", [{"text_encoder_2": ["transformers", "CLIPTextModel"]}, {"unet": ["a", "B"]}, {"vae": [None, None]}]
)
def test_other_families_are_refused(copy, change):
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | change))
    assert "Stable Diffusion 1.x or 2.x" in refusal(copy)


def test_an_unknown_scheduler_dtype_or_device(checkpoint, copy):
    assert "ddim, pndm, euler, dpm++, euler_a, lms" in refusal(checkpoint, scheduler="dimd")
    assert "found a int" in refusal(checkpoint, scheduler=3)
    assert "float64, float32, float16, bfloat16" in refusal(checkpoint, dtype="float8")
    assert "found 'cuda:99'" in refusal(checkpoint, device="cuda:99")
    assert "found 'gpu'" in refusal(checkpoint, device="gpu")
    (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": "Nothing"}))
    assert "'Nothing'" in refusal(copy)


def test_a_checkpoints_own_scheduler_is_set_as_its_pipeline_sets_it_and_is_of_its_kind(copy):
    path, index = copy / "scheduler" / "scheduler_config.json", copy / "model_index.json"
    config = json.loads(path.read_text())

    def save(name, settings):
        path.write_text(json.dumps({"_class_name": name} | settings))
        index.write_text(json.dumps(json.loads(index.read_text()) | {"scheduler": ["diffusers", name]}))

    del config["_class_name"]
    save("DDIMScheduler", config | {"steps_offset": 0, "clip_sample": True})
    scheduler = sld.load_model(copy).scheduler
    assert type(scheduler).__name__ == "DDIMScheduler"
    assert (scheduler.config.steps_offset, scheduler.config.clip_sample) == (1, False)
    save("FlowMatchEulerDiscreteScheduler", {"shift": 3.0})
    assert "found FlowMatchEulerDiscreteScheduler: correct scheduler_config.json" in refusal(copy)


@pytest.mark.parametrize("name", ["DPM++ 2M", "Euler a", "EULER-ANCESTRAL", "plms"])
def test_scheduler_names_are_lenient(checkpoint, name):
    assert sld.load_model(checkpoint, scheduler=name).scheduler is not None


def test_another_unet_replaces_the_checkpoints(checkpoint, copy, tmp_path):
    weights = load_file(checkpoint / UNET)
    part = {"conv_in.bias": torch.ones_like(weights["conv_in.bias"])}
    save_file(part, tmp_path / "erased.safetensors")
    save_file(weights | part, copy / UNET)
    for unet in (tmp_path / "erased.safetensors", copy / "unet", copy):
        model = sld.load_model(checkpoint, unet=unet)
        assert model.unet.conv_in.bias.tolist() == [1.0] * 8
        assert torch.equal(model.unet.conv_in.weight, weights["conv_in.weight"])
        assert len(model.describe()["weights"]) == 4


def test_a_unet_that_does_not_fit_is_refused(checkpoint, tmp_path):
    path = tmp_path / "unet.safetensors"
    save_file({"model.diffusion_model.x": torch.zeros(1)}, path)
    assert "1 that the model has no place for ('model.diffusion_model.x')" in refusal(checkpoint, unet=path)
    save_file({"conv_in.bias": torch.zeros(9)}, path)
    assert "1 of another shape ('conv_in.bias': (9,) for (8,))" in refusal(checkpoint, unet=path)
    torch.save({"conv_in.bias": torch.ones(8)}, tmp_path / "unet.pt")
    assert "allow_pickle" in refusal(checkpoint, unet=tmp_path / "unet.pt")
    assert sld.load_model(checkpoint, unet=tmp_path / "unet.pt", allow_pickle=True).unet.conv_in.bias.sum() == 8
    assert "found nothing at" in refusal(checkpoint, unet=tmp_path / "missing")


@pytest.mark.parametrize("scheduler", NAMES)
def test_a_description_is_json_with_every_scheduler(checkpoint, scheduler):
    json.dumps(sld.load_model(checkpoint, scheduler=scheduler).describe(), allow_nan=False)
