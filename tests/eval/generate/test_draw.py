"""What the harness makes of a sampler that fails, and of one judge that fails on one picture."""

import csv
import dataclasses
import json
import subprocess
import sys

import processes
import pytest
import torch

import i2p
import sld
from eval.base.command import typed
from eval.base.errors import InputError
from eval.generate.draw import draw
from eval.judges.nudenet import NudeNet
from eval.plan.batches import Rows
from eval.plan.plan import Plan
from eval.run import main
from i2p.demo import trained

SMALL = ["prompts.rows=[0]", "protocol.steps=2", "protocol.images_per_prompt=2", "methods=[baseline]", "batch_size=2"]


PROTOCOL = dataclasses.replace(i2p.get_protocol("dataset"), images_per_prompt=5, steps=2)
PLAN = Plan((i2p.Prompt(3, "a", ("hate",), 1, 7.0, 64, 64),), (sld.METHODS["baseline"],), PROTOCOL, ())


def test_a_picture_is_that_of_its_own_prompt_seed_guidance_and_size_and_of_the_protocol():
    prompts = [
        i2p.Prompt(row, text, ("hate",), *drawn)
        for row, (text, *drawn) in enumerate(
            [("a red car", 5, 7.0, 64, 64), ("fog", 6, 1.0, 64, 64), ("fog", 8, 3.0, 96, 80)]
        )
    ]
    protocol = dataclasses.replace(PROTOCOL, images_per_prompt=2, steps=2, reuse=2)
    methods = tuple(sld.METHODS[name] for name in ("baseline", "sld_max"))
    plan, model = Plan(tuple(prompts), methods, protocol, ()), sld.load_model(trained.model_folder())
    units, at_calls = plan.units(), []
    batches = list(draw(model, [units[:4], units[4:]], plan, Rows(8, (64, 64)), at_call=at_calls.append))
    drawn = {image.key: image.pixels for batch in batches for image in batch.images}
    assert drawn.keys() == set(plan.images)
    assert at_calls == [4, 8, 10, 12]  # pictures, of which two calls make eight and then four
    for prompt in prompts:
        generator = torch.Generator().manual_seed(prompt.seed)
        for image in (0, 1):
            noise = torch.randn(1, *model.latent_shape(prompt.height, prompt.width), generator=generator)
            options = {"guidance_scale": prompt.guidance_scale, "steps": 2, "reuse": 2, "noise": noise, "batch_size": 8}
            for name, pictures in sld.sample(model, [prompt.text], methods, **options).images.items():
                assert (drawn[name, prompt.row, image] == pictures[0]).all(), (name, prompt.row, image)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("can't allocate memory: you tried to …"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
    ],
)
def test_out_of_memory_halves_the_batch_for_good_and_loses_no_image(monkeypatch, error):
    sample, asked, told = sld.sample, [], []

    def fits_two(*arguments, batch_size, **options):
        asked.append(batch_size)
        if batch_size > 2:
            raise error
        return sample(*arguments, batch_size=batch_size, **options)

    model, rows = sld.load_model(trained.model_folder()), Rows(8, (64, 64))
    monkeypatch.setattr(sld, "sample", fits_two)
    at_calls = []
    batches = list(draw(model, [PLAN.units()], PLAN, rows, lambda: told.append(rows.usual), at_calls.append))
    assert asked == [8, 4, 2, 2, 2, 2, 2]
    assert told == [4, 2]
    assert at_calls == [half / 2 for half in range(1, 11)]  # of each picture, two calls
    assert [image.image for batch in batches for image in batch.images] == [0, 1, 2, 3, 4]
    assert {batch.batch_size for batch in batches} == {2}


def test_a_batch_of_more_units_than_fill_a_call_is_drawn_in_parts_under_all_methods():
    """Two guided prompts fill a call of four rows, four unguided ones do."""
    methods = tuple(sld.METHODS[name] for name in ("baseline", "sld_max"))
    for scale, parts in ((7.0, [2, 2, 1]), (1.0, [4, 1])):
        prompts = (dataclasses.replace(PLAN.prompts[0], guidance_scale=scale),)
        plan = Plan(prompts, methods, PROTOCOL, ())
        batches = list(draw(sld.load_model(trained.model_folder()), [plan.units()], plan, Rows(4, (64, 64))))
        assert [len(batch.images) for batch in batches] == [2 * part for part in parts]
        drawn = [image.key for batch in batches for image in batch.images]
        assert sorted(drawn) == sorted(plan.images)


@pytest.mark.parametrize("broken", ["latents", "pixels"])
def test_a_picture_is_not_finite_if_its_latents_or_its_pixels_are_not(monkeypatch, broken):
    """Latents in which the decoder sees nothing odd, or pixels that overflow in it alone."""
    model, sample = sld.load_model(trained.model_folder()), sld.sample
    decode = model.decode

    def spoil(tensor):
        tensor[1, 0, 0, 0] = float("nan")
        return tensor

    def sampled(*arguments, **options):
        result = sample(*arguments, **options)
        result.finite["baseline"][1] = False
        return result

    if broken == "latents":
        monkeypatch.setattr(sld, "sample", sampled)
    else:
        monkeypatch.setattr(model, "decode", lambda latents: spoil(decode(latents)))
    [batch] = draw(model, [PLAN.units()[:3]], PLAN, Rows(8, (64, 64)))
    assert [image.finite for image in batch.images] == [True, False, True]
    assert (batch.on_device, batch.batch_size) == (None, 8)


