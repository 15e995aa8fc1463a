"""Trajectories are shared where the mathematics is, and sharing changes no bit."""

from dataclasses import replace

import diffusers
import pytest
import torch

import sld
from sld.stepping import start
from sld.trajectories import count_evaluations, evaluations_by_call

pytestmark = pytest.mark.long
FIVE = ["baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max"]


def bits(result):
    return {name: latents.numpy().tobytes() for name, latents in result.latents.items()}


@pytest.mark.parametrize(("scheduler", "shared", "naive"), [("ddim", 128, 224), ("pndm", 142, 238)])
def test_sharing_saves_evaluations_and_changes_no_bit(loaded, checkpoint, scheduler, shared, naive):
    model = loaded(checkpoint, scheduler=scheduler)
    options = {"steps": 16, "seeds": [7], "height": 32, "width": 32, "batch_size": 7, "decode": False}
    first = sld.sample(model, ["a cat"], FIVE, **options)
    second = sld.sample(model, ["a cat"], FIVE, share=False, **options)
    assert (first.evaluations, second.evaluations) == (shared, naive)
    assert isinstance(first.evaluations, int)
    assert bits(first) == bits(second)
    assert len(set(bits(first).values())) == 5


def test_a_preset_without_momentum_needs_no_concept_before_its_warm_up_ends(model):
    result = sld.sample(model, ["a cat"], ["sld_weak"], steps=17, seeds=[1], height=32, width=32, decode=False)
    assert result.evaluations == 15 * 2 + 2 * 3


@pytest.mark.parametrize("scheduler", ["ddim", "pndm", "euler", "dpm++", "euler_a", "lms"])
def test_sharing_is_exact_for_mixed_warm_ups_concepts_and_negative_prompts(loaded, checkpoint, scheduler):
    model = loaded(checkpoint, scheduler=scheduler)
    quick = sld.SafetyPreset(2, 3000, 0.02, 0.4, 0.6)
    methods = [
        "baseline",
        "negative_prompt",
        "sld_max",
        sld.Method("quick", preset=quick),
        sld.Method("official", preset=quick, concept=sld.CONCEPT_OFFICIAL),
        sld.Method("both", preset=quick, negative_prompt="blurry"),
        sld.Method("late", preset=sld.SafetyPreset(4, 500, 0.0, 0.0, 0.0)),
        sld.Method("never", preset=sld.SafetyPreset(99, 500, 0.0, 0.5, 0.5)),
    ]
    options = {"guidance_scale": [7.5, 1.0, 12.0], "steps": 5, "seeds": [1, 2, 3], "batch_size": 11}
    options |= {"height": 32, "width": 32, "decode": scheduler == "ddim"}  # decoding knows no scheduler
    first = sld.sample(model, ["a cat", "", "a dog"], methods, **options)
    second = sld.sample(model, ["a cat", "", "a dog"], methods, share=False, **options)
    assert bits(first) == bits(second)
    for name, images in first.images.items():
        assert images.tobytes() == second.images[name].tobytes()
    assert bits(first)["never"] == bits(first)["baseline"]
    assert first.evaluations < second.evaluations
    # The unguided row takes one way, whatever the method.
    assert len({latents[1].numpy().tobytes() for latents in first.latents.values()}) == 1
    assert len({latents[0].numpy().tobytes() for latents in first.latents.values()}) == 7


def test_unguided_rows_cost_one_evaluation_a_call_for_all_methods(model):
    result = sld.sample(model, ["a cat"] * 2, FIVE, [1.0, 0.0], 12, seeds=[1, 2], height=32, width=32, decode=False)
    assert result.evaluations == 12


def test_methods_that_agree_are_sampled_once(model):
    twin = sld.Method("twin", preset=sld.PRESETS["max"])
    result = sld.sample(model, ["a cat"], ["sld_max", twin], steps=4, seeds=[1], decode=False)
    assert result.evaluations == 12
    assert bits(result)["twin"] == bits(result)["sld_max"]


