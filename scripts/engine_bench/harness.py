"""The harness's own loop into a run directory of its own, with one more optimisation per row."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

import i2p
import sld
from engine_bench import meter
from engine_bench.world import World
from eval.generate.drawing_run import DrawingRun
from eval.generate.engine import Engine
from eval.generate.inline_features import InlineFeatures
from eval.generate.kept import keeper
from eval.generate.loop import draw_missing
from eval.measure.metrics import verdicts
from eval.plan.plan import Plan
from eval.plan.record import identity_of
from eval.store.manifest import Manifest
from eval.store.records import Runtime, SettingsRecord
from eval.store.rundir import RunDir
from eval.store.scores import OK
from eval.store.stored_run import StoredRun
from sld import tuning
from sld.tuning import Tuning, compile_options


@dataclass(frozen=True)
class Choice:
    """The optimisations of a row; `kind` (exact, rounding or lossy) is the effect relative to the previous row.

    With `attention_measured`, the fastest attention takes the place of the tuning's; with `other_options`, the denoiser
    is compiled with those of the function of that name.
    """

    kind: str
    batch_size: int
    share: bool = True
    tuning: Tuning = field(default_factory=Tuning)
    attention_measured: bool = False
    background: bool = False
    reuse: int = 1
    other_options: bool = False

    def __str__(self) -> str:
        chosen = [
            "shared" if self.share else "nothing shared",
            "channels-last" * self.tuning.channels_last,
            "fastest attention" * self.attention_measured,
            "compiled" * self.tuning.compiled,
            "other options" * self.other_options,
            f"batch {self.batch_size}",
            "judged beside" * self.background,
            f"reuse {self.reuse}" * (self.reuse > 1),
        ]
        return ", ".join(filter(None, chosen))


def run(
    choice: Choice,
    world: World,
    model,
    judges: Mapping,
    prompts: Sequence[i2p.Prompt],
    images: int,
    methods: Sequence[str],
    steps: int,
    out: Path,
) -> meter.Run:
    """Draw, judge and store `images` per prompt with each method, and return what it took."""
    protocol = replace(i2p.get_protocol("dataset"), images_per_prompt=images, steps=steps, reuse=choice.reuse)
    plan = Plan(tuple(prompts), sld.resolve_methods(methods), protocol, ())
    directory, done = RunDir(out), meter.Run(noises=len(prompts) * images)
    if model.tuning != choice.tuning:  # compiling again would only read torch's cache again
        with compiling_with(other=choice.other_options):
            model.tune(choice.tuning, world.side, world.side)
    engine = Engine(choice.batch_size, choice.tuning, choice.background)
    with meter.peak_memory(world.device, done), _counted(model, choice, world, done):
        start = time.perf_counter()
        features, keeps = InlineFeatures(directory, 0), keeper("all", 1, plan)
        draw_missing(DrawingRun(directory, plan, model, judges, engine, features, keeps, timeout=600.0))
        done.seconds = time.perf_counter() - start
    scores = directory.read_scores()
    states = set(scores["state"].to_pylist())
    if states != {OK}:
        raise RuntimeError(f"every picture must be judged, or the row would measure too little; found {states}")
    identity = identity_of(plan, {"source": "the bench"}, {name: {} for name in judges})
    manifest = Manifest(identity, SettingsRecord({}), Runtime({}, (), ""))
    judged = verdicts(StoredRun(directory, manifest, plan.prompts, scores))
    keys = judged[["method", "row", "image"]].itertuples(index=False, name=None)
    done.labels = dict(zip(keys, judged["inappropriate"].tolist(), strict=True))
    return done


def other_options(device: torch.device) -> dict[str, bool]:
    """Return torch's own options for compiling or, where the engine uses these, deterministic compilation."""
    return {} if compile_options(device) else {"deterministic": True}


def in_words(options: Mapping[str, bool]) -> str:
    """Return options for compiling as a table names them."""
    return ", ".join(options) or "torch's own options"


@contextlib.contextmanager
def compiling_with(*, other: bool) -> Iterator[None]:
    """Have a model that is tuned meanwhile compiled with the engine's options, or with the other ones."""
    if other:
        tuning.compile_options = other_options
    try:
        yield
    finally:
        tuning.compile_options = compile_options


@contextlib.contextmanager
def _counted(model, choice: Choice, world: World, done: meter.Run) -> Iterator[None]:
    """Count and time the sampler's share of the loop, and count the denoiser's FLOP, padding included."""
    sample, observe, predict = sld.sample, model.observe, model.predict
    each_state, each_pair = flops_of_a_row(model, world)

    def timed(*arguments, **options):
        meter.synchronise(world.device)
        start = time.perf_counter()
        result = sample(*arguments, share=choice.share, **options)
        meter.synchronise(world.device)
        done.denoising += time.perf_counter() - start
        done.evaluations += result.evaluations * len(arguments[1])
        return result

    def counted_observe(latents, timestep):
        done.flops += len(latents) * each_state
        return observe(latents, timestep)

    def counted_predict(observed, timestep, texts):
        done.flops += len(texts[0]) * each_pair
        return predict(observed, timestep, texts)

    sld.sample, model.observe, model.predict = timed, counted_observe, counted_predict
    try:
        yield
    finally:
        sld.sample = sample
        del model.observe, model.predict


def flops_of_a_row(model, world: World) -> tuple[int, int]:
    """Return the FLOP of the denoiser's part that sees no text and of the rest, for one row, uncompiled."""
    latents = torch.zeros(1, *model.latent_shape(world.side, world.side)).to(model.device, model.dtype)
    timestep, texts = torch.tensor(500, device=model.device), model.encode([""], world.side, world.side)
    stages, observed = model.stages, []  # of the model itself, `observe` would be compiled for one row too
    return (
        meter.flops(lambda: observed.extend(stages.observe(latents, timestep))),
        meter.flops(lambda: stages.predict(observed, timestep, *texts)),
    )
