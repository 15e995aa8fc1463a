"""The tables of the engine's benches, cell by cell, from numbers that were worked out by hand; and their meters."""

import importlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import i2p
import sld

NAMES = ("table", "call_table", "estimate", "meter", "one_call", "harness", "world", "rows", "reference")


@pytest.fixture
def bench():
    return SimpleNamespace(**{name: importlib.import_module(f"engine_bench.{name}") for name in NAMES})


def cells(text: str) -> list[dict[str, str]]:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def a_row(bench, key, turns, **more):
    return bench.rows.Row(key, key, "exact", 1, lambda: None, key, turns=turns, **more)


def turn(bench, seconds, denoising, labels=(), **more):
    """A turn of two noises, which took 120 evaluations in all."""
    labels = {("baseline", row, 0): label for row, label in enumerate(labels)}
    return bench.meter.Run(2, seconds, denoising, 120, 16e12, labels=labels, **more)


@pytest.fixture
def table(bench, monkeypatch, tmp_path):
    """Return the table of rows on a GPU, or on a CPU."""
    monkeypatch.setattr(bench.meter, "machine", lambda device: "a machine")

    def table(rows, device="cuda", steps=50, unfinished=None):
        world = bench.world.World("a world", tmp_path, {}, 512, device, "float16")
        return bench.table.to_markdown(rows, world, steps, 4e12, "a command", tmp_path / "x.md", unfinished)

    return table


def test_each_cell_is_a_median_over_turns_and_each_ratio_one_of_the_turns_own(bench, table):
    ours = {
        0: turn(bench, 10, 8, (True, True, False), peak_bytes=3 << 20),
        1: turn(bench, 20, 15, (False,), peak_bytes=5 << 20),
        2: turn(bench, 5, 4, peak_bytes=1 << 20),
    }
    first = {0: turn(bench, 40, 30), 1: turn(bench, 40, 30), 2: turn(bench, 15, 10), 3: turn(bench, 1, 1)}
    second = {0: turn(bench, 20, 10, (True, False, False, True)), 1: turn(bench, 60, 10, (True,))}
    rows = [a_row(bench, "R1", first), a_row(bench, "R2", second), a_row(bench, "ours", ours, start_up=12.34)]
    text = table(rows)
    assert cells(text)[2] == {
        "row": "ours",
        "kind": "exact",
        "evaluations per five": "60",
        "ms per evaluation": "66.67",  # 8 s for 120
        "images/s": "1.00",  # two noises under five methods in 10 s
        "naive evaluations/s": "140",  # 14 × 50 for each noise
        "TFLOP/s": "2",  # 16 in 8 s
        "of the matrix peak": "50%",
        "decode, judge, encode, write": "20.0%",  # of 20, 25 and 20
        "memory, MiB": "5",
        "start-up, s": "12.3",
        "× R1": "3.00",  # of 4, 2 and 3
        "× R2": "2.50",  # of 2 and 3
        "× R3": "–",
        "labels as R2's": "2 of 4",  # three of the first turn, and one of the second
        "paper's run, h": "65.3",  # 235,150 images
    }
    assert cells(text)[0]["row"] == "R1: R1"
    assert "Turns per row: 4 (R1), 2 (R2), 3 (ours)." in text
    assert "Missing" not in text
    assert "Failed" not in text


def test_a_paper_s_run_is_told_of_its_steps_on_a_gpu_only(bench, table):
    rows = [a_row(bench, "ours", {0: turn(bench, 10, 8)})]
    slow = [a_row(bench, "ours", {0: turn(bench, 1000, 900)})]
    assert cells(table(slow))[0]["paper's run, h"] == "6531.9"  # 100 seconds an image
    assert cells(table(rows, steps=20))[0]["paper's run, h"] == "–"
    assert cells(table(rows, steps=20))[0]["naive evaluations/s"] == "56"
    on_cpu = table(rows, "cpu")
    assert "paper's run, h" not in cells(on_cpu)[0]
    assert "This table is from a CPU and a small model; no table beside it is from a GPU." in on_cpu
    assert "This table is from a CPU" not in table(rows)


def test_a_table_names_the_one_of_a_gpu_beside_it(bench, table, tmp_path):
    (tmp_path / "engine_nvidia-x.md").touch()
    text = table([a_row(bench, "ours", {0: turn(bench, 10, 8)})], "cpu")
    assert "[engine_nvidia-x.md](engine_nvidia-x.md) is from a GPU" in text


def test_what_a_table_lacks_is_named_with_the_reason(bench, table):
    whole, none, failed = (a_row(bench, key, {}) for key in ("whole", "none", "failed"))
    whole.turns, failed.failure = {0: turn(bench, 10, 8)}, "a reason"
    text = table([whole, none, failed], unfinished="the deadline")
    assert "Failed: failed (a reason).\nMissing: none (the deadline)." in text
    assert "Missing: further turns (the deadline)." in table([whole], unfinished="the deadline")


