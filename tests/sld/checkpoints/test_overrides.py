"""Every part of a checkpoint can be replaced, from a folder, a file or the hub; what has no effect is refused."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import sld

UNET, VAE = (f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae"))
TEXT, TEXT_2 = (f"text_encoder{end}/model.safetensors" for end in ("", "_2"))
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def xl(tmp_path_factory):
    place = tmp_path_factory.mktemp("xl")
    return [
        sld.write_tiny_checkpoint(place / str(seed), family="stable-diffusion-xl", seed=seed, width=8, text_width=16)
        for seed in (1, 2)
    ]


@pytest.fixture
def saved(tmp_path):
    def saved(weights, name="new.safetensors"):
        save_file({key: value.contiguous() for key, value in weights.items()}, tmp_path / name, {"format": "pt"})
        return tmp_path / name

    return saved


def refusal(*arguments, **options):
    with pytest.raises(sld.InputError) as caught:
        sld.load_model(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def floats(path):
    return {name: value.float() for name, value in load_file(path).items()}


@pytest.mark.parametrize(("part", "file"), [("vae", VAE), ("text_encoder", TEXT)])
def test_each_part_is_replaced_and_its_change_is_on_record(checkpoint, saved, part, file):
    weights = floats(checkpoint / file)
    name = next(name for name, value in weights.items() if value.ndim > 1)
    path = saved({name: weights[name] + 1})
    model = sld.load_model(checkpoint, parts={part: path})
    own = getattr(model, part).state_dict()
    assert torch.equal(own[name.removeprefix("text_model.") if part == "text_encoder" else name], weights[name] + 1)
    described = model.describe()
    audit = described["replaced"][part]
    counts = {"source": str(path), "given": 1, "used": 1, "different": 1, "of": len(weights)}
    assert audit == counts | {"relative_change": audit["relative_change"]}
    assert f"{part}=new.safetensors" in described["weights"]
    assert json.loads(json.dumps(described, allow_nan=False))
    assert "base model would be evaluated" in refusal(checkpoint, parts={part: saved(weights)})


def test_whole_folders_replace_parts_of_a_family_with_two_text_encoders(xl):
    base, other = xl
    parts = {"text_encoder_2": other / "text_encoder_2", "vae": other, "unet": other / UNET}
    described = sld.load_model(base, parts=parts).describe()
    assert list(described["replaced"]) == list(parts)
    for part, file in (("text_encoder_2", TEXT_2), ("vae", VAE), ("unet", UNET)):
        audit = described["replaced"][part]
        assert audit["given"] == audit["used"] == len(load_file(other / file))
    own = sld.load_model(other).describe()["weights"]
    assert described["weights"]["text_encoder_2=model.safetensors"] == own[TEXT_2]


def test_what_lies_unread_beside_the_base_and_beside_its_replacement_is_said_of_both(checkpoint, saved, tmp_path):
    base = shutil.copytree(checkpoint, tmp_path / "base")
    shutil.copy(base / UNET, (base / UNET).with_suffix(".fp16.safetensors"))
    whole = {f"unet.{name}": value + 1 for name, value in floats(base / UNET).items()} | {"vae.x": torch.ones(1)}
    described = sld.load_model(base, unet=saved(whole)).describe()
    assert described["left_aside"] == [
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae.* (1 tensor) in new.safetensors",
    ]


def test_the_texts_of_a_whole_clip_s_file_are_used_and_the_rest_counted(checkpoint, saved):
    weights = {name: value + 1 for name, value in floats(checkpoint / TEXT).items()}
    more = {"vision_model.x.weight": torch.ones(1), "logit_scale": torch.ones(1)}
    audit = sld.load_model(checkpoint, parts={"text_encoder": saved(weights | more)}).describe()["replaced"]
    assert audit["text_encoder"]["given"] == len(weights) + 2
    assert audit["text_encoder"]["used"] == len(weights)


@pytest.mark.parametrize("key", ["num_attention_heads", "hidden_act"])
def test_a_folder_that_computes_otherwise_is_refused(checkpoint, tmp_path, key):
    folder = shutil.copytree(checkpoint / "text_encoder", tmp_path / "text")
    save_file({k: v + 1 for k, v in load_file(folder / "model.safetensors").items()}, folder / "model.safetensors")
    assert sld.load_model(checkpoint, parts={"text_encoder": folder})
    config = json.loads((folder / "config.json").read_text())
    other = {"num_attention_heads": 1, "hidden_act": "gelu"}[key]
    (folder / "config.json").write_text(json.dumps(config | {key: other}))
    assert f"found {key}={other!r}" in refusal(checkpoint, parts={"text_encoder": folder})


def test_a_part_that_the_family_lacks_is_refused_with_those_it_has(checkpoint, saved):
    path = saved({"a": torch.ones(1)})
    message = refusal(checkpoint, parts={"transformer": path})
    assert "with unet, vae, text_encoder" in message
    assert message.endswith("leave transformer= out")
    assert "found 'unett'" in refusal(checkpoint, parts={"unett": path})
    assert "found both" in refusal(checkpoint, unet=path, parts={"unet": path})
    assert "found nothing at" in refusal(checkpoint, parts={"vae": path.with_name("none")})


def test_a_family_without_t5_has_none_to_leave_out(checkpoint):
    assert refusal(checkpoint, t5=False).endswith("leave t5= out")


def test_a_family_whose_only_text_encoder_is_a_t5_needs_it(checkpoint_of):
    assert "found PixArt" in refusal(checkpoint_of("pixart-sigma"), t5=False)


def test_one_of_several_shards_is_no_part(checkpoint, saved):
    path = saved(load_file(checkpoint / UNET), "diffusion_pytorch_model-00001-of-00002.safetensors")
    message = refusal(checkpoint, unet=path)
    assert f"a complete UNet, found one of several shards at {path}: give its folder, unet={path.parent}" in message


def test_a_model_that_can_do_without_t5_is_loaded_without_it(tmp_path):
    folder = sld.write_tiny_checkpoint(tmp_path / "three", family="stable-diffusion-3", width=8, text_width=16)
    whole = sld.load_model(folder).describe()
    shutil.rmtree(folder / "text_encoder_3")
    shutil.rmtree(folder / "tokenizer_3")
    described = sld.load_model(folder, t5=False).describe()
    assert described["without"] == ["text_encoder_3"]
    assert "without" not in whole
    assert {n: x for n, x in whole["weights"].items() if not n.startswith("text_encoder_3")} == described["weights"]


def test_a_t5_that_has_its_embedding_under_both_names_replaces_it(tmp_path, saved):
    base = sld.write_tiny_checkpoint(tmp_path / "base", family="pixart-sigma", width=16, text_width=16)
    changed = floats(base / TEXT)["shared.weight"] + 1
    path = saved({"shared.weight": changed, "encoder.embed_tokens.weight": changed.clone()})
    model = sld.load_model(base, parts={"text_encoder": path})
    assert torch.equal(model._encoder.encoder.embed_tokens.weight, changed)


@pytest.mark.parametrize("family", ["stable-diffusion-3", "pixart-sigma"])
def test_a_whole_transformer_replaces_a_family_s(tmp_path, family):
    base, other = (
        sld.write_tiny_checkpoint(tmp_path / name, family=family, width=8, text_width=16, seed=seed)
        for seed, name in enumerate(("base", "other"))
    )
    audit = sld.load_model(base, parts={"transformer": other}).describe()["replaced"]["transformer"]
    assert audit["given"] == audit["used"] == audit["of"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_without_a_vae_is_completed_by_one(pair, saved, whole):
    folder, file, config = pair
    weights = {name: value for name, value in load_file(file).items() if not name.startswith("first_stage_model.")}
    path = saved(weights, "model.safetensors")
    vae = load_file(folder / VAE)
    message = refusal(path, config=config)
    assert message.endswith("or give one, vae=PATH")
    if not whole:
        missing = vae.popitem()[0]
        assert f"found 1 missing ('{missing}')" in refusal(path, config=config, parts={"vae": saved(vae)})
        return
    model, complete = sld.load_model(path, config=config, parts={"vae": folder / "vae"}), sld.load_model(folder)
    for part in ("unet", "vae", "text_encoder"):
        own, expected = (getattr(loaded, part).state_dict() for loaded in (model, complete))
        assert all(torch.equal(own[name], value) for name, value in expected.items())
    audit = model.describe()["replaced"]["vae"]
    assert (audit["used"], audit["relative_change"], audit["has_base"]) == (len(vae), None, False)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of folders: `download(ORG/NAME)` lists what was fetched, by repository."""
    from huggingface_hub.utils import filter_repo_objects

    fetched, origin = {}, tmp_path / "origin"

    def files_of(repository):
        folder = origin / repository
        return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]

    def snapshot_download(repository, revision=None, allow_patterns=None, local_files_only=False):
        place = tmp_path / "cache" / repository / COMMIT
        for name in filter_repo_objects(files_of(repository), allow_patterns=allow_patterns):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(origin / repository / name, place / name)
            fetched.setdefault(repository, set()).add(name)
        return str(place)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", lambda _, name, revision=None: files_of(name))
    return origin, fetched


