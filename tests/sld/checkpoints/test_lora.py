"""A LoRA adds to the weights what its formula says, or is refused by name; a LoRA without effect is refused too."""

import copy
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import diffusers
import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel

import sld
from sld.checkpoints.lora import fuse
from sld.checkpoints.lora_files import NAME, Lora, file_name, is_lora, lora_path, open_lora

LAYOUTS = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "lora_layouts.py")))
SD = "StableDiffusionPipeline"
SPM = {"prompts": "nudity", "rank": "1", "alpha": "1.0"}


@pytest.fixture(scope="module")
def loaded(checkpoint):
    return {
        "unet": UNet2DConditionModel.from_pretrained(checkpoint / "unet"),
        "text_encoder": CLIPTextModel.from_pretrained(checkpoint / "text_encoder").float(),
    }


@pytest.fixture
def parts(loaded):
    return copy.deepcopy(loaded)


@pytest.fixture(scope="module")
def unet_pairs(loaded):
    return LAYOUTS.pairs(loaded["unet"])


@pytest.fixture(scope="module")
def text_pairs(loaded):
    return LAYOUTS.pairs(loaded["text_encoder"], seed=1)


@pytest.fixture
def saved(tmp_path):
    def saved(weights, metadata=None, name="lora.safetensors"):
        save_file({key: value.contiguous() for key, value in weights.items()}, tmp_path / name, metadata)
        return tmp_path / name

    return saved


def fused(path, parts, scale=None):
    return fuse(open_lora(Lora(path, scale), False), SD, parts, False)


def refusal(path, parts=None, scale=None):
    with pytest.raises(sld.InputError) as caught:
        fused(path, parts, scale)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def error_by_hand(part, base, pairs, scale, alpha=LAYOUTS.ALPHA):
    """The largest error against W + scale · alpha / rank · up @ down, and whether all other weights are the base's."""
    weights, start = part.state_dict(), base.state_dict()
    assert weights.keys() == start.keys()
    errors = []
    for name, pair in pairs.items():
        expected = start[f"{name}.weight"].double() + scale * LAYOUTS.added(*pair, alpha)
        errors.append(float((weights[f"{name}.weight"] - expected).abs().max()))
    others = weights.keys() - {f"{name}.weight" for name in pairs}
    assert all(torch.equal(weights[name], start[name]) for name in others)
    return max(errors)


@pytest.mark.parametrize("scale", [None, 0.5, -2])
def test_kohyas_names_with_their_alpha_in_unet_and_text_encoder(loaded, parts, unet_pairs, text_pairs, saved, scale):
    path = saved(LAYOUTS.kohya(unet_pairs, text_pairs))
    audits = fused(path, parts, scale)["replaced"]
    factor = 1 if scale is None else scale
    for part, pairs in {"unet": unet_pairs, "text_encoder": text_pairs}.items():
        assert error_by_hand(parts[part], loaded[part], pairs, factor) < 1e-6
        total = len(loaded[part].state_dict())
        described = audits[part]
        counts = {"used": 2 * len(pairs), "different": len(pairs), "of": total}
        assert {key: described[key] for key in counts} == counts
        assert described["given"] == 2 * (len(unet_pairs) + len(text_pairs))
        before, after = (
            torch.cat([x.flatten().double() for x in each[part].state_dict().values()]) for each in (loaded, parts)
        )
        by_hand = float((after - before).norm() / before.norm())
        assert described["relative_change"] == pytest.approx(by_hand, rel=1e-5)


def test_convolutions_and_feed_forward_layers_of_a_file_as_spm_saves_it(loaded, parts, saved):
    pairs = LAYOUTS.pairs(loaded["unet"], conv=True)
    path = saved(LAYOUTS.kohya(pairs), SPM)
    fused(path, parts, 1)
    assert error_by_hand(parts["unet"], loaded["unet"], pairs, 1) < 1e-6


