"""An opened run with all that draws, judges and stores its batches, as each process of a run that draws has it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import torch

from eval.base.pictures import encode_png
from eval.base.printing import say
from eval.config.settings import Settings
from eval.generate.background import Background
from eval.generate.draw import Batch, draw
from eval.generate.engine import Engine, choose_engine, keep_smaller_batch, kind_of
from eval.generate.inline_features import InlineFeatures
from eval.generate.judge import judge
from eval.generate.judge_later import judge_kept
from eval.generate.kept import keeper, was_set_aside
from eval.generate.models import open_models
from eval.judges import Judge
from eval.plan.batches import Rows
from eval.plan.plan import Plan, Unit
from eval.store.rundir import RunDir
from eval.store.scores import Score
from sld.models import LoadedModel
from sld.threads import even_number, even_threads
from sld.tuning import attention_order

COMPILING = "Compiling, which takes minutes the first time on a machine …"


@dataclass(frozen=True)
class DrawingRun:
    """An opened run and what its batches need.

    Args:
        run: the directory.
        plan: of the run.
        model: on its device.
        judges: by name.
        engine: how the model is run.
        features: that the judges give too.
        keeps: returns whether the picture of a scored image is kept.
        timeout: seconds that a judge may spend on one batch; None for no limit.
        on_halved: called with the batch sizes that fit, where the device has too little memory.
    """

    run: RunDir
    plan: Plan
    model: LoadedModel
    judges: Mapping[str, Judge]
    engine: Engine
    features: InlineFeatures
    keeps: Callable[[Score], bool]
    timeout: float | None
    on_halved: Callable[[Rows], None] = lambda rows: None

    @classmethod
    def open(
        cls,
        run: RunDir,
        plan: Plan,
        settings: Settings,
        *,
        threads: int | None = None,
        share: tuple[int, int] = (0, 1),
        on_judged: Callable[[Sequence[Score]], None] | None = None,
        announces: bool = True,
    ) -> DrawingRun:
        """Load model and judges, open the run, have kept pictures judged by judges that are new, and choose the engine.

        Args:
            run: the directory.
            plan: of the run.
            settings: of the run.
            threads: cores that this process may use if it is one of several; None for all.
            share: the index and number of the processes that share the judging.
            on_judged: called with the scores of a batch that was judged anew, in a worker.
            announces: say that it compiles, once, when it begins to; one of several processes speaks for all.

        Raises:
            InputError, sld.InputError: something can't be loaded, or the directory holds another run.
            StorageError, JudgeError: the disk or a judge failed; everything stored before is complete.
            Stopped: a signal arrived; the current batch has been stored.
        """
        model, judges = open_models(run, plan, settings, threads)
        if announces:
            model.before_compiled = cache(partial(say, COMPILING, sys.stderr))
        features, timeout = InlineFeatures.of_run(run, plan, settings, judges), settings.judge_timeout
        judge_kept(
            run,
            plan,
            judges,
            features,
            settings.device,
            timeout=timeout,
            verify=settings.verify,
            share=share,
            on_stored=on_judged,
        )
        engine = choose_engine(run, plan, model, settings.engine, settings.batch_size, settings.workers)
        keeps = keeper(settings.images, settings.images_sample, plan)
        on_halved = partial(keep_smaller_batch, run, plan, model.device, settings.batch_size)
        return cls(run, plan, model, judges, engine, features, keeps, timeout, on_halved)

    def rows(self) -> Rows:
        """Return the rows of a denoiser call with which drawing begins; `draw` halves them where they do not fit."""
        return Rows(self.engine.batch_size, self.plan.usual_size, self.engine.smaller)

    def draw(
        self,
        batches: Iterable[Sequence[Unit]],
        rows: Rows,
        at_call: Callable[[float], None] = lambda drawn: None,
    ) -> Iterator[Batch]:
        """Draw every unit with each of its methods (`eval.generate.draw`)."""
        return draw(self.model, batches, self.plan, rows, partial(self.on_halved, rows), at_call)

    @contextlib.contextmanager
    def storing(self, on_stored: Callable[[Sequence[Score]], None]) -> Iterator[Callable[[Batch], None]]:
        """Yield a function that judges and stores a batch, in the background if the engine says so.

        The pictures and features of a batch are on the disk before its scores, so all that scores name exists. On
        leaving, all batches are stored. `on_stored` is called with the scores of a batch.
        """
        streams: list = []

        def store(batch: Batch) -> None:
            with _own_stream(batch, streams), even_threads(self.model.device):
                scores = judge(batch, self.judges, engine=self._provenance(batch), timeout=self.timeout)
                rows = self.features.rows(scores)
            images = [image for image, score in zip(batch.images, scores, strict=True) if self._is_kept(score)]
            encoded = threads.map(lambda image: encode_png(image.pixels), images)
            self.run.write_images((image.key, png) for image, png in zip(images, encoded, strict=True))
            self.features.store(rows)
            self.run.write_scores(self.plan.shard_index, scores)
            on_stored(scores)

        background = Background(store, threaded=self.engine.background)
        with _process_wide(self.engine), ThreadPoolExecutor() as threads, background:
            yield background.put

    def _is_kept(self, score: Score) -> bool:
        return self.keeps(score) or was_set_aside(self.run.image_path(*score.key))

    def _provenance(self, batch: Batch) -> str:
        """Return how and on which device a batch was drawn; on a CPU the last bits also depend on the thread count."""
        device, tuning = self.model.device, self.engine.tuning
        where = kind_of(device) if device.type != "cpu" else f"cpu with {even_number(torch.get_num_threads())} threads"
        if batch.images[0].pixels.shape[:2] != self.plan.usual_size:  # only that size is compiled
            tuning = tuning.at_other_sizes
        return f"{where}, {str(self.model.dtype).removeprefix('torch.')}, {tuning}"


@contextlib.contextmanager
def _process_wide(engine: Engine) -> Iterator[None]:
    """Set the process-wide options of torch once, because a change in one thread would affect the other's results.

    Attention is as the denoiser needs it, and convolutions are without TensorFloat-32, as Q16 needs them.
    """
    with attention_order(engine.tuning.attention), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def _own_stream(batch: Batch, streams: list):
    """Return the judges' own stream on a GPU: on the denoiser's they would wait for everything queued in it."""
    if batch.on_device is None or not batch.on_device.is_cuda:
        return contextlib.nullcontext()
    if not streams:
        device = batch.on_device.device
        # A thread begins on GPU 0 and goes back there at the end of a stream's context, which takes memory of it.
        torch.cuda.set_device(device)
        streams.append(torch.cuda.Stream(device))
    return torch.cuda.stream(streams[0])
