"""The rows of the bench: what each runs, built when its first turn comes, from parts that the rows share."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

import i2p
from engine_bench import estimate, harness, meter
from engine_bench.one_call import whole_call
from engine_bench.reference import Reference
from engine_bench.world import World
from eval.generate.engine import FUSED
from eval.judges.q16 import Q16
from sld.tuning import Tuning, compile_options, fastest_attention

METHODS = ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")
QUICK = ("R1", "R2", "beside")
TEN = 10  # images of a prompt that diffusers draws at once in R2 and R3
Turn = Callable[[list, int, Path], meter.Run]


@dataclass
class Row:
    """A row of the table.

    Attributes:
        key: by which it is chosen.
        name: in the table.
        kind: its effect relative to the previous row.
        prompts: of a turn.
        build: makes its parts; returns what takes a turn, run(prompts, steps, folder).
        in_full: its name where the table lacks the previous row, to which `name` adds.
        expected: seconds of start-up and one turn on an H200 or H100, by calculation.
        start_up: seconds until its first turn.
        turns: by round.
        failure: why it has no further turns.
    """

    key: str
    name: str
    kind: str
    prompts: int
    build: Callable[[], Turn]
    in_full: str
    expected: float = 0.0
    start_up: float = 0.0
    turns: dict[int, meter.Run] = field(default_factory=dict)
    failure: str | None = None
    run: Turn | None = None


class Parts:
    """Models and judges, made when a row first needs them."""

    def __init__(self, world: World):
        self.world = world
        self._models: dict[tuple, object] = {}

    def model(self, *key: object):
        """Return the model of this key, such as its layout: a model has one layout and one compilation at a time."""
        if key not in self._models:
            self._models[key] = self.world.model()
        return self._models[key]

    @functools.cached_property
    def judges(self) -> dict:
        """The harness's judges by name."""
        return self.world.judges()

    @functools.cached_property
    def single_q16(self) -> Q16:
        """The same CLIP, with one picture per call of the network."""
        judge = copy.copy(self.judges["q16"])
        judge._encoder = copy.copy(judge._encoder)  # both share the network, which is most of it
        judge.batch_size = judge._encoder.batch_size = 1
        return judge

    @functools.cache  # noqa: B019 - parts live as long as the bench
    def best_attention(self, rows: int) -> str:
        """Return the fastest attention at this many rows, of a model in channels-last layout."""
        world, model = self.world, self.model(Tuning(channels_last=True), False)
        model.tune(Tuning(channels_last=True))
        return fastest_attention(whole_call(world, model, rows), model.device, FUSED) or "flash"


def make_rows(
    world: World, batch_size: int, images: int, steps: int, *, compile_too: bool, quick: bool, keys: Sequence[str]
) -> list[Row]:
    """Return the references, then the harness's rows, each with the optimisations of those before.

    Lossy ones, and other options of torch.compile, are last.

    Args:
        world: model, judges and prompts.
        batch_size: ours in the end.
        images: per prompt in our rows.
        steps: of a turn.
        compile_too: whether our rows end up compiled.
        quick: only `QUICK` where no keys are given, and one batch's worth of images per turn.
        keys: of the rows that are wanted, in the order of their turns; empty for all.

    Raises:
        InputError: a row that is wanted does not exist here, such as the fastest attention on a CPU.
    """
    parts = Parts(world)
    rows = _references(parts, steps) + _ours(parts, batch_size, images, steps, compile_too=compile_too, quick=quick)
    wanted = keys or (QUICK if quick else [row.key for row in rows])
    if unknown := [key for key in wanted if key not in {row.key for row in rows}]:
        raise i2p.InputError(
            f"--rows must be some of {', '.join(row.key for row in rows)} with this device and these words, found "
            f"{', '.join(unknown)}: leave it out"
        )
    chosen = [row for key in dict.fromkeys(wanted) for row in rows if row.key == key]
    for previous, row in zip([None, *rows], rows, strict=False):
        if row in chosen and previous not in chosen and row.name.startswith("+"):
            row.name, row.kind = row.in_full, "lossy" if row.kind == "lossy" else "rounding"
    return chosen


def _references(parts: Parts, steps: int) -> list[Row]:
    cpu = parts.world.device == "cpu"

    def row(key: str, name: str, at_once: int, images: int, options: dict | None = None) -> Row:
        def build() -> Turn:
            model = parts.model("reference", str(options))
            reference = Reference(parts.world, model, parts.single_q16, at_once, options)
            return lambda prompts, steps, folder: reference.run(prompts, images, METHODS, steps, folder)

        kind = "reference" if options is None else "rounding"
        return Row(key, name, kind, 1, build, name, estimate.reference_seconds(key, steps, images))

    device = torch.device(parts.world.device)
    other = harness.other_options(device)
    return [
        row("R1", "diffusers, one image at a time", 1, 2 if cpu else 1),
        row("R2", "diffusers, ten images per prompt", TEN, TEN),
        row("R3", "R2 compiled as ours, channels-last", TEN, TEN, compile_options(device)),
        row("R3_other", f"R3 compiled with {harness.in_words(other)}", TEN, TEN, other),
    ]


def _ours(parts: Parts, batch_size: int, images: int, steps: int, *, compile_too: bool, quick: bool) -> list[Row]:
    cpu = parts.world.device == "cpu"
    rows: list[Row] = []

    def add(key: str, name: str, choice: harness.Choice, batches: int = 1) -> harness.Choice:
        prompts = max(1, (1 if quick else batches) * choice.batch_size // images)

        def build() -> Turn:
            chosen = choice
            if choice.attention_measured:
                best = parts.best_attention(batch_size)
                chosen = replace(choice, tuning=replace(choice.tuning, attention=best))
            model = parts.model(replace(chosen.tuning, attention=None), chosen.other_options)
            return lambda prompts, steps, folder: harness.run(
                chosen, parts.world, model, parts.judges, prompts, images, METHODS, steps, folder
            )

        in_full = f"ours: {choice}" if name.startswith("+") else name
        expected = estimate.our_seconds(prompts * images, steps, compiled=choice.tuning.compiled)
        rows.append(Row(key, name, choice.kind, prompts, build, in_full, expected))
        return choice

    first = batch_size if cpu else min(batch_size, 16)
    choice = add("unshared", f"ours, nothing shared, batch {first}", harness.Choice("rounding", first, share=False))
    choice = add("shared", "+ trajectories and states shared", replace(choice, kind="exact", share=True))
    choice = add("layout", "+ channels-last", replace(choice, kind="rounding", tuning=Tuning(channels_last=True)))
    if not cpu:
        choice = add("attention", "+ the fastest attention here", replace(choice, attention_measured=True))
    if compile_too:
        compiled = replace(choice.tuning, compiled=True, compiled_decoder=not cpu)  # as in a run
        choice = add("compiled", "+ compiled", replace(choice, tuning=compiled))
    if first != batch_size:
        choice = add("batch", f"+ batch {batch_size}", replace(choice, batch_size=batch_size))
    # A batch is judged while the next one is drawn, which only several batches show.
    choice = add("beside", "+ judging and writing beside", replace(choice, kind="exact", background=True), batches=3)
    add("reuse", "+ reuse 2", replace(choice, kind="lossy", reuse=2), batches=3)
    if compile_too:
        other = harness.in_words(harness.other_options(torch.device(parts.world.device)))
        add("other", f"all but reuse, compiled with {other}", replace(choice, kind="rounding", other_options=True), 3)
    return rows


def start(row: Row) -> None:
    """Build the parts of a row."""
    began = time.perf_counter()
    row.run = row.build()
    row.start_up += time.perf_counter() - began