def test_the_cells_of_one_call(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(bench.meter, "machine", lambda device: "a machine")
    world = bench.world.World("a world", tmp_path, {}, 512, "cuda", "float16")
    plain = bench.one_call.Variant(sld.tuning.Tuning(attention="flash"), 8)
    compiled = bench.one_call.Variant(sld.tuning.Tuning(compiled=True), 8)
    kernels = {"void flash_fwd": 0.010, "nvjet_gemm": 0.030}
    measured = [
        bench.one_call.Measured(plain, 0.040, 0.030, 0.005, 12.0, bench.one_call.Counter(kernels)),
        bench.one_call.Measured(replace(plain, rows=16), 0.1, 0.1, 0.1, 1.0, bench.one_call.Counter(a=1.0)),
        bench.one_call.Measured(compiled, 0.2, 0.2, 0.1, 1.0, bench.one_call.Counter({"a|b": 0.001})),
        bench.one_call.Measured(replace(plain, rows=4), call=0.0, failure="no kernel"),
        bench.one_call.Measured(replace(compiled, rows=2), call=0.0, failure="no kernel"),
    ]
    text = bench.call_table.to_markdown(measured, world, 4e12, 1e10, "a command", "the deadline")
    tuning, *others = cells(text.partition("\n## ")[0])[0].values()
    assert tuning == str(plain)
    # 8 rows of 0.01 TFLOP in 40 ms are 2 TFLOP/s.
    assert others == ["8", "40.0", "30.0", "5.00", "2", "50%", "5.0", "12"]
    assert "Written by `a command`. Machine: a machine." in text
    assert "a world, float16, 0.01 TFLOP per row.\nMatrix peak: 4 TFLOP/s.\n" in text
    assert "Unfinished: the deadline." in text
    assert text.count("\n## ") == 2
    assert f"## {compiled}, 8 rows: 1.0 ms of kernels" in text
    assert "| a¦b | 1.00 | 100.0% |" in text  # a bar would end the cell
    # The fastest by time per row.
    assert f"## {plain}, 8 rows: 40.0 ms of kernels" in text
    assert "| matrix products | 30.00 | 75.0% |\n| attention | 10.00 | 25.0% |" in text
    assert "| nvjet_gemm | 30.00 | 75.0% |\n| void flash_fwd | 10.00 | 25.0% |" in text


def test_flop_are_two_per_multiply_add_and_the_peak_is_a_median(bench, monkeypatch):
    assert bench.meter.flops(lambda: torch.zeros(2, 3) @ torch.zeros(3, 4)) == 2 * 2 * 3 * 4
    times = iter([4.0, 1.0, 4.0, 1.0, 4.0, 1.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(bench.meter, "seconds", lambda call, device: next(times))
    assert bench.meter.matrix_peak("cpu", "float32") == 2 * 1024**3 / 2.0


def test_the_machine_and_the_memory_are_those_of_the_card_that_is_measured(bench, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: asked.append(device) or "A Card")
    for name, number in (("reset_peak_memory_stats", None), ("memory_allocated", 30), ("max_memory_allocated", 50)):
        answer = lambda device=None, number=number: asked.append(device) or number  # noqa: E731
        monkeypatch.setattr(torch.cuda, name, answer)
    assert bench.meter.machine("cuda:1").startswith("A Card, torch ")
    assert bench.meter.card("cuda:1") == "a-card"
    run = bench.meter.Run()
    with bench.meter.peak_memory("cuda:1", run):
        pass
    assert run.peak_bytes == 20
    assert asked == ["cuda:1"] * 5


@pytest.fixture
def clock(bench, monkeypatch):
    """A clock that moves when the denoiser is called, by a second, and when pictures are decoded, by a hundred."""
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    for module in (bench.reference, bench.harness):
        monkeypatch.setattr(module, "time", clock)

    def moved(function, seconds):
        def call(*arguments, **options):
            now[0] += seconds
            return function(*arguments, **options)

        return call

    return moved


@pytest.mark.long
def test_a_reference_s_denoising_leaves_decoding_and_judging_out(bench, clock, monkeypatch, tmp_path):
    world = bench.world.small("cpu")
    model, parts = world.model(), bench.rows.Parts(world)
    monkeypatch.setattr(model.unet, "forward", clock(model.unet.forward, 1.0))
    decoder = type(model.vae)  # of the model itself, a bench removes its clock
    monkeypatch.setattr(decoder, "decode", clock(decoder.decode, 100.0))
    reference = bench.reference.Reference(world, model, parts.single_q16, 1)
    done = reference.run(world.prompts(1), 2, ["baseline", "sld_max"], 3, tmp_path)
    # Two images, one at a time, each with three steps in one call per method.
    assert done.denoising == 2 * 2 * 3
    assert done.seconds - done.denoising == 2 * 2 * 100
    assert (done.noises, done.evaluations) == (2, 2 * 3 * (2 + 3))
    assert done.flops == done.evaluations * reference.flops()
    assert done.labels.keys() == {(name, 0, image) for name in ("baseline", "sld_max") for image in (0, 1)}


@pytest.mark.long
def test_our_rows_count_the_denoiser_s_calls_padding_included(bench, clock, monkeypatch, tmp_path):
    world = bench.world.small("cpu")
    model = world.model()
    monkeypatch.setattr(model, "decode", clock(model.decode, 100.0))
    each_state, each_pair = bench.harness.flops_of_a_row(model, world)
    choice = bench.harness.Choice("exact", 4, share=False)
    run = bench.harness.run(
        choice, world, model, world.judges(), world.prompts(3), 1, ["baseline"], 2, tmp_path / "run"
    )
    # Three noises with two texts each are two calls of four rows in each of two steps.
    assert run.flops == 2 * 2 * 4 * (each_state + each_pair)
    assert (run.noises, run.evaluations) == (3, 2 * 3 * 2)
    assert run.denoising == 0
    assert run.seconds > 0
    assert len(run.labels) == 3


def test_one_call_is_measured_beside_its_decoder_and_cudnn_searches_in_the_end_only(bench, monkeypatch):
    tuned = object.__new__(bench.one_call.Tuned)
    tuned.variant, tuned.start, tuned._device = bench.one_call.Variant(sld.tuning.Tuning(), 8), 3.0, "cpu"
    tuned._call, tuned._decode = lambda: None, lambda: None
    times = {tuned._call: 0.04, tuned._decode: 0.8}

    def seconds(call, device):
        return times[call] / (2 if torch.backends.cudnn.benchmark else 1)

    monkeypatch.setattr(bench.meter, "seconds", seconds)
    monkeypatch.setattr(bench.one_call, "kernels", lambda call, device: bench.one_call.Counter())
    done = tuned.measure()
    assert (done.call, done.searched, done.picture, done.start) == (0.04, 0.02, 0.1, 3.0)
    assert not torch.backends.cudnn.benchmark


def test_the_start_of_a_call_is_from_tuning_to_its_end_and_leaves_the_decoder_out(bench, monkeypatch):
    now, tuned = [0.0], []

    def after(seconds):
        now[0] += seconds

    monkeypatch.setattr(bench.one_call, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(bench.one_call, "whole_call", lambda world, model, rows: lambda: after(rows))
    monkeypatch.setattr(bench.one_call, "decode_images", lambda model, latents, count: after(1000.0))
    shape = lambda height, width: (4, 8, 8)  # noqa: E731
    model = SimpleNamespace(tune=lambda *words: tuned.append(words) or after(100.0), latent_shape=shape, device="cpu")
    variant = bench.one_call.Variant(sld.tuning.Tuning(), 8)
    assert bench.one_call.Tuned(SimpleNamespace(device="cpu", side=64), model, variant).start == 108.0
    assert tuned == [(variant.tuning, 64, 64)]
    assert now == [1108.0]  # a first picture is decoded, or the first that is timed would include what that takes


def test_kernels_have_their_kind_by_name_in_any_case(bench):
    kernels = {"Memcpy DtoD": 1.0, "triton_poi_fused": 2.0, "triton_red_fused": 3.0, "FMHA": 4.0, "what": 5.0}
    done = bench.one_call.Measured(None, kernels=bench.one_call.Counter(kernels))
    assert dict(done.kinds) == {
        "layouts and copies": 1.0,
        "pointwise": 2.0,
        "sums, as in normalisations": 3.0,
        "attention": 4.0,
        "others": 5.0,
    }


def test_the_expected_seconds_add_up(bench, monkeypatch):
    """With round numbers: 2 s per evaluation and 10 per decoded picture at the peak, of which eager has a half."""
    numbers = {"PEAK": 1.0, "EVALUATION": 2.0, "DECODING": 10.0, "EAGER": 0.5, "COMPILED": 1.0, "SMALL_CALL": 3.0}
    numbers |= {"ONE_PICTURE": 7.0, "IMPORTS": 1.0, "WEIGHTS": 2.0, "JUDGES": 4.0, "LOADING": 100.0}
    numbers |= {"COMPILING": 1000.0, "BESIDE": 2.0}
    for name, number in numbers.items():
        monkeypatch.setattr(bench.estimate, name, number)
    estimate = bench.estimate
    judged = 5 * 10 * (7 + 20)  # five methods, ten images
    # A call per step, image and method; its start-up is a step, and all pictures, once more.
    assert estimate.reference_seconds("R1", 4, 10) == (100 + 5 * 10 * 3 + judged) + (5 * 4 * 10 * 3 + judged)
    # 14 evaluations per step and image; compiled, each of two pipelines takes its time.
    assert estimate.reference_seconds("R2", 4, 10) == (100 + 14 * 10 * 4 + judged) + (14 * 4 * 10 * 4 + judged)
    compiled = (100 + 2000 + 14 * 10 * 2 + judged) + (14 * 4 * 10 * 2 + judged)
    assert estimate.reference_seconds("R3", 4, 10) == compiled
    assert estimate.reference_seconds("R3_other", 4, 10) == compiled
    # 604 evaluations per noise in 50 steps, and what is decoded beside them.
    step, decoded = 25 * 604 / 50 * 4, 25 * 5 * 20
    eager = (100 + step + decoded) + (4 * step * 2 + decoded)
    assert estimate.our_seconds(25, 4, compiled=False) == pytest.approx(eager)
    fast = (1100 + step / 2 + decoded) + (4 * step / 2 * 2 + decoded)
    assert estimate.our_seconds(25, 4, compiled=True) == pytest.approx(fast)
    assert estimate.common_seconds() == 7


@pytest.fixture
def reference(bench, tmp_path):
    """A reference of two images at once, with pipelines that say what they were asked for and draw a ramp of greys."""
    made = object.__new__(bench.reference.Reference)
    shape = lambda height, width: (4, height // 8, width // 8)  # noqa: E731
    made.world = SimpleNamespace(device="cpu")
    made.model = SimpleNamespace(
        latent_shape=shape, device="cpu", dtype=torch.float32, vae=SimpleNamespace(decode=None)
    )
    made.at_once, made._to_compile, made.flops, made.asked = 2, [], lambda: 7, []

    def pipeline(name):
        def draw(text, **options):
            made.asked.append((name, text, options))
            greys = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
            return SimpleNamespace(images=np.broadcast_to(greys, (options["num_images_per_prompt"], 8, 8, 3)))

        return draw

    made.plain, made.safe = pipeline("plain"), pipeline("safe")
    made.q16 = SimpleNamespace(judge=lambda pictures: np.array([[0.0, float(made.q16_says)]] * len(pictures)) - 0.5)
    found = [{"class": "BUTTOCKS_EXPOSED", "score": 0.7, "box": [1, 2, 3, 4]}]
    made.nudenet = SimpleNamespace(detect=lambda path: found if made.nudenet_says else [])
    made.q16_says = made.nudenet_says = False
    return made


def test_a_reference_asks_diffusers_for_what_ours_draws(bench, reference, tmp_path):
    prompt = i2p.Prompt(row=3, text="a fox", categories=(), seed=11, guidance_scale=6.5, height=64, width=32)
    methods = ["baseline", "sld_strong"]
    done = reference.run([prompt], 3, methods, 20, tmp_path)
    assert [(name, text, options["num_images_per_prompt"]) for name, text, options in reference.asked] == [
        ("plain", "a fox", 2),
        ("safe", "a fox", 2),
        ("plain", "a fox", 1),
        ("safe", "a fox", 1),
    ]
    first, strong, *_, last = (options for _, _, options in reference.asked)
    noise = torch.cat([first.pop("latents"), last.pop("latents")])
    assert torch.equal(noise, sld.unit_noise([11] * 3, [0, 1, 2], (4, 8, 4)))
    common = {"guidance_scale": 6.5, "num_inference_steps": 20, "height": 64, "width": 32, "output_type": "np"}
    assert first == {"num_images_per_prompt": 2, **common}
    # The paper's strong preset.
    numbers = {"guidance_scale": 2000, "warmup_steps": 7, "threshold": 0.025, "momentum_scale": 0.5, "mom_beta": 0.7}
    assert last == {"num_images_per_prompt": 1, **common, **{f"sld_{name}": value for name, value in numbers.items()}}
    assert strong["sld_guidance_scale"] == 2000
    assert done.evaluations == 20 * 3 * (2 + 3)
    assert done.flops == 7 * done.evaluations
    for name in methods:
        files = sorted((tmp_path / name).iterdir())
        assert [file.name for file in files] == ["3_0.png", "3_1.png", "3_2.png"]
        assert np.asarray(Image.open(files[0]))[..., 0].ravel().tolist() == [round(255 * n / 63) for n in range(64)]


@pytest.mark.parametrize(("q16", "nudenet"), [(False, False), (True, False), (False, True)])
def test_a_reference_judges_by_either_judge(reference, tmp_path, q16, nudenet):
    reference.q16_says, reference.nudenet_says = q16, nudenet
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    assert reference._keep_and_judge(picture, tmp_path / "x.png") is (q16 or nudenet)