def test_a_method_whose_warm_up_outlasts_the_last_call_is_sampled_with_the_baseline(model):
    late = sld.Method("late", preset=sld.SafetyPreset(4, 500, 0.0, 0.5, 0.5))
    result = sld.sample(model, ["a cat"], ["baseline", late], steps=4, seeds=[1], decode=False)
    assert result.evaluations == 8
    assert bits(result)["late"] == bits(result)["baseline"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_row_depends_on_no_neighbour(loaded, checkpoint, dtype):
    model = loaded(checkpoint, dtype=dtype, scheduler="ddim")
    prompts, seeds = ["a cat", "a house by the sea", ""], [5, 6, 7]
    options = {"methods": ["baseline", "sld_max"], "steps": 3, "batch_size": 4, "height": 32, "width": 32}
    together = sld.sample(model, prompts, seeds=seeds, **options)
    order = [2, 0, 1]
    permuted = sld.sample(model, [prompts[i] for i in order], seeds=[seeds[i] for i in order], **options)
    alone = [sld.sample(model, [prompts[i]], seeds=[seeds[i]], **options) for i in range(3)]
    for name in options["methods"]:
        assert torch.equal(together.latents[name][order], permuted.latents[name])
        assert torch.equal(together.latents[name], torch.cat([result.latents[name] for result in alone]))
        assert (together.images[name][order] == permuted.images[name]).all()
        assert all((together.images[name][i] == alone[i].images[name][0]).all() for i in range(3))


@pytest.fixture(scope="module")
def wide_model(loaded, wide_checkpoint):
    return loaded(wide_checkpoint, scheduler="ddim")


@pytest.fixture(params=[2, 3])
def threads(request):
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(1)


def test_sharing_and_neighbours_change_no_bit_with_several_threads(wide_model, threads):
    options = {"methods": ["baseline", "sld_max"], "steps": 2, "batch_size": 5}
    model, prompts = wide_model, ["a cat", "a house by the sea"]
    shared = sld.sample(model, prompts, seeds=[1, 2], **options)
    naive = sld.sample(model, prompts, seeds=[1, 2], share=False, **options)
    alone = sld.sample(model, prompts[1:], seeds=[2], **options)
    assert bits(shared) == bits(naive)
    for name in options["methods"]:
        assert torch.equal(shared.latents[name][1:], alone.latents[name])
        assert (shared.images[name][1] == alone.images[name][0]).all()
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 6, 7, 16])
def test_a_prediction_does_not_depend_on_its_place_in_the_batch(wide_model, batch_size):
    model = wide_model
    latents = torch.randn(1, 4, 8, 8).expand(batch_size, -1, -1, -1).contiguous()
    texts = [model.encode(["a cat"], 64, 64)[0].expand(batch_size, -1, -1).contiguous()]
    torch.set_num_threads(2)
    try:
        predicted = model.predict(model.observe(latents, torch.tensor(500)), torch.tensor(500), texts)
    finally:
        torch.set_num_threads(1)
    assert predicted.shape == latents.shape
    assert torch.equal(predicted, predicted[:1].expand_as(predicted))


@pytest.mark.parametrize("scheduler", ["euler_a", "sde"])
def test_a_stochastic_step_depends_on_no_neighbour(loaded, checkpoint, scheduler):
    if scheduler == "sde":
        scheduler = diffusers.DPMSolverMultistepScheduler(
            beta_schedule="scaled_linear", algorithm_type="sde-dpmsolver++"
        )
    model = loaded(checkpoint, scheduler=scheduler)
    options = {"methods": ["baseline", "sld_max"], "steps": 5, "batch_size": 4, "decode": False}
    together = sld.sample(model, ["a cat", "a dog"], seeds=[5, 5], indices=[0, 1], **options)
    alone = sld.sample(model, ["a dog"], seeds=[5], indices=[1], **options)
    assert torch.equal(together.latents["sld_max"][1:], alone.latents["sld_max"])
    same = torch.randn(1, 4, 8, 8).expand(2, -1, -1, -1)
    steps = sld.sample(model, ["a dog"] * 2, noise=same, seeds=[5, 5], indices=[0, 1], **options).latents["baseline"]
    assert not torch.equal(steps[0], steps[1])  # by the noise of its steps, each image's own


def test_the_denoiser_only_ever_sees_one_batch_shape(loaded, checkpoint, monkeypatch):
    model = loaded(checkpoint, scheduler="ddim")
    shapes, observe, predict = set(), model.observe, model.predict

    def spy_on_states(latents, timestep):
        shapes.add((latents.shape, timestep.shape))
        return observe(latents, timestep)

    def spy_on_pairs(observed, timestep, texts):
        assert {len(tensor) for tensor in observed} == {7}
        shapes.add((timestep.shape, *{len(tensor) for tensor in texts}))
        return predict(observed, timestep, texts)

    monkeypatch.setattr(model, "observe", spy_on_states)
    monkeypatch.setattr(model, "predict", spy_on_pairs)
    sld.sample(model, ["a cat"] * 3, FIVE, steps=8, seeds=[1, 2, 3], batch_size=7, decode=False)
    assert shapes == {((7, 4, 8, 8), ()), ((), 7)}