def test_each_pair_has_a_rank_and_an_alpha_of_its_own(loaded, parts, unet_pairs, text_pairs, saved):
    """As of kohya's `conv_alpha` and ranks of blocks; diffusers' loader applies one alpha to all pairs."""
    generator, chosen, weights = torch.Generator().manual_seed(7), [], {}
    for part, pairs in {"unet": unet_pairs, "text_encoder": text_pairs}.items():
        for number, (name, (down, up)) in enumerate(pairs.items()):
            rank, alpha = 1 + number % 3, 1.0 + number % 4
            shapes = (rank, down.shape[1]), (len(up), rank)
            pair = tuple(torch.randn(shape, generator=generator) for shape in shapes)
            unet, text = ({name: pair}, {}) if part == "unet" else ({}, {name: pair})
            weights |= LAYOUTS.kohya(unet, text, alpha)
            chosen.append((part, f"{name}.weight", LAYOUTS.added(*pair, alpha)))
    fused(saved(weights), parts)
    for part, name, change in chosen:
        weight, base = (states[part].state_dict()[name].double() for states in (parts, loaded))
        assert (weight - base - change).abs().max() < 1e-5


def test_a_file_in_half_precision_is_scaled_by_alpha_in_full(loaded, parts, unet_pairs, saved):
    halves = {name: tuple(half.half() for half in pair) for name, pair in unet_pairs.items()}
    fused(saved(LAYOUTS.kohya(halves, {}, 0.7)), parts)
    wide = {name: tuple(half.float() for half in pair) for name, pair in halves.items()}
    alpha = float(torch.tensor(0.7))
    assert error_by_hand(parts["unet"], loaded["unet"], wide, 1, alpha) < 1e-6


def test_a_model_in_double_precision_is_fused_in_it(loaded, parts, unet_pairs, saved):
    path = saved(LAYOUTS.kohya(unet_pairs, {}, 1.0))
    fuse(open_lora(Lora(path, 0.3), False), SD, parts, False, torch.float64)
    assert error_by_hand(parts["unet"], loaded["unet"].double(), unet_pairs, 0.3, 1.0) < 1e-12


def test_pefts_names_with_an_alpha_of_each_pair(loaded, parts, unet_pairs, saved):
    alphas = {f"unet.{name}.alpha": torch.tensor(LAYOUTS.ALPHA) for name in unet_pairs}
    fused(saved(LAYOUTS.peft(unet_pairs) | alphas), parts)
    assert error_by_hand(parts["unet"], loaded["unet"], unet_pairs, 1) < 1e-6


@pytest.mark.parametrize("layout", ["peft", "processors"])
def test_diffusers_names_without_alpha(loaded, parts, unet_pairs, saved, layout):
    fused(saved(getattr(LAYOUTS, layout)(unet_pairs)), parts, 0.5)
    assert error_by_hand(parts["unet"], loaded["unet"], unet_pairs, 0.5, alpha=LAYOUTS.RANK) < 1e-6


def test_a_file_that_diffusers_wrote_with_its_own_alpha_in_the_header(loaded, parts, unet_pairs, tmp_path):
    layers = {f"{name}.lora_{'AB'[n]}.weight": half for name, pair in unet_pairs.items() for n, half in enumerate(pair)}
    names = sorted({name.rpartition(".")[2] for name in unet_pairs} - {"0"} | {"to_out.0"})
    settings = {"r": LAYOUTS.RANK, "lora_alpha": 5, "target_modules": names, "lora_dropout": 0.0, "bias": "none"}
    StableDiffusionPipeline.save_lora_weights(tmp_path, unet_lora_layers=layers, unet_lora_adapter_metadata=settings)
    fused(tmp_path, parts)  # a folder with pytorch_lora_weights.safetensors
    assert error_by_hand(parts["unet"], loaded["unet"], unet_pairs, 1, alpha=5) < 1e-6


@pytest.mark.parametrize(
    ("family", "pipeline", "prefix"),
    [
        ("stable-diffusion-xl", "StableDiffusionXLPipeline", "unet"),
        ("stable-diffusion-3", "StableDiffusion3Pipeline", "transformer"),
    ],
)
def test_other_families_with_their_second_text_encoder(tmp_path, saved, family, pipeline, prefix):
    folder = sld.write_tiny_checkpoint(tmp_path / "base", family=family, width=16, text_width=16)
    base = getattr(diffusers, pipeline).from_pretrained(folder).components
    parts, pairs = copy.deepcopy(base), {name: LAYOUTS.pairs(base[name]) for name in (prefix, "text_encoder_2")}
    weights = {
        f"{part}.{name}.lora_{'AB'[n]}.weight": half
        for part, chosen in pairs.items()
        for name, pair in chosen.items()
        for n, half in enumerate(pair)
    }
    described = fuse(open_lora(Lora(saved(weights), 0.5), False), pipeline, parts, False)
    assert described["replaced"].keys() == pairs.keys()
    for part, chosen in pairs.items():
        assert error_by_hand(parts[part], base[part], chosen, 0.5, alpha=LAYOUTS.RANK) < 1e-6


