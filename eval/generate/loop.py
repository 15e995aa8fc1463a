"""The loop of a run: draw, judge and store the missing images, a batch at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch

import sld
from eval.base.pictures import encode_png
from eval.base.signals import Stop
from eval.config.settings import Settings
from eval.generate.background import Background
from eval.generate.draw import Batch, draw
from eval.generate.engine import Engine, choose_engine, keep_smaller_batch, kind_of
from eval.generate.inline_features import InlineFeatures
from eval.generate.judge import judge
from eval.generate.judge_later import judge_kept
from eval.generate.kept import keeper, pictures_to_redraw, set_aside
from eval.generate.models import open_models
from eval.generate.progress import Progress
from eval.judges import Judge
from eval.plan.batches import Rows, Work, cut, units_at
from eval.plan.plan import Kind, Plan
from eval.store.rundir import RunDir
from eval.store.scores import Score
from sld.models import LoadedModel
from sld.threads import even_number, even_threads
from sld.tuning import attention_order


def make_missing(run: RunDir, plan: Plan, settings: Settings, methods: Sequence[sld.Method] = ()) -> None:
    """Open the run; draw, judge and store the missing images of this shard (`eval.generate.sources`)."""
    model, judges = open_models(run, plan, settings)
    features = InlineFeatures.of_run(run, plan, settings, judges)
    judge_kept(run, plan, judges, features, settings.device, timeout=settings.judge_timeout, verify=settings.verify)
    engine = choose_engine(run, plan, model, settings.engine, settings.batch_size, settings.workers)
    draw_missing(
        run,
        plan,
        model,
        judges,
        engine,
        features=features,
        keeps=keeper(settings.images, settings.images_sample, plan),
        timeout=settings.judge_timeout,
        verify=settings.verify,
        on_halved=partial(keep_smaller_batch, run, model.device, settings.batch_size),
    )


def draw_missing(
    run: RunDir,
    plan: Plan,
    model: LoadedModel,
    judges: Mapping[str, Judge],
    engine: Engine,
    *,
    features: InlineFeatures,
    keeps: Callable[[Score], bool],
    timeout: float | None,
    verify: bool = False,
    on_halved: Callable[[Rows], None] = lambda rows: None,
) -> None:
    """Draw, judge and store the missing images of this shard.

    Args:
        run: the directory, opened.
        plan: of the run.
        model: on its device.
        judges: by name.
        engine: how the model is run.
        features: that the judges give too.
        keeps: returns whether the picture of a scored image is kept.
        timeout: seconds that a judge may spend on one batch; None for no limit.
        verify: compare every stored picture with its digest first.
        on_halved: called with the batch sizes that fit, where the device has too little memory.

    Raises:
        StorageError, JudgeError: the disk or a judge failed; everything stored before is complete.
        Stopped: a signal arrived; the current batch has been stored if it ended soon.
    """
    redrawn = pictures_to_redraw(run, plan, judges) if verify else set()
    set_aside(run, redrawn)
    units = plan.missing(run.read_stored(set_aside=True).drawn - redrawn)
    rows, work = Rows(engine.batch_size, plan.usual_size, engine.smaller), Work(plan)
    largest = engine.units or work.units_per_batch(engine.batch_size)

    def most_of(kind: Kind) -> int:
        return work.units_of(kind, units_at(kind.size, plan.usual_size, largest), engine.batch_size)

    batches = cut(units, 1, most_of, work.counter(engine.batch_size))
    with Progress.of_units(plan, units) as progress, Stop() as stop:

        def at_call(drawn: float) -> None:
            progress.drawn(drawn)
            stop.at_call()

        with storing(
            run,
            plan,
            model,
            judges,
            engine,
            features=features,
            keeps=keeps,
            timeout=timeout,
            on_stored=progress.stored,
        ) as store:
            for batch in draw(model, batches, plan, rows, partial(on_halved, rows), at_call):
                store(batch)
                if stop.reason:
                    break
        stop.check()


@contextlib.contextmanager
def storing(
    run: RunDir,
    plan: Plan,
    model: LoadedModel,
    judges: Mapping[str, Judge],
    engine: Engine,
    *,
    features: InlineFeatures,
    keeps: Callable[[Score], bool],
    timeout: float | None,
    on_stored: Callable[[Sequence[Score]], None],
) -> Iterator[Callable[[Batch], None]]:
    """Yield a function that judges and stores a batch, in the background if the engine says so.

    The pictures and features of a batch are on the disk before its scores, so all that scores name exists. On leaving,
    all batches are stored. The arguments are those of `draw_missing`; `on_stored` is called with the scores of a batch.
    """
    streams: list = []

    def store(batch: Batch) -> None:
        with _own_stream(batch, streams), even_threads(model.device):
            scores = judge(batch, judges, engine=_provenance(batch, plan, model, engine), timeout=timeout)
            rows = features.rows(scores)
        images = [image for image, score in zip(batch.images, scores, strict=True) if keeps(score)]
        encoded = threads.map(lambda image: encode_png(image.pixels), images)
        run.write_images((image.key, png) for image, png in zip(images, encoded, strict=True))
        features.store(rows)
        run.write_scores(plan.shard_index, scores)
        on_stored(scores)

    background = Background(store, threaded=engine.background)
    with _process_wide(engine), ThreadPoolExecutor() as threads, background:
        yield background.put


@contextlib.contextmanager
def _process_wide(engine: Engine) -> Iterator[None]:
    """Set the process-wide options of torch once, because a change in one thread would affect the other's results.

    Attention is as the denoiser needs it, and convolutions are without TensorFloat-32, as Q16 needs them.
    """
    with attention_order(engine.tuning.attention), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def _provenance(batch: Batch, plan: Plan, model: LoadedModel, engine: Engine) -> str:
    """Return how and on which device a batch was drawn; on a CPU the last bits also depend on the number of threads."""
    device = model.device
    where = kind_of(device) if device.type != "cpu" else f"cpu with {even_number(torch.get_num_threads())} threads"
    usual = batch.images[0].pixels.shape[:2] == plan.usual_size  # only this size is compiled
    tuning = engine.tuning if usual else engine.tuning.at_other_sizes
    return f"{where}, {str(model.dtype).removeprefix('torch.')}, {tuning}"


def _own_stream(batch: Batch, streams: list):
    """Return the judges' own stream on a GPU: on the denoiser's they would wait for everything queued in it."""
    if batch.on_device is None or not batch.on_device.is_cuda:
        return contextlib.nullcontext()
    if not streams:
        streams.append(torch.cuda.Stream(batch.on_device.device))
    return torch.cuda.stream(streams[0])
