"""A device is asked for by its name, and tried out."""

import subprocess
import sys

import pytest
import torch

import sld
from sld.devices import device_of, device_type


def test_auto_is_the_best_there_is_and_a_number_is_no_part_of_a_type():
    best = "cuda" if torch.cuda.is_available() else "cpu"
    assert (device_type("auto"), device_of("auto").type) == (best, best)
    assert [device_type(name) for name in ("cpu", "cuda:7", "mps")] == ["cpu", "cuda", "mps"]
    assert device_of("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["nope", "meta", "cuda:99", ""])
def test_a_device_that_is_not_here_is_refused_with_what_to_give(name):
    with pytest.raises(sld.InputError, match=rf"found '{name}' \(.*\): give device=cpu or another device") as caught:
        device_of(name)
    assert caught.value.arguments == ("device=cpu",)


def test_the_type_of_a_named_device_takes_no_torch():
    code = "import sys; from sld.devices import device_type; device_type('cuda:1'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
