"""Q16 against open_clip's own road: its model, its transform, and the formula written out."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import CLIPConfig, CLIPModel

import sld
from eval.base.errors import InputError, JudgeError
from eval.judges.clip import weights as clip_weights
from eval.judges.inputs import check_pictures
from eval.judges.q16 import Q16
from i2p.demo import trained
from sld.checkpoints.files import sha256


@pytest.fixture(scope="module")
def judge(tiny):
    return Q16(tiny.architecture, tiny.weights, tiny.prompts)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    shapes = [(64, 64), (512, 512), (90, 200), (200, 90), (1, 1), (1, 50), (33, 65)]
    smooth = [Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(s[::-1]) for s in shapes]
    noise = [rng.integers(0, 256, (*s, 3), dtype=np.uint8) for s in shapes]
    return [np.asarray(picture) for picture in smooth] + noise


def expected_logits(tiny, pictures, monkeypatch, prompts):
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", [tiny.architecture])
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", {})
    open_clip.factory._rescan_model_configs()
    model, _, transform = open_clip.create_model_and_transforms("tiny-clip", pretrained=str(tiny.weights))
    model.eval()
    logits = []
    for picture in pictures:
        with torch.no_grad():
            image = model.encode_image(transform(Image.fromarray(picture))[None]).double()
        image = image / image.norm(dim=-1, keepdim=True)
        text = torch.from_numpy(prompts).double()
        text = text / text.norm(dim=-1, keepdim=True)
        logits.append((100 * image @ text.T)[0].numpy())
    return np.stack(logits)


def test_logits_equal_open_clip_and_the_formula(tiny, judge, pictures, monkeypatch):
    prompts = load_file(tiny.prompts)["prompts"].numpy()
    expected = expected_logits(tiny, pictures, monkeypatch, prompts)
    found = judge.judge(pictures)
    assert found.dtype == np.float32
    assert found.shape == (len(pictures), 2)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected[:, 0]) > 1, "pictures too alike for a comparison"


def test_the_published_pair_works_with_its_embedding_size(tiny, tmp_path, pictures, q16_prompts):
    config = tiny.config | {"embed_dim": 768}
    (tmp_path / "wide.json").write_text(json.dumps({"model_cfg": config}))
    torch.manual_seed(0)
    model = open_clip.CLIP(**config).eval()
    save_file(model.state_dict(), tmp_path / "wide.safetensors")
    found = Q16(tmp_path / "wide.json", tmp_path / "wide.safetensors", q16_prompts)
    with q16_prompts.open("rb") as file:
        prompts = torch.from_numpy(pickle.load(file).astype(np.float32))  # the real file, known by its digest
    transform = open_clip.image_transform(64, is_train=False)
    with torch.no_grad():
        images = model.encode_image(torch.stack([transform(Image.fromarray(p)) for p in pictures]), normalize=True)
    expected = 100 * images @ torch.nn.functional.normalize(prompts).T
    np.testing.assert_allclose(found.judge(pictures), expected.numpy(), atol=1e-4)
    assert found.describe()["prompts_sha256"].startswith("9b6c4118")


def test_embeddings_are_what_the_logits_are_made_from(tiny, judge, pictures):
    prompts = load_file(tiny.prompts)["prompts"].numpy()
    prompts = prompts / np.linalg.norm(prompts, axis=1, keepdims=True)
    found = judge.embed(pictures)
    assert (found.shape, found.dtype) == ((len(pictures), 16), np.float32)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(100 * found @ prompts.T, judge.judge(pictures), atol=1e-4)


def test_records_are_the_logits_with_their_embeddings_from_one_call_of_the_network(judge, pictures):
    calls = []
    with judge._encoder.visual.register_forward_hook(lambda *_: calls.append(1)):
        records = judge.records(pictures)
    assert len(calls) == -(-len(pictures) // judge.batch_size)
    np.testing.assert_array_equal(np.array(records, dtype=np.float32), judge.judge(pictures))
    np.testing.assert_array_equal(np.stack([record.embedding for record in records]), judge.embed(pictures))
    assert all(Q16.is_record(record) for record in records)
    assert Q16.cells(records[0]) == Q16.cells(judge.judge(pictures[:1])[0])


def test_the_batch_size_changes_only_the_last_bits(tiny, judge, pictures):
    expected = judge.judge(pictures)
    for batch_size in (1, 3, 32):
        found = Q16(tiny.architecture, tiny.weights, tiny.prompts, batch_size=batch_size).judge(pictures)
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("which", ["tiny", "demo"])  # products of some widths round by place, on some processors
def test_logits_depend_on_no_neighbour_and_no_place(judge, pictures, which):
    if which == "demo":
        files = trained.clip_files()
        judge = Q16(files.config, files.weights, files.prompts)
    expected = judge.judge(pictures)
    np.testing.assert_array_equal(judge.judge(pictures[::-1])[::-1], expected)
    np.testing.assert_array_equal(np.concatenate([judge.judge([picture]) for picture in pictures]), expected)


def test_an_array_of_pictures_is_the_same_as_a_list(judge, pictures):
    stacked = np.stack([pictures[0], pictures[7]])
    np.testing.assert_array_equal(judge.judge(stacked), judge.judge([pictures[0], pictures[7]]))
    assert judge.judge([]).shape == (0, 2)


@pytest.mark.parametrize("size", [(64, 64), (512, 512), (90, 200), (200, 90)])
def test_a_tensor_gets_the_bits_of_its_array(judge, size):
    array = np.random.default_rng(0).integers(0, 256, (7, *size, 3), dtype=np.uint8)
    tensor = torch.from_numpy(array)
    np.testing.assert_array_equal(judge.judge(tensor), judge.judge(array))
    np.testing.assert_array_equal(judge.embed(tensor), judge.embed(array))
    np.testing.assert_array_equal(judge.judge(tensor[5:]), judge.judge(array)[5:])
    assert judge.judge(tensor[:0]).shape == (0, 2)


def test_a_tensor_stays_where_it_is(judge, pictures, monkeypatch):
    monkeypatch.setattr(judge._encoder, "_transform", None)
    assert np.isfinite(judge.judge(torch.tensor(pictures[1])[None])).all()


def test_a_tensor_is_judged_where_only_pillow_can_resize(tiny, pictures, tmp_path):
    config = {"model_cfg": tiny.config, "preprocess_cfg": {"resize_mode": "longest"}}
    (tmp_path / "longest.json").write_text(json.dumps(config))
    judge = Q16(tmp_path / "longest.json", tiny.weights, tiny.prompts)
    array = pictures[2][None]
    np.testing.assert_array_equal(judge.judge(torch.from_numpy(array.copy())), judge.judge(array))


def test_arrays_that_are_uploaded_get_the_bits_of_pillow(judge, pictures):
    """The way of arrays of one size to a GPU, taken on the CPU."""
    arrays = [pictures[2], pictures[9], pictures[2][::-1], pictures[9][:, ::-1], pictures[9] // 2]
    ways = zip(judge._encoder._inputs_on_device(arrays), judge._encoder._inputs_by_pillow(arrays), strict=True)
    assert [torch.equal(*batches) for batches in ways] == [True, True]


class HostReads(TorchDispatchMode):
    """Counts the operations that a GPU's queue has to be emptied for."""

    found = 0

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        names = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")
        self.found += any(name in str(operation) for name in names)
        return operation(*arguments, **(options or {}))


