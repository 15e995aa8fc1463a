"""Between the first and the last denoiser call nothing waits for the device.

There need be no device: on torch's `meta` device tensors have shapes and no values, so whatever would bring a value to
the host raises. What the host sends to the device is watched, for a blocking copy waits for all that is queued there.
"""

import copy
from dataclasses import dataclass, replace

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import sld
from sld.schedulers import NAMES, make_scheduler
from sld.stepping import is_stochastic

WARM_UPS = {"weak": 3, "medium": 2, "strong": 1, "max": 0}  # the presets' own in their order, shorter
QUICK = [sld.Method(f"quick_{name}", preset=replace(sld.PRESETS[name], warmup_steps=n)) for name, n in WARM_UPS.items()]
MAKES_TENSORS = (torch.tensor, torch.as_tensor, torch.scalar_tensor)


class Sent(TorchFunctionMode):
    """Data of the host that a call makes a tensor of, on the device: torch copies it there and waits."""

    def __init__(self):
        super().__init__()
        self.seen_calls = []

    def __torch_function__(self, function, types, arguments=(), options=None):
        made = function(*arguments, **(options or {}))
        if function in MAKES_TENSORS and made.is_meta:
            self.seen_calls.append(function.__name__)
        return made


class Copied(TorchDispatchMode):
    """Tensors of the host that an operation brings to the device and waits; a single number goes with the operation."""

    def __init__(self):
        super().__init__()
        self.seen_calls = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        made = function(*arguments, **options)
        inputs = [*tensors(arguments), *tensors(options.values())]
        from_host = [item for item in inputs if not item.is_meta]
        if from_host and any(item.is_meta for item in (*inputs, *tensors([made]))):
            if function.overloadpacket in (torch.ops.aten._to_copy, torch.ops.aten.copy_):
                waits = not options.get("non_blocking", arguments[2:] == (True,))
            else:
                waits = any(item.ndim for item in from_host)
            self.seen_calls += [str(function)] * waits
        return made


def tensors(items):
    """The tensors among the items, and in lists and tuples among them."""
    for item in items:
        if isinstance(item, torch.Tensor):
            yield item
        elif isinstance(item, list | tuple):
            yield from tensors(item)


def sampled(model, methods, steps, monkeypatch):
    """The calls of the loop that were made, what was sent to the device on the way, and what stopped it."""
    calls, watching = [], (Sent(), Copied())
    observe = model.observe

    def first_call(*arguments):
        if not calls:
            for item in watching:
                item.seen_calls.clear()  # before it nothing is queued
        return observe(*arguments)

    def on_step(done, of):
        calls.append((done, of))
        sent.append([name for item in watching for name in item.seen_calls])

    sent, stopped = [], None
    monkeypatch.setattr(model, "observe", first_call)
    with watching[0], watching[1]:
        try:
            sld.sample(
                model, ["a cat", "fog"], methods, [7.5, 1.0], steps, seeds=[1, 2], batch_size=16, reuse=2, decode=False,
                on_step=on_step,
            )  # fmt: skip
        except (NotImplementedError, RuntimeError) as error:
            stopped = str(error)
    return calls, sent, stopped


@pytest.fixture(scope="module")
def device_model(checkpoint):
    """Gives a model on the device by the name of its scheduler; all have the same networks."""
    loaded = sld.load_model(checkpoint)
    for module in (loaded.unet, loaded.vae, loaded.text_encoder):
        module.to("meta")
    loaded.device = torch.device("meta")

    def device_model(scheduler):
        model = copy.copy(loaded)
        model.scheduler = make_scheduler(scheduler, loaded.scheduler, loaded.standard, loaded.fixed)
        return model

    return device_model


@pytest.mark.parametrize("scheduler", NAMES)
def test_nothing_waits_for_the_device_within_the_loop(device_model, monkeypatch, scheduler):
    model = device_model(scheduler)
    if is_stochastic(model.scheduler):
        pytest.skip("draws its noise on the host, so that it is the same everywhere")
    methods, steps = ["baseline", QUICK[0]], 4  # in which the warm-up ends and every scheduler reaches its order
    if scheduler == "ddim":
        methods, steps = ["baseline", *QUICK, "negative_prompt"], 5
    calls, sent, stopped = sampled(model, methods, steps, monkeypatch)
    assert [done for done, _ in calls] == list(range(1, calls[0][1] + 1))
    assert sent[-1] == []
    assert "meta" in stopped  # the first to ask for a value, whether the latents are finite, comes after the last call


@dataclass(frozen=True)
class Curious(sld.SafetyGuidance):
    """Asks the device a question in its second call."""

    question: str
    warmup_steps: int = 1

    def guide(self, e_0, e_p, e_s, memory):
        return QUESTIONS[self.question](e_p) * e_s, memory


QUESTIONS = {
    "item": lambda e: e.mean().item(),
    "if": lambda e: 1.0 if (e > 0).any() else 0.0,
    "numpy": lambda e: float(e.cpu().numpy()[0, 0, 0, 0]),
    "mask": lambda e: e[e > 0].sum(),
}
SENT = {
    "tensor": lambda e: torch.tensor(0.5, device=e.device),
    "to": lambda e: torch.full(e.shape, 0.5).to(e.device),
    "index": lambda e: e[torch.tensor([0, 0])],
    "copy": lambda e: torch.empty_like(e).copy_(torch.full(e.shape, 0.5)),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_guidance_that_asks_the_device_is_noticed(device_model, monkeypatch, question):
    own = sld.Method("own", preset=Curious(question))
    calls, _, stopped = sampled(device_model("ddim"), ["baseline", own], 2, monkeypatch)
    assert len(calls) == 1
    assert stopped


@pytest.mark.parametrize("question", SENT)
def test_guidance_that_sends_to_the_device_and_waits_is_noticed(device_model, monkeypatch, question):
    monkeypatch.setitem(QUESTIONS, question, SENT[question])
    own = sld.Method("own", preset=Curious(question))
    calls, sent, _ = sampled(device_model("ddim"), ["baseline", own], 2, monkeypatch)
    assert [bool(copies) for copies in sent] == [False, True]
    assert len(calls) == 2