def test_what_sees_no_text_is_computed_once_a_state(model, monkeypatch):
    rows, observe = [], model.observe
    monkeypatch.setattr(
        model, "observe", lambda latents, timestep: rows.append(len(latents)) or observe(latents, timestep)
    )
    options = {"steps": 8, "seeds": [1], "batch_size": 1, "decode": False}
    shared = sld.sample(model, ["a cat"], ["sld_strong"], **options)
    assert (sum(rows), shared.evaluations) == (8, 24)
    rows.clear()
    sld.sample(model, ["a cat"], ["sld_strong"], share=False, **options)
    assert sum(rows) == 24


def test_a_text_is_encoded_once_a_run(model, monkeypatch):
    encoded, encode = [], model._encode
    monkeypatch.setattr(model, "_encode", lambda texts: encoded.extend(texts) or encode(texts))
    for image in range(3):
        for prompts in (["one text", "another text"], ["a third text"]):
            sld.sample(model, prompts, FIVE, steps=1, seeds=[1] * len(prompts), indices=[image] * len(prompts))
    assert len(encoded) == len(set(encoded))
    assert {"one text", "another text", "a third text"} <= set(encoded)


@pytest.mark.parametrize("scheduler", ["ddim", "dpm++"])
def test_reuse_saves_evaluations_of_the_branches_and_is_exact_at_one(loaded, checkpoint, scheduler):
    model = loaded(checkpoint, scheduler=scheduler)
    warm_ups = {"weak": 4, "medium": 3, "strong": 2, "max": 0}  # the presets' own in their order, shorter
    quick = [
        sld.Method(f"quick_{name}", preset=replace(sld.PRESETS[name], warmup_steps=n)) for name, n in warm_ups.items()
    ]
    five = ["baseline", *quick]
    options = {"steps": 7, "seeds": [1, 2], "guidance_scale": [7.5, 1.0], "decode": False, "height": 32, "width": 32}
    exact, first, two = (
        sld.sample(model, ["a cat", "fog"], five, **options, **reuse) for reuse in ({}, {"reuse": 1}, {"reuse": 2})
    )
    assert bits(first) == bits(exact)
    assert two.evaluations < 0.8 * exact.evaluations
    for name in two.latents:
        guided, unguided = two.latents[name] - exact.latents[name]
        assert guided.abs().max() > 0
        assert unguided.abs().max() == 0
    naive = sld.sample(model, ["a cat", "fog"], five, reuse=2, share=False, **options)
    assert bits(naive) == bits(two)
    for method in ("baseline", quick[0], quick[3]):  # whatever methods are beside it
        [(name, alone)] = bits(sld.sample(model, ["a cat", "fog"], [method], reuse=2, **options)).items()
        assert alone == bits(two)[name]


@pytest.mark.parametrize(
    ("methods", "steps", "reuse"),
    [
        (FIVE, 20, 1),
        (FIVE, 12, 3),
        (["sld_weak"], 20, 1),
        (["baseline", "negative_prompt", "sld_max"], 9, 2),
        (FIVE, 4, 1),
        (["baseline", sld.Method("kind", prefix="kind "), sld.Method("kind_max", "max", prefix="kind ")], 4, 1),
    ],
)
def test_evaluations_are_counted_beforehand_as_the_sampler_makes_them(model, methods, steps, reuse):
    options = {"steps": steps, "reuse": reuse, "seeds": [1], "height": 32, "width": 32, "decode": False}
    made = sld.sample(model, ["a cat"], methods, **options).evaluations
    calls = len(start(model.scheduler, steps).timesteps)
    assert count_evaluations(sld.resolve_methods(methods), calls, reuse) == made


@pytest.mark.parametrize("reuse", [1, 2])
@pytest.mark.parametrize("methods", [FIVE, ["baseline", sld.Method("kind", prefix="kind ")]])
def test_evaluations_without_guidance_are_counted_beforehand_too(model, methods, reuse):
    options = {"steps": 4, "reuse": reuse, "seeds": [1], "height": 32, "width": 32, "decode": False}
    made = sld.sample(model, ["a cat"], methods, guidance_scale=1.0, **options).evaluations
    calls = len(start(model.scheduler, 4).timesteps)
    assert sum(evaluations_by_call(sld.resolve_methods(methods), calls, reuse, guided=False)) == made


def test_the_paper_s_run_is_604_evaluations_a_picture():
    assert count_evaluations(sld.resolve_methods(FIVE), 50) == 604
    assert count_evaluations(sld.resolve_methods(FIVE), 51) == 618