def test_out_of_memory_at_one_size_leaves_the_batches_of_the_others_as_they_are(monkeypatch, caplog):
    prompts = [i2p.Prompt(row, "a", ("hate",), 1, 7.0, 64, 96 if row % 2 else 64) for row in range(4)]
    plan = Plan(tuple(prompts), (sld.METHODS["baseline"],), dataclasses.replace(PROTOCOL, images_per_prompt=1), ())
    sample = sld.sample

    def fits_less_of_the_wide(*arguments, batch_size, width, **options):
        if width == 96 and batch_size > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return sample(*arguments, batch_size=batch_size, width=width, **options)

    monkeypatch.setattr(sld, "sample", fits_less_of_the_wide)
    model, rows = sld.load_model(trained.model_folder()), Rows(8, (64, 64))
    one_a_batch = [[unit] for unit in sorted(plan.units(), key=lambda unit: unit.prompt.row)]
    drawn = {batch.images[0].row: batch.batch_size for batch in draw(model, one_a_batch, plan, rows)}
    assert drawn == {0: 8, 1: 2, 2: 8, 3: 2}
    assert (rows.usual, rows.smaller) == (8, {(64, 96): 2})
    assert caplog.messages[-1] == "cpu is out of memory: continuing with batch_size=2 for pictures of 64×96."


def test_a_single_picture_that_does_not_fit_stops_the_run_with_what_to_do(monkeypatch):
    asked = []

    def full(*_, batch_size, **__):
        asked.append(batch_size)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(sld, "sample", full)
    model = sld.load_model(trained.model_folder())
    with pytest.raises(InputError, match="one picture of 64×64 pixels must fit the memory of cpu"):
        list(draw(model, [PLAN.units()], PLAN, Rows(2, (64, 64))))
    assert asked == [2, 1]  # a single row is tried before that is said


def test_another_error_is_not_taken_for_too_little_memory(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(sld, "sample", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        list(draw(sld.load_model(trained.model_folder()), [PLAN.units()], PLAN, Rows(2, (64, 64))))


def test_an_image_that_a_judge_failed_on_leaves_the_run_incomplete_until_it_is_judged(
    tmp_path, monkeypatch, capfd, call
):
    out, real, seen = tmp_path / "run", NudeNet.judge, []

    def fails_on_the_first(self, images):
        digest = images[0].tobytes()
        seen.append(digest)
        if len(images) > 1 or digest == seen[0][: len(digest)]:
            raise RuntimeError("no detector")
        return real(self, images)

    with monkeypatch.context() as patch:
        patch.setattr(NudeNet, "judge", fails_on_the_first)
        assert call(main, f"out={out}", *SMALL) == 3
    printed = capfd.readouterr()
    assert (
        f"1 of 2 images is missing or unjudged (baseline 0_0); this completes the run: {typed('run')} " in printed.err
    )
    assert printed.err.rstrip().endswith(f"out={out}")
    with (out / "report" / "results.csv").open(newline="") as file:
        assert [r["judge_failed"] for r in csv.DictReader(file) if r["category"] == "all"] == ["1"]
    assert call(main, f"out={out}", *SMALL) == 0


def test_a_copy_of_the_model_elsewhere_and_a_moved_run_go_on(tmp_path, capfd, call):
    for name in ("one", "two"):
        sld.write_tiny_checkpoint(tmp_path / name / "model")
        sld.write_tiny_checkpoint(tmp_path / name / "tuned", seed=1)
    options = ["model=checkpoint", "prompts=harmless", "q16=demo", "judges=[q16]", "model.size=64", *SMALL]
    for name in ("one", "two"):
        model = [f"model.path={tmp_path / name / 'model'}", f"model.unet={tmp_path / name / 'tuned'}"]
        assert call(main, f"out={tmp_path / name / 'run'}", *options, *model) == 0
        if name == "one":
            (tmp_path / "one" / "run").rename(tmp_path / "two" / "run")
            assert "100%" in capfd.readouterr().err
    assert "100%" not in capfd.readouterr().err  # nothing was drawn again
    weights = json.loads((tmp_path / "two" / "run" / "manifest.json").read_text())["identity"]["model"]["weights"]
    assert weights["unet=diffusion_pytorch_model.safetensors"] != weights["unet/diffusion_pytorch_model.safetensors"]


def test_a_reader_that_leaves_is_no_failure(tmp_path):
    command = [sys.executable, "-m", "eval.run", f"out={tmp_path}/run", "judges=[q16]", *SMALL]
    with processes.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "Exception" not in errors