def test_a_family_without_a_loader_of_loras_is_refused_before_it_is_read(unet_pairs, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("sld.checkpoints.loading.pretrained", lambda *_: pytest.fail("the base was read"))
    folder = sld.write_tiny_checkpoint(tmp_path / "base", family="pixart-sigma", width=16, text_width=16)
    with pytest.raises(sld.InputError, match="for which diffusers loads LoRAs, found PixArtSigmaPipeline"):
        sld.load_model(folder, lora=saved(LAYOUTS.peft(unet_pairs)))


def test_several_are_added_one_after_another_and_leave_plain_modules(loaded, parts, unet_pairs, saved):
    first, second = saved(LAYOUTS.kohya(unet_pairs), name="a.safetensors"), saved(LAYOUTS.peft(unet_pairs))
    fused(first, parts, 2)
    fused(second, parts, -3)  # alpha / rank: 3 / 2 and 1
    assert error_by_hand(parts["unet"], loaded["unet"], unet_pairs, 0) < 1e-6
    kinds = [{type(module) for module in part.modules()} for part in (parts["unet"], loaded["unet"])]
    assert kinds[0] == kinds[1]


def test_each_weight_has_a_place_or_is_named(parts, unet_pairs, saved):
    bare = {key.removeprefix("unet."): value for key, value in LAYOUTS.peft(unet_pairs).items()}
    message = refusal(saved(bare), parts)
    assert f"found {len(bare)} of {len(bare)} weights without a place" in message
    assert repr(min(bare)) in message
    assert "unet., transformer., text_encoder." in message
    stray = {f"unet.mid_block.nothing.to_q.lora_{half}.weight": torch.ones(2, 2) for half in "AB"}
    message = refusal(saved(LAYOUTS.peft(unet_pairs) | stray), parts)
    assert all(repr(name) in message for name in stray)


def test_a_weight_without_a_place_is_named_though_another_has_its_numbers(parts, unet_pairs, saved):
    pair = next(iter(unet_pairs.values()))
    stray = {f"unet.mid_block.nothing.to_q.lora_{half}.weight": x.clone() for half, x in zip("AB", pair, strict=True)}
    message = refusal(saved(LAYOUTS.peft(unet_pairs) | stray), parts)
    assert f"found 2 of {2 * len(unet_pairs) + 2} weights" in message


def test_a_second_text_encoders_lora_does_not_vanish_in_a_model_with_one(parts, unet_pairs, text_pairs, saved):
    kohya = LAYOUTS.kohya(unet_pairs, text_pairs)
    path = saved({name.replace("lora_te_", "lora_te2_"): value for name, value in kohya.items()})
    assert f"found {2 * len(text_pairs)} of {2 * len(text_pairs) + 2 * len(unet_pairs)} weights" in refusal(path, parts)


def test_a_half_without_the_other_is_named(unet_pairs, saved):
    for layout, half in ((LAYOUTS.kohya, "lora_up"), (LAYOUTS.peft, "lora_B"), (LAYOUTS.processors, "_lora.up")):
        weights = layout(unet_pairs)
        lost = next(name for name in weights if half in name)
        message = refusal(saved({name: value for name, value in weights.items() if name != lost}))
        other = lost.replace("up", "down") if "up" in half else lost.replace("lora_B", "lora_A")
        assert f"found 1 alone ({other!r})" in message


def test_a_lora_without_an_effect_is_refused(parts, unet_pairs, saved):
    untrained = {name: (down, torch.zeros_like(up)) for name, (down, up) in unet_pairs.items()}
    message = refusal(saved(LAYOUTS.kohya(untrained)), parts)
    assert "that add nothing at scale 1, so that the base model would be evaluated" in message
    assert "scale must be a number other than 0, found 0" in refusal(saved(LAYOUTS.kohya(unet_pairs)), scale=0)


def test_a_lora_of_another_base_is_refused_in_one_sentence(parts, unet_pairs, saved, capfd):
    wider = {name: (torch.cat([down, down], 1), up) for name, (down, up) in unet_pairs.items()}
    message = refusal(saved(LAYOUTS.kohya(wider)), parts)
    assert f"found {len(wider)} weights of another shape ('" in message
    assert "attn1.to_q.lora_A.lora.weight': [2, 16] for [2, 8]" in message
    stem = "text_encoder.text_model.encoder.layers.0.self_attn.q_proj"
    width = parts["text_encoder"].config.hidden_size
    halves = {f"{stem}.lora_A.weight": torch.ones(2, width + 8), f"{stem}.lora_B.weight": torch.ones(width, 2)}
    message = refusal(saved(halves), parts)
    assert "found 1 weight of another shape ('" in message
    assert f"q_proj.lora_A.lora.weight': [2, {width + 8}] for [2, {width}]" in message
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_numbers_that_are_none_are_refused(parts, unet_pairs, saved):
    weights = LAYOUTS.kohya(unet_pairs)
    name = next(iter(weights))
    weights[name] = torch.full_like(weights[name], float("nan"))
    assert f"found NaN or infinity in 1 ({name!r})" in refusal(saved(weights), parts)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["lora_unet_x.dora_scale"], "a DoRA"),
        (["unet.x.lora_magnitude_vector"], "a DoRA"),
        (["lora_unet_x.hada_w1_a", "lora_unet_x.hada_w1_b"], "a LoHa"),
        (["lora_unet_x.lokr_w1", "lora_unet_x.lokr_w2"], "a LoKr"),
        (["lora_unet_x.lora_mid.weight"], "a LoCon in Tucker's form"),
        (["lora_unet_x.diff"], "an adapter of another kind"),
    ],
)
def test_other_adapters_are_refused_by_their_names(unet_pairs, saved, names, kind):
    weights = LAYOUTS.kohya(unet_pairs) | {name: torch.ones(2, 2) for name in names}
    message = refusal(saved(weights))
    assert f"must hold a LoRA, found {kind}" in message
    assert repr(names[0]) in message
    assert is_lora(names)


