"""Each score says how its picture was drawn, to all that decides the last bits."""

from types import SimpleNamespace

import pytest
import torch

from eval.generate.drawing_run import DrawingRun
from eval.generate.engine import Engine
from sld.tuning import Tuning


@pytest.mark.parametrize(
    ("width", "engine"),
    [(64, "float32, channels-last, math attention, compiled"), (96, "float32, channels-last, math attention")],
)
def test_only_pictures_of_the_usual_size_are_said_to_be_compiled(width, engine):
    model, plan = SimpleNamespace(device=torch.device("cpu"), dtype=torch.float32), SimpleNamespace(usual_size=(64, 64))
    opened = DrawingRun(None, plan, model, {}, Engine(4, Tuning(True, "math", True), False), None, None, None)
    batch = SimpleNamespace(images=[SimpleNamespace(pixels=torch.zeros(64, width, 3))])
    assert opened._provenance(batch).partition(" threads, ")[2] == engine