def test_of_a_repository_what_the_family_needs_is_downloaded_and_no_more(xl, hub):
    origin, fetched = hub
    place = shutil.copytree(xl[0], origin / "org/xl")
    needed = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    for extra in (
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "one.safetensors",
    ):
        shutil.copy(place / UNET, place / extra)
    (place / "safety_checker").mkdir()
    shutil.copy(place / TEXT, place / "safety_checker/model.safetensors")
    description = sld.load_model("org/xl@main").describe()
    assert fetched["org/xl"] == needed
    assert description["revision"] == COMMIT


def test_variants_are_downloaded_where_there_is_nothing_else(checkpoint, hub):
    origin, _ = hub
    place = shutil.copytree(checkpoint, origin / "org/half")
    (place / UNET).rename(place / "unet/diffusion_pytorch_model.fp16.safetensors")
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in sld.load_model("org/half").describe()["weights"]
    torch.save(load_file(place / VAE), place / "vae/diffusion_pytorch_model.bin")
    (place / VAE).rename(place / "vae/diffusion_pytorch_model.fp16.safetensors")
    shutil.rmtree(origin.parent / "cache")
    assert "found a pickle, diffusion_pytorch_model.bin" in refusal("org/half")


@pytest.mark.parametrize("name", ["org/vae@v1", "org/vae:inner/ema", "org/vae:weights.safetensors", "org/whole"])
def test_a_part_comes_from_a_repository_and_nothing_else_of_it(checkpoint, hub, name):
    origin, fetched = hub
    repository, _, inner = name.replace("@v1", "").partition(":")
    place = origin / repository
    part = shutil.copytree(checkpoint / "vae", place / ("vae" if repository == "org/whole" else inner.split(".")[0]))
    weights = {key: value + 1 for key, value in load_file(part / "diffusion_pytorch_model.safetensors").items()}
    save_file(weights, part / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    if inner.endswith(".safetensors"):
        shutil.copy(part / "diffusion_pytorch_model.safetensors", place / inner)
    needed = {inner} if inner.endswith(".safetensors") else {
        (part / file).relative_to(place).as_posix() for file in ("config.json", "diffusion_pytorch_model.safetensors")
    }  # fmt: skip
    shutil.copytree(checkpoint / "unet", place / "unet")
    audit = sld.load_model(checkpoint, parts={"vae": name}).describe()["replaced"]["vae"]
    assert (audit["source"], audit["revision"], audit["different"]) == (name, COMMIT, len(weights))
    assert fetched[repository] == needed


def test_a_repository_without_the_part_is_refused(checkpoint, hub):
    origin, _ = hub
    shutil.copytree(checkpoint / "unet", origin / "org/vae" / "unet")
    message = refusal(checkpoint, parts={"vae": "org/vae"})
    assert str(origin.parent / "cache/org/vae" / COMMIT) in message


def test_a_hub_s_model_of_another_family_is_refused_before_its_weights_are_downloaded(xl, hub):
    origin, fetched = hub
    shutil.copytree(xl[0], origin / "org/xl")
    assert refusal("org/xl", parts={"transformer": xl[0] / UNET}).endswith("leave transformer= out")
    assert fetched["org/xl"] == {"model_index.json", "unet/config.json"}


def test_flux_is_refused_for_its_guidance_and_not_for_its_name(tmp_path):
    (tmp_path / "transformer").mkdir()
    index = {"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    for embeds, words in ((True, "distilled (guidance_embeds=True)"), (False, "found FluxPipeline")):
        (tmp_path / "transformer/config.json").write_text(json.dumps({"guidance_embeds": embeds}))
        assert words in refusal(tmp_path)


def test_a_model_for_another_task_is_refused_in_every_family(xl, tmp_path):
    folder = shutil.copytree(xl[0], tmp_path / "inpainting")
    config = json.loads((folder / "unet/config.json").read_text())
    (folder / "unet/config.json").write_text(json.dumps(config | {"in_channels": 9}))
    assert "found one with 9 input channels for 4" in refusal(folder)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("unet/config.json", {"time_cond_proj_dim": 256}, "distilled (time_cond_proj_dim=256)"),
        ("unet/config.json", {"guidance_embeds": True}, "distilled (guidance_embeds=True)"),
        ("model_index.json", {"is_distilled": True}, "distilled (is_distilled=True)"),
        ("model_index.json", {"requires_aesthetics_score": True}, "a refiner of pictures: choose the base model"),
    ],
)
def test_models_without_guidance_of_their_own_are_refused(checkpoint, tmp_path, file, change, words):
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | change))
    shutil.rmtree(folder / "vae")  # whatever else is wrong
    message = refusal(folder)
    assert words in message
    assert "choose the " in message