def test_no_operation_waits_for_a_device(judge, pictures):
    tensor = torch.from_numpy(np.stack([pictures[8]] * 9))
    with HostReads() as seen:
        tensor.max().item()
        assert seen.found == 1, "a counter that counts"
        judge.judge(tensor)
    assert seen.found == 1


@pytest.mark.parametrize(
    ("tensor", "found"),
    [
        (torch.zeros(2, 8, 8, 3), "float32"),
        (torch.zeros(2, 8, 8, 3, dtype=torch.int64), "int64"),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), r"\(8, 8, 3\)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), r"\(2, 3, 8, 8\)"),
        (torch.zeros(2, 8, 8, 4, dtype=torch.uint8), r"\(2, 8, 8, 4\)"),
        (torch.zeros(2, 0, 8, 3, dtype=torch.uint8), r"\(2, 0, 8, 3\)"),
    ],
)
def test_a_wrong_tensor_is_refused_in_one_sentence(judge, tensor, found):
    for refuses in (judge.judge, judge.embed, check_pictures):
        with pytest.raises(InputError, match=f"^pictures must .*found .*{found}.*: ") as error:
            refuses(tensor)
        assert "\n" not in str(error.value)


def test_a_judge_that_needs_arrays_gets_them_from_a_tensor(pictures):
    array = np.stack([pictures[0], pictures[7]])
    np.testing.assert_array_equal(check_pictures(torch.from_numpy(array)), array)


def test_the_channel_order_matters(judge, pictures):
    assert np.abs(judge.judge(pictures[:1]) - judge.judge([pictures[0][..., ::-1]])).max() > 0.01


def test_bfloat16_is_near(tiny, judge, pictures):
    found = Q16(tiny.architecture, tiny.weights, tiny.prompts, dtype="bfloat16").judge(pictures)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, judge.judge(pictures), atol=3)


