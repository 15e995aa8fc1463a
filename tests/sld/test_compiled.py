"""A compiled denoiser predicts the same to rounding, and its code is that of the attention that is in effect."""

import json
import os
import shutil

import pytest
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from predictions import assert_equal_to_rounding_and_independent, predict, rows
from torch._inductor import cpp_builder
from torch._inductor.graph import GraphLowering
from torch._inductor.runtime import cache_dir_utils
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

import sld
from sld.models.unet import StagedUNet
from sld.tuning import Tuning, attention_order, compiled

pytestmark = [pytest.mark.compile, pytest.mark.long]
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++) here")
# On a GPU code is compiled with other options than on a CPU, and only those let torch find it on the disk again.
AS_ON_A_GPU = torch.device("cuda")
SD_1 = {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768, "attention_head_dim": 8}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A home for compiled code that is not the user's; C++ headers are translated once for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
        # Torch would compile six programs to learn which of the CPU's vector instructions the compiler knows.
        with torch._inductor.config.patch({"cpp.vec_isa_ok": True}):
            yield folder / "i2p-bench" / "inductor"


@needs_compiler
def test_compiled_code_outlives_tmp_and_further_shapes_are_compiled_too(cache):
    function = compiled(lambda x: x.sin() + x, torch.device("cpu"))
    with torch._dynamo.config.patch(recompile_limit=1):
        for size in (3, 5):
            assert torch.allclose(function(torch.ones(size)), torch.full((size,), 1.8414709848))
    assert list(cache.rglob("*.so"))


@needs_compiler
@pytest.mark.usefixtures("cache")
def test_a_compiled_denoiser_equals_the_plain_one_and_leaves_other_sizes_as_they_are(tmp_path):
    model = sld.load_model(write_shallow_checkpoint(tmp_path / "model"))
    unet = model.unet  # layers that repeat what others have are left out: each costs a second of C++
    unet.mid_block.attentions, unet.mid_block.resnets = torch.nn.ModuleList(), unet.mid_block.resnets[:1]
    unet.up_blocks[0].resnets = unet.up_blocks[0].resnets[:1]
    model.stages = StagedUNet(unet)
    inputs, other_size = rows(model), rows(model, 8, 12)
    plain, other_plain = predict(model, *inputs), predict(model, *other_size)
    model.tune(Tuning(compiled=True), 64, 64)
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    assert_equal_to_rounding_and_independent(model, plain, *inputs)
    assert torch.equal(predict(model, *other_size), other_plain)
    assert graphs["unique_graphs"] == before + 2  # observe and predict, at one size


def write_shallow_checkpoint(folder):
    """A checkpoint whose UNet has one level."""
    sld.write_tiny_checkpoint(folder, width=8, text_width=16)
    one_level = {
        "block_out_channels": [8],
        "down_block_types": ["CrossAttnDownBlock2D"],
        "up_block_types": ["UpBlock2D"],
    }
    config = json.loads((folder / "unet" / "config.json").read_text()) | one_level
    torch.manual_seed(0)
    UNet2DConditionModel.from_config(config).save_pretrained(folder / "unet")
    return folder


@needs_compiler
@pytest.mark.usefixtures("cache")
def test_compiled_code_attends_as_is_in_effect_whether_compiled_now_or_found_on_the_disk():
    counts = torch._dynamo.utils.counters["aot_autograd"]

    def kernels(*names):
        """Which kernels run, how often torch found code in its cache and how often not."""
        counts.clear()
        found = [kernel(compiled(attend, AS_ON_A_GPU), name) for name in names]
        return found, counts["autograd_cache_hit"], counts["autograd_cache_miss"]

    with torch.compiler.config.patch(cache_key_tag="the user's"):
        assert kernels(None) == (["flash"], 0, 1)
        torch.compiler.reset()  # from here on as in another process, which shares the folder alone
        # Math is compiled once, and flash found in the cache.
        assert kernels("math", None, "math", None) == (["math", "flash", "math", "flash"], 1, 1)


def test_torch_compiles_the_convolutions_of_sd_as_channels_last_whatever_layout_its_weights_have():
    """So compiled code gains nothing by weights in the usual layout: it would reorder them at each call."""
    with FakeTensorMode(), torch.no_grad(), torch.device("cuda:0"):  # shapes without values, so without a GPU
        inputs = torch.empty(64, 4, 64, 64), torch.tensor(1), torch.empty(64, 77, 768)
        stages = StagedUNet(UNet2DConditionModel(**SD_1).eval().requires_grad_(False))

        def denoise(latents, timestep, embeddings):
            return stages.predict(stages.observe(latents, timestep), timestep, stages.project(embeddings))

        graph = make_fx(denoise)(*inputs)
    convolutions = [node for node in graph.graph.nodes if node.target is torch.ops.aten.convolution.default]
    assert len(convolutions) == 98
    assert all(node.args[1].meta["val"].is_contiguous() for node in convolutions)
    assert GraphLowering.decide_layout_opt(graph, is_inference=True)


def attend(tensor):
    return F.scaled_dot_product_attention(tensor, tensor, tensor)


def kernel(function, attention):
    """Return which kernel a CPU runs: its flash attention, or the products of math."""
    tensor = torch.randn(1, 2, 64, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), attention_order(attention):
        function(tensor)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            function(tensor)
    keys = [event.key for event in profile.key_averages()]
    return "flash" if any("flash_attention" in key for key in keys) else "math" if "aten::bmm" in keys else "none"


@pytest.mark.parametrize("own", [None, "/elsewhere"])
def test_the_users_own_place_for_compiled_code_stays(tmp_path, monkeypatch, own):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    torchs_own = cache_dir_utils.default_cache_dir()  # which it sets
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", own or torchs_own)
    compiled(torch.sin, torch.device("cpu"))
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == (own or str(tmp_path / "i2p-bench" / "inductor"))


def test_torch_that_needs_a_user_whom_the_machine_does_not_know_is_one_sentence_too(monkeypatch):
    def default_cache_dir():  # as torch 2.11 has it where the password database lacks the user
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(cache_dir_utils, "default_cache_dir", default_cache_dir)
    with pytest.raises(sld.InputError, match=r"fails \('getpwuid\(\): uid not found: 4711'\): install"):
        compiled(torch.sin, torch.device("cpu"))


def test_without_a_compiler_compiling_is_one_sentence_that_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setenv("PATH", "")
    cpp_builder.cpp_compiler_search.cache_clear()  # torch remembers the compiler of the tests before
    with torch._inductor.config.patch({"cpp.cxx": (None, "g++")}), pytest.raises(sld.InputError) as caught:
        compiled(torch.sin, torch.device("cpu"))(torch.ones(3))
    message = str(caught.value)
    assert "\n" not in message
    assert "C++ compiler" in message.partition("found that it fails")[2].partition(": install")[0]
