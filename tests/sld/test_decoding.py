"""Half precision decodes in float16 what it can, and the rest in float32; nothing that is broken looks whole."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL

import sld
from i2p.demo import trained
from sld import evaluation
from sld.decoding import decode_images, pictures_per_chunk, quantise
from sld.evaluation import select_in_layout
from sld.models import base
from sld.tuning import Tuning


@pytest.fixture(scope="module")
def loud(tmp_path_factory):
    """A float16 model whose decoder overflows on latents of 30 times the usual size, and diffusers' own decoder."""
    folder = sld.write_tiny_checkpoint(tmp_path_factory.mktemp("loud") / "model", width=8, text_width=16)
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    vae.decoder.conv_in.weight.data.mul_(1000)
    vae.save_pretrained(folder / "vae")
    return sld.load_model(folder, dtype="float16"), vae


@torch.no_grad()
def by_diffusers(vae, latents, dtype):
    return vae.to(dtype).decode(latents.to(dtype) / vae.config.scaling_factor).sample.float()


def test_pictures_that_overflow_in_float16_are_decoded_again_in_float32_and_the_others_are_not(loud):
    model, vae = loud
    latents = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    latents[2] *= 30
    exact, half = by_diffusers(vae, latents, torch.float32), by_diffusers(vae, latents, torch.float16)
    assert torch.isfinite(half).flatten(1).all(1).tolist() == [True, True, False, True]
    decoded = model.decode(latents)
    assert torch.equal(decoded[2], exact[2])
    for row in (0, 1, 3):
        assert torch.equal(decoded[row], half[row])
        assert not torch.equal(decoded[row], exact[row])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_stay_so_and_harm_no_neighbour(loud, value):
    latents = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    together = decode_images(loud[0], latents, 4)[0]
    latents[1, 0, 3, 3] = value
    pixels, finite = decode_images(loud[0], latents, 4)
    assert finite.tolist() == [True, False, True]
    assert torch.equal(pixels[[0, 2]], together[[0, 2]])


@pytest.mark.parametrize(
    ("rows", "size", "pictures"),
    [
        (64, (512, 512), 8),
        (3, (512, 512), 3),
        (64, (64, 64), 8),
        (64, (512, 640), 4),
        (64, (1024, 1024), 2),
        (64, (4096, 1024), 1),
    ],
)
def test_no_more_pictures_are_decoded_at_once_than_have_the_pixels_of_eight_of_the_usual_size(rows, size, pictures):
    assert pictures_per_chunk(rows, *size) == pictures


def test_large_pictures_are_decoded_few_at_a_time_and_are_the_same_in_any_company(loud, monkeypatch):
    latents = torch.randn(3, 4, 96, 128, generator=torch.Generator().manual_seed(0))  # 0.75 times 1024 x 1024
    model, seen = loud[0], []
    monkeypatch.setattr(model, "picture_size", lambda height, width: (8 * height, 8 * width))
    monkeypatch.setattr(model, "decode", lambda chunk: (seen.append(len(chunk)), chunk[:, :3].float())[1])
    pixels, finite = decode_images(model, latents, 64)
    assert seen == [2, 2]
    assert finite.all()
    assert torch.equal(pixels[2], decode_images(model, latents[2:], 64)[0][0])
    latents[1, 0, 3, 4] = float("nan")
    assert decode_images(model, latents, 64)[1].tolist() == [True, False, True]  # for one pixel


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_decodes_to_within_two_levels_of_float32(dtype):
    models = [sld.load_model(trained.model_folder(), dtype=name) for name in (dtype, "float32")]
    latents = torch.randn(2, *models[0].latent_shape(64, 64), generator=torch.Generator().manual_seed(1))
    half, exact = (quantise(model.decode(latents)).int() for model in models)
    assert (half - exact).abs().max() <= 2
    assert exact.float().std() > 20  # levels, so that two of them say something


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, where it compiles
def test_a_compiled_decoder_is_for_one_size_and_for_what_does_not_overflow(loud, monkeypatch):
    model, _ = loud
    compiled = []

    def whole(function, device):
        """What torch.compile asks of a function, one graph without a break, without the code."""
        fast = torch.compile(function, fullgraph=True, dynamic=False, backend="eager")
        return lambda latents: compiled.append(tuple(latents.shape)) or fast(latents)

    monkeypatch.setattr(base, "compiled", whole)
    latents, other = (torch.randn(4, 4, 8, w, generator=torch.Generator().manual_seed(0)) for w in (8, 12))
    latents[2] *= 30  # overflows, and is decoded again
    plain = model.decode(latents), model.decode(other)
    try:
        model.tune(Tuning(compiled_decoder=True), 64, 64)
        assert all(map(torch.equal, plain, (model.decode(latents), model.decode(other))))
    finally:
        model.tune(Tuning())
    assert compiled == [(4, 4, 8, 8)]


def test_rows_of_channels_last_tensors_keep_their_layout():
    tensor, rows = torch.randn(3, 8, 4, 6), torch.tensor([2, 0, 0, 1])
    for one in (tensor, tensor.to(memory_format=torch.channels_last), tensor[:, :, 0, 0], tensor[:, :, ::2]):
        assert torch.equal(select_in_layout(one, rows), one[rows])
    kept = select_in_layout(tensor.to(memory_format=torch.channels_last), rows)
    assert kept.is_contiguous(memory_format=torch.channels_last)
    assert select_in_layout(tensor, rows).is_contiguous()


def test_states_are_selected_in_their_layout_on_a_gpu(monkeypatch):
    monkeypatch.setattr(evaluation, "select_in_layout", lambda tensor, rows: f"rows {rows} in its layout")
    assert evaluation._select(SimpleNamespace(is_cuda=True), 3) == "rows 3 in its layout"