def test_quick_gelu_is_taken_from_the_config(tiny, judge, pictures, tmp_path):
    (tmp_path / "plain.json").write_text(json.dumps(tiny.config | {"quick_gelu": False}))
    plain = Q16(tmp_path / "plain.json", tiny.weights, tiny.prompts)
    assert np.abs(plain.judge(pictures) - judge.judge(pictures)).max() > 1e-3


def test_preprocessing_is_taken_from_the_config(tiny, judge, pictures, tmp_path):
    config = {"model_cfg": tiny.config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (tmp_path / "other.json").write_text(json.dumps(config))
    other = Q16(tmp_path / "other.json", tiny.weights, tiny.prompts)
    assert other.describe()["preprocessing"]["mean"] == [0.5] * 3
    assert np.abs(other.judge(pictures) - judge.judge(pictures)).max() > 1e-3


def test_logits_that_are_not_finite_are_an_error(tiny, pictures, tmp_path):
    weights = load_file(tiny.weights)
    weights["visual.proj"][0, 0] = float("nan")
    save_file(weights, tmp_path / "nan.safetensors")
    with pytest.raises(JudgeError, match=r"picture 0, 1, 2$"):
        Q16(tiny.architecture, tmp_path / "nan.safetensors", tiny.prompts).judge(pictures[:3])


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_shape_that_would_take_memory_without_end_is_refused_before_any_is_taken(judge, as_tensor):
    strip = np.zeros((1, 1, 4_000_000, 3), np.uint8)
    with pytest.raises(JudgeError, match=r"4,000,000 × 1 pixels, more than 640 times as long as wide"):
        judge.judge(torch.from_numpy(strip) if as_tensor else strip)


def test_the_longest_picture_that_is_judged_is_small_work_for_pillow_and_the_device_alike(judge):
    strip = np.random.default_rng(3).integers(0, 256, (1, 2, 1280, 3), dtype=np.uint8)
    on_device, by_pillow = (
        next(judge._encoder._inputs_on_device(strip)),
        next(judge._encoder._inputs_by_pillow(list(strip))),
    )
    assert torch.equal(on_device, by_pillow)
    assert np.isfinite(judge.judge(strip)).all()


def test_wrong_pictures_are_refused(judge, pictures):
    with pytest.raises(InputError, match="float64 in picture 1"):
        judge.judge([pictures[0], pictures[0] / 255])


def test_the_description_is_json_and_depends_on_no_folder(tiny, judge, tmp_path):
    found = json.loads(json.dumps(judge.describe()))
    copies = [shutil.copy(path, tmp_path) for path in (tiny.architecture, tiny.weights, tiny.prompts)]
    assert Q16(*copies).describe() == found
    assert found["weights_sha256"] == sha256(tiny.weights)
    assert found["preprocessing"]["size"] == [64, 64]
    assert {"torch", "torchvision", "open_clip", "pillow"} == set(found["libraries"])


def test_open_clips_registry_is_left_as_it_was(tiny):
    before = open_clip.list_models()
    Q16(tiny.architecture, tiny.weights, tiny.prompts)
    assert open_clip.list_models() == before


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"architecture": "ViT-L-14"}, "architecture=ViT-L-14-quickgelu"),
        ({"architecture": "ViT-L14-quickgelu"}, "close names are ViT-L-14-quickgelu"),
        ({"architecture": "hf-hub:org/name"}, "found 'hf-hub:org/name'"),
        ({"architecture": "missing.json"}, "no file at missing.json"),
        ({"weights": "opanai"}, "close names are openai"),
        ({"weights": "folder/none"}, "no file at folder/none"),
        ({"weights": "none.safetensors"}, "no file at none.safetensors"),
        ({"dtype": "float8"}, "found 'float8'"),
        ({"batch_size": 0}, "found 0"),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(options, found):
    with pytest.raises(InputError, match=found) as error:
        Q16(**options)
    assert "\n" not in str(error.value)


def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(sld.InputError, match="found 'gpu'"):
        Q16(device="gpu")


def test_a_tag_needs_a_built_in_architecture(tiny):
    with pytest.raises(InputError, match="found 'openai': give weights=FILE"):
        Q16(tiny.architecture, "openai", tiny.prompts)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"embed_dim": "16", "vision_cfg": {}, "text_cfg": {}}'])
def test_a_config_that_is_none_is_refused(tiny, tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"must hold .*embed_dim.*config\.json"):
        Q16(tmp_path / "config.json", tiny.weights, tiny.prompts)


def test_weights_under_transformers_names_are_refused_as_such(tiny, tmp_path):
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = CLIPModel(CLIPConfig(text_config=vision, vision_config=vision))
    save_file({name: x.contiguous() for name, x in model.state_dict().items()}, tmp_path / "clip.safetensors")
    with pytest.raises(InputError, match=r"open_clip's names, found those of transformers' CLIPModel"):
        Q16(tiny.architecture, tmp_path / "clip.safetensors", tiny.prompts)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_damaged_weights_are_refused(tiny, tmp_path, kept):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(tiny.weights.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"damaged file at .*cut\.safetensors"):
        Q16(tiny.architecture, path, tiny.prompts)


