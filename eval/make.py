"""The loop of a run: draw, judge and store what is not done, a batch at a time."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import torch
from tqdm import tqdm

from eval.beside import Beside
from eval.engine import Engine, keep_smaller_batch, kind_of
from eval.generate import Batch, draw
from eval.judges import Judge
from eval.judging import judge
from eval.keep import keeper
from eval.plan import Plan
from eval.png import encode_png
from eval.rundir import RunDir
from eval.scores import OK
from eval.settings import Settings


def make_missing(
    run: RunDir, plan: Plan, model, judges: Mapping[str, Judge], settings: Settings, engine: Engine
) -> None:
    """Generate, judge and store the images of this shard that are not done.

    A batch's pictures are on the disk before its scores: what the scores name is there.

    Raises:
        StorageError, JudgeError: the disk or a judge failed; what was stored before is whole.
    """
    total = len(plan.units())
    units = plan.missing(run.done(set_aside=True))
    each = len(plan.methods)
    bar = tqdm(
        total=total * each,
        initial=(total - len(units)) * each,
        unit="image",
        disable=not units,
        mininterval=0.2 if sys.stderr.isatty() else 15,  # a log file needs no animation
    )
    said = f"{kind_of(model.device)}, {str(model.dtype).removeprefix('torch.')}, {engine.tuning}"
    smaller = lambda size: keep_smaller_batch(settings, model, run, size)  # noqa: E731
    with closing(bar), ThreadPoolExecutor() as threads:
        store = _store(run, plan, judges, settings, said, threads, bar)
        with Beside(store, threaded=engine.beside) as beside:
            for batch in draw(model, units, plan, engine.batch_size, smaller):
                beside.put(batch)


def _store(
    run: RunDir,
    plan: Plan,
    judges: Mapping[str, Judge],
    settings: Settings,
    engine: str,
    threads: ThreadPoolExecutor,
    bar: tqdm,
) -> Callable[[Batch], None]:
    """The half of the loop that no picture waits for: judge a batch, write what is kept of it, then its scores."""
    keeps = keeper(settings.images, settings.images_sample, plan)
    states: Counter[str] = Counter()
    streams: list = []

    def store(batch: Batch) -> None:
        with _own_stream(batch, streams):
            scores = judge(batch, judges, engine=engine)
        kept = [image for image, score in zip(batch.images, scores, strict=True) if keeps(score)]
        encoded = threads.map(lambda image: encode_png(image.pixels), kept)
        names = ((image.method, image.row, image.image) for image in kept)
        run.write_images((*name, png) for name, png in zip(names, encoded, strict=True))
        run.write_scores(plan.shard_index, scores)
        states.update(score.state for score in scores)
        bar.set_postfix({state: n for state, n in states.items() if state != OK}, refresh=False)
        bar.update(len(scores))

    return store


def _own_stream(batch: Batch, streams: list):
    """On a GPU the judges get a stream of their own: on the denoiser's they would wait for all that is queued there."""
    if batch.on_device is None or not batch.on_device.is_cuda:
        return contextlib.nullcontext()
    if not streams:
        streams.append(torch.cuda.Stream(batch.on_device.device))
    return torch.cuda.stream(streams[0])
