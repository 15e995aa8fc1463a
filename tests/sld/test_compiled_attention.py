"""Compiled code attends as is recorded, whatever was compiled before it, in this process or into the same cache."""

import os
import shutil
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from sld.tuning import attention_order, compiled

pytestmark = [
    pytest.mark.compile,
    pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler (g++) here"),
]
# On a GPU code is compiled with other options than on a CPU, and only those let torch find it on the disk again.
AS_ON_A_GPU = torch.device("cuda")


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


def main(names):
    """Print which kernel runs for each attention, then how often torch found code in its cache and how often not."""
    # Torch would compile six programs to learn which of the CPU's vector instructions the compiler knows.
    with torch._inductor.config.patch({"cpp.vec_isa_ok": True}):
        for name in names:
            print(kernel(compiled(attend, AS_ON_A_GPU), name if name != "default" else None))
    counts = torch._dynamo.utils.counters["aot_autograd"]
    print(counts["autograd_cache_hit"], counts["autograd_cache_miss"])


def test_two_processes_with_one_cache_and_one_process_twice_run_the_attention_that_is_in_effect(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "TORCHINDUCTOR_CACHE_DIR"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "TORCH_COMPILE_CACHE_KEY_TAG": "the user's"}

    def process(*names):
        command = [sys.executable, __file__, *names]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return run.stdout.split()

    assert process("default") == ["flash", "0", "1"]
    # The second process compiles math once, and finds flash in the cache.
    assert process("math", "default", "math", "default") == ["math", "flash", "math", "flash", "1", "1"]


if __name__ == "__main__":
    main(sys.argv[1:])