def test_weights_of_another_network_are_refused(tiny, tmp_path):
    config = tiny.config | {"vision_cfg": tiny.config["vision_cfg"] | {"layers": 3}}
    (tmp_path / "deeper.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="that it was made for, architecture=NAME") as error:
        Q16(tmp_path / "deeper.json", tiny.weights, tiny.prompts)
    assert "\n" not in str(error.value)


def test_a_pair_of_another_length_is_refused_with_both(tiny, q16_prompts):
    with pytest.raises(InputError, match=r"length 16, .*tiny-clip.json, found length 768 in .*prompts\.p"):
        Q16(tiny.architecture, tiny.weights, q16_prompts)


def test_the_published_pair_needs_openais_activation(tiny, q16_prompts):
    """A local file of OpenAI's weights says nothing of its activation; the pair that goes with it does."""
    with pytest.raises(InputError, match="architecture=ViT-L-14-quickgelu"):
        Q16("ViT-L-14", tiny.weights, q16_prompts)


def test_openais_weights_are_known_by_digest():
    plain, quick = (clip_weights.find_architecture(name) for name in ("ViT-L-14", "ViT-L-14-quickgelu"))
    for digest in (clip_weights.OPENAI_SHA256, clip_weights.OPENAI_SAFETENSORS_SHA256):
        clip_weights.check_openai_digest(quick, digest, Path("any.pt"))
        with pytest.raises(InputError, match="architecture=ViT-L-14-quickgelu"):
            clip_weights.check_openai_digest(plain, digest, Path("any.pt"))


def test_other_bytes_in_the_place_of_openais_weights_are_refused(hub_cache, q16_prompts):
    with pytest.raises(
        InputError, match=r"OpenAI's ViT-L/14 must have sha256 9ce2e8a8.*delete the file and download it again"
    ):
        Q16("ViT-L-14-quickgelu", "openai", q16_prompts)


@pytest.fixture
def hub_cache(monkeypatch, tmp_path, tiny):
    """A hub cache that holds a file under the name of OpenAI's ViT-L/14."""
    folder = tmp_path / "models--timm--vit_large_patch14_clip_224.openai"
    snapshot = folder / "snapshots" / "0123"  # not the commit that is pinned: offline any will do, by its digest
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return shutil.copy(tiny.weights, snapshot / "open_clip_model.safetensors")


def test_a_tag_is_taken_from_the_hubs_cache(hub_cache):
    quick = clip_weights.find_architecture("ViT-L-14-quickgelu")
    file, preprocessing = clip_weights.find_weights(quick, "openai", allow_pickle=False)
    assert file == hub_cache
    assert preprocessing["mean"] == open_clip.OPENAI_DATASET_MEAN


def test_the_cached_file_is_known_by_its_folder(hub_cache):
    plain = clip_weights.find_architecture("ViT-L-14")
    with pytest.raises(InputError, match="architecture=ViT-L-14-quickgelu"):
        clip_weights.find_weights(plain, hub_cache, allow_pickle=False)


@pytest.mark.parametrize(("offline", "found"), [(True, "HF_HUB_OFFLINE is set"), (False, "found neither")])
def test_without_the_hub_the_answer_is_quick_and_says_what_to_do(monkeypatch, tmp_path, offline, found):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    quick = clip_weights.find_architecture("ViT-L-14-quickgelu")
    with pytest.raises(InputError, match=f"{found}.*download open_clip_model.safetensors"):
        clip_weights.find_weights(quick, "openai", allow_pickle=False)


class Touch:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_pickled_weights_are_refused_unless_asked_for(tiny, judge, pictures, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(load_file(tiny.weights), path)
    with pytest.raises(InputError, match="allow_pickle"):
        Q16(tiny.architecture, path, tiny.prompts)
    asked = Q16(tiny.architecture, path, tiny.prompts, allow_pickle=True)
    np.testing.assert_array_equal(asked.judge(pictures), judge.judge(pictures))


@pytest.mark.parametrize("damage", ["hostile", "garbage"])
def test_an_allowed_pickle_still_runs_nothing(tiny, tmp_path, damage):
    path, mark = tmp_path / "weights.pt", tmp_path / "mark"
    if damage == "hostile":
        torch.save({"visual.proj": Touch(mark)}, path)
    else:
        path.write_bytes(b"garbage")
    with pytest.raises(InputError, match="can't be loaded"):
        Q16(tiny.architecture, path, tiny.prompts, allow_pickle=True)
    assert not mark.exists()