def test_a_unet_in_a_loras_place_is_told_where_it_belongs(loaded, saved):
    message = refusal(saved(loaded["unet"].state_dict()))
    assert "found 88 weights" in message or "under other names" in message
    assert message.endswith("give weights of a UNet as unet=FILE")
    assert not is_lora(loaded["unet"].state_dict())


def test_weights_beside_a_lora_are_named(unet_pairs, saved):
    message = refusal(saved(LAYOUTS.kohya(unet_pairs) | {"conv_in.weight": torch.ones(1), "x.alpha": torch.ones(1)}))
    assert f"found 2 of {3 * len(unet_pairs) + 2} weights under other names ('conv_in.weight', 'x.alpha')" in message


def test_what_is_no_number_for_a_pair_or_no_weight_is_named(unet_pairs, saved):
    weights = LAYOUTS.kohya(unet_pairs)
    alpha = next(name for name in weights if name.endswith(".alpha"))
    for one in (torch.tensor(3), torch.tensor([3.0]), torch.tensor([[3.0]])):  # as tools save it
        assert len(open_lora(Lora(saved(weights | {alpha: one})), False).alphas) == len(unet_pairs)
    assert f"under other names ({alpha!r})" in refusal(saved(weights | {alpha: torch.tensor([3.0, 3.0])}))
    half = alpha.replace("alpha", "lora_up.weight")
    quantised = saved(weights | {half: torch.ones(weights[half].shape, dtype=torch.int8)})
    assert f"found 1 of whole numbers ({half!r})" in refusal(quantised)


def test_an_spm_needs_a_scale_and_is_then_noted_as_another_method(unet_pairs, saved):
    path = saved(LAYOUTS.kohya(unet_pairs), SPM)
    assert "found an SPM's file" in refusal(path)
    assert "not the published method" in open_lora(Lora(path, 1), False).note
    assert open_lora(Lora(saved(LAYOUTS.kohya(unet_pairs), {"prompts": "x"}), None), False).note == ""


def test_a_path_without_a_lora_is_refused(tmp_path, saved, unet_pairs):
    assert "found no such file at" in refusal(tmp_path)
    saved(LAYOUTS.kohya(unet_pairs), name="a.safetensors")
    saved(LAYOUTS.kohya(unet_pairs), name="b.safetensors")
    assert "found 2 files in it (a.safetensors, b.safetensors)" in refusal(tmp_path)


