"""A method of one's own: guidance that sld doesn't know, in the same sampler, beside SLD."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import sld

OPTIONS = {"steps": 12, "seeds": [1, 2], "height": 32, "width": 32, "decode": False, "batch_size": 4}


@dataclass(frozen=True)
class WrittenAgain(sld.SafetyGuidance):
    """SLD's strong preset, from the paper's equations."""

    warmup_steps: int = 7

    @property
    def remembers(self):
        return True

    def guide(self, e_0, e_p, e_s, memory):
        mu = ((e_p - e_s).abs() * 2000).clamp(max=1) * (e_p - e_s < 0.025)
        nu = torch.zeros_like(e_0) if memory is None else memory
        gamma = (e_s - e_0) * mu + 0.5 * nu
        return gamma, 0.7 * nu + (1 - 0.7) * gamma


@dataclass(frozen=True)
class Nothing(sld.SafetyGuidance):
    warmup_steps: int = 3

    def guide(self, e_0, e_p, e_s, memory):
        return torch.zeros_like(e_0), memory


@dataclass(frozen=True)
class Growing(Nothing):
    """Counts the calls in which it acts."""

    def guide(self, e_0, e_p, e_s, memory):
        count = 1 if memory is None else memory + 1
        return 0.02 * count * (e_s - e_0), count


@dataclass(frozen=True)
class Wrong(sld.SafetyGuidance):
    warmup_steps: int = 0

    def guide(self, e_0, e_p, e_s, memory):
        return (e_0 - e_s).mean(1), memory


@pytest.fixture(scope="module")
def methods():
    return [
        "baseline",
        "sld_strong",
        sld.Method("own", preset=WrittenAgain()),
        sld.Method("zero", preset=Nothing()),
        sld.Method("growing", preset=Growing(5)),
    ]


def test_slds_own_equations_written_as_a_new_method_give_its_pictures(model, methods):
    result = sld.sample(model, ["a cat", "a dog"], methods, **OPTIONS).latents
    spread = result["baseline"].std()
    assert (result["own"] - result["sld_strong"]).abs().max() < 1e-3 * spread
    assert (result["own"] - result["baseline"]).abs().max() > 0.02 * spread
    assert torch.equal(result["zero"], result["baseline"])


def test_sharing_is_exact_for_it_and_its_warm_up_is_shared(model, methods):
    first = sld.sample(model, ["a cat", "a dog"], methods, **OPTIONS)
    second = sld.sample(model, ["a cat", "a dog"], methods, share=False, **OPTIONS)
    for name, latents in first.latents.items():
        assert torch.equal(latents, second.latents[name])
    # U and T of the common trajectory and of the four that leave it after calls 3, 5, 7 and 7, at the call itself
    # sharing its predictions; S of those, and on the common one at the 8 calls for a memory or a leave.
    assert first.evaluations == 2 * (12 + 8 + 6 + 4 + 4) + (8 + 6 + 4 + 4) + 8
    assert second.evaluations == 12 * (2 + 4 * 3)


def test_a_result_of_another_shape_is_refused(model):
    with pytest.raises(sld.InputError, match=r"Wrong: correct it"):
        sld.sample(model, ["a cat", "a dog"], [sld.Method("wrong", preset=Wrong())], **OPTIONS)


def test_what_is_no_frozen_dataclass_or_has_no_warm_up_is_refused():
    class Loose(Nothing):
        pass

    @dataclass(frozen=True)
    class Bare(sld.SafetyGuidance):
        def guide(self, e_0, e_p, e_s, memory):
            return e_0, memory

    with pytest.raises(sld.InputError, match="found Loose"):
        sld.Method("own", preset=Loose())
    with pytest.raises(sld.InputError, match=r"Bare\.warmup_steps .* found None"):
        sld.Method("own", preset=Bare())
    with pytest.raises(sld.InputError, match="found -1"):
        sld.Method("own", preset=Nothing(-1))


def test_its_description_names_the_class_the_fields_and_the_source():
    description = sld.Method("own", preset=Nothing()).describe()
    assert description["preset"]["class"] == "Nothing"
    assert description["preset"]["warmup_steps"] == 3
    assert description["preset"]["source_sha256"] == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert sld.Method("mine", preset=sld.PRESETS["max"]).describe()["preset"]["threshold"] == 1.0
    assert sld.METHODS["sld_max"].describe()["preset"] == "max"


def test_a_kind_of_slds_preset_is_a_guidance_of_its_own():
    @dataclass(frozen=True)
    class Doubled(sld.SafetyPreset):
        def guide(self, e_0, e_p, e_s, memory):
            gamma, memory = super().guide(e_0, e_p, e_s, memory)
            return 2 * gamma, memory

    values = (7, 2000, 0.025, 0.5, 0.7)
    own, plain = (sld.Method("mine", preset=kind(*values)).describe() for kind in (Doubled, sld.SafetyPreset))
    assert "Doubled" in own["preset"]["class"]
    assert "class" not in plain["preset"]


@pytest.mark.parametrize("value", [[1], Path("x"), float("nan"), torch.ones(2)])
def test_a_field_that_cannot_go_on_record_is_refused(value):
    @dataclass(frozen=True)
    class Odd(Nothing):
        field: object = None

    with pytest.raises(sld.InputError, match="fields of safety guidance"):
        sld.Method("own", preset=Odd(field=value))