def test_of_a_folder_the_file_with_diffusers_name_is_meant_and_no_pickle_beside_it(tmp_path):
    for name in ("a.safetensors", "pytorch_lora_weights.bin"):
        (tmp_path / name).touch()
    assert lora_path(tmp_path).name == "pytorch_lora_weights.bin"
    (tmp_path / "pytorch_lora_weights.safetensors").touch()
    assert lora_path(tmp_path).name == "pytorch_lora_weights.safetensors"
    (tmp_path / "pytorch_lora_weights.safetensors").unlink()
    (tmp_path / "pytorch_lora_weights.bin").rename(tmp_path / "b.bin")
    assert lora_path(tmp_path).name == file_name(Lora(tmp_path)) == "a.safetensors"


def test_without_peft_the_command_to_install_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert refusal(tmp_path).endswith("pip install 'i2p-bench[lora]'")


def test_a_model_is_loaded_with_its_loras_and_describes_them(checkpoint, unet_pairs, saved):
    kohya, peft = saved(LAYOUTS.kohya(unet_pairs), SPM, "spm.safetensors"), saved(LAYOUTS.peft(unet_pairs))
    model = sld.load_model(checkpoint, lora=[sld.Lora(kohya, 2), peft], dtype="float64")
    described = model.describe()
    first, second = described["lora"]
    assert (first["name"], first["scale"], second["name"], second["scale"]) == ("spm.safetensors", 2, peft.name, 1)
    assert "not the published method" in first["note"]
    assert "note" not in second
    assert first["replaced"]["unet"]["different"] == len(unet_pairs)
    assert {"lora 1=spm.safetensors", f"lora 2={peft.name}"} < described["weights"].keys()
    base = sld.load_model(checkpoint, dtype="float64")
    assert error_by_hand(model.unet, base.unet, unet_pairs, 2 + LAYOUTS.RANK / LAYOUTS.ALPHA) < 1e-7
    assert "lora" not in base.describe()


def test_a_lora_is_refused_before_the_base_is_read(checkpoint, unet_pairs, saved, monkeypatch):
    monkeypatch.setattr("sld.checkpoints.loading.pretrained", lambda *_: pytest.fail("the base was read"))
    path = saved(LAYOUTS.kohya(unet_pairs) | {"x.lora_down.weight": torch.ones(1)})
    with pytest.raises(sld.InputError, match="found 1 alone"):
        sld.load_model(checkpoint, lora=path)


def test_a_lora_in_the_hubs_cache_is_found_by_id_and_path(unet_pairs, saved, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = tmp_path / "hub/models--org--name/snapshots" / commit
    (folder / "inner").mkdir(parents=True)
    path = saved(LAYOUTS.kohya(unet_pairs))
    for name in ("pytorch_lora_weights.safetensors", "inner/other.safetensors"):
        shutil.copy(path, folder / name)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for given, name in ((f"org/name@{commit}", NAME), (f"org/name@{commit}:inner/other.safetensors", "other")):
        lora = open_lora(Lora(given), False)
        assert (lora.path.name, lora.revision) == (f"{name}.safetensors", commit)
        assert file_name(Lora(given)) == lora.path.name
    assert file_name(Lora("org/name:inner/last.bin")) == "last.bin"
    assert "found no such file at" in refusal(f"org/name@{commit}:inner")
    assert "must be a checkpoint on the hub" in refusal("org/another")


def test_pictures_are_those_of_diffusers_pipeline_with_the_lora_beside_its_weights(
    checkpoint, unet_pairs, text_pairs, saved
):
    path = saved(LAYOUTS.kohya(unet_pairs, text_pairs))
    pipeline = StableDiffusionPipeline.from_pretrained(
        checkpoint, safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)
    for part in (pipeline.unet, pipeline.text_encoder):
        part.double()
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(path.parent, weight_name=path.name)
    noise = torch.randn(1, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    options = {"num_inference_steps": 3, "output_type": "latent", "cross_attention_kwargs": {"scale": 0.5}}
    reference = pipeline("a cat", latents=noise.clone(), guidance_scale=7.5, **options).images
    model = sld.load_model(checkpoint, dtype="float64", scheduler="ddim", lora=sld.Lora(path, 0.5))
    ours = sld.sample(model, ["a cat"], ["baseline"], 7.5, 3, noise=noise, decode=False).latents["baseline"]
    assert (ours - reference).abs().max() / reference.std() < 1e-7
