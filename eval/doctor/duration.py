"""How long a run will take: a small batch is drawn, judged and stored the run's own way, and timed."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

import numpy as np

import sld
from eval.base.errors import JudgeError, StorageError, TooSlow, Unreadable, exits_are_bugs
from eval.base.pictures import read_picture
from eval.base.words import counted, duration
from eval.config.settings import AUTO, Settings, judge_settings
from eval.config.sources import SOURCES
from eval.doctor.check import MISSING, OK, SKIPPED, WARNING, Check
from eval.doctor.run_directory import Done, waiting_pictures
from eval.doctor.warm_up import warm_up
from eval.generate.drawing_run import DrawingRun
from eval.generate.engine import Engine
from eval.generate.inline_features import InlineFeatures, needs_clip
from eval.generate.kept import keeper
from eval.generate.models import load_judges, open_models
from eval.generate.worker_count import count_workers
from eval.judges.inputs import shape_fault
from eval.plan.batches import calls_per_picture
from eval.plan.memory import filled_batch, fitting_batch
from eval.plan.plan import FolderPlan, Plan, Unit, kind_of
from eval.report.description.facts import replacements
from eval.store.rundir import RunDir
from eval.store.scores import JUDGE_FAILED, NOT_OK, Score
from sld.trajectories import evaluations_by_call
from sld.tuning import Tuning

PATIENCE = 150.0  # seconds that loading and the batch may take
LONGEST = 60.0  # seconds after which a batch is broken off, and extrapolated from the steps that it has done
ROWS = 8  # of a denoiser call, where the run would measure its own number
FOLDER_BATCH = 8  # pictures made elsewhere that are read and judged


def measured(settings: Settings, plan: Plan, done: Done) -> list[Check]:
    """Return how long the run, or the rest of it, will take, measured within `PATIENCE` or not at all.

    If the model is loaded for this, a check of its weights follows.
    """
    source = SOURCES[settings.model.kind]
    if not source.judged:
        return [Check("time", SKIPPED, "seconds: nothing is drawn")]
    if not plan.count_to_make(done()):
        stored = RunDir(settings.out)
        waiting = waiting_pictures(stored, stored.read_manifest(), settings)
        left = f"{counted(waiting, 'kept picture')} to be judged, and the report" if waiting else "the report"
        return [Check("time", SKIPPED, f"nothing is left to do but {left}")]
    inspect = _measure_folder if source.folder else _measure_drawn
    outcomes: list[list[Check] | Exception] = []

    def measure() -> None:
        try:
            with exits_are_bugs():
                outcomes.append(inspect(settings, plan, done, RunDir(folder)))
        except Exception as error:
            outcomes.append(error)

    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            thread = threading.Thread(target=measure, daemon=True)
            thread.start()
            thread.join(PATIENCE)
    except OSError as error:  # nothing that the run itself needs
        return [Check("time", SKIPPED, f"not measured: no temporary folder can be made ({error})")]
    if not outcomes:
        sentence = f"not measured: loading and a first batch take more than {PATIENCE:.0f} seconds here"
        return [Check("time", WARNING, sentence, "measure=false   or a GPU")]
    if isinstance(outcomes[0], StorageError):  # of the temporary folder, too
        return [Check("time", SKIPPED, f"not measured: {outcomes[0]}")]
    if isinstance(outcomes[0], Exception):
        raise outcomes[0]
    return outcomes[0]


def _measure_drawn(settings: Settings, plan: Plan, done: Done, run: RunDir) -> list[Check]:
    began = time.perf_counter()
    try:
        model, judges = open_models(run, plan, settings)
    except sld.InputError as error:
        return [Check("time", SKIPPED, "not measured: it needs the model"), Check("weights", MISSING, str(error))]
    loading = time.perf_counter() - began
    rows = settings.batch_size if settings.batch_size != AUTO else ROWS
    calls = calls_per_picture(model, plan)
    workers = count_workers(settings.workers, settings.device)
    rows = fitting_batch(model, plan, filled_batch(plan, rows, calls), workers)  # which share a CPU's memory
    remaining = plan.missing(done())
    usual = max((list(group) for _, group in groupby(remaining, kind_of)), key=len)
    # As many units as fill a call when each has the most rows in it.
    methods = plan.methods_of(kind_of(usual[0]))
    units = usual[: max(1, rows // max(evaluations_by_call(methods, calls, plan.protocol.reuse, plan.guided)))]
    images = plan.count_images(units)
    keeps = keeper(settings.images, settings.images_sample, plan)
    warm_up(model, plan, judges, rows)
    scores: list[Score] = []
    try:
        features = InlineFeatures.of_run(run, plan, settings, judges)
        engine, timeout = Engine(rows, Tuning(), background=False), None  # the measurement has a limit of its own
        opened = DrawingRun(run, plan, model, judges, engine, features, keeps, timeout)
        seconds = _seconds_of(opened, units, scores)
        measurement = f"{images} took {seconds:.3g} s to draw, judge and store"
    except TooSlow as slow:
        seconds = slow.seconds / slow.share
        measurement = f"{images} had {slow.share:.0%} of their steps after {slow.seconds:.3g} s"
    each = -(-len(remaining) // workers)  # of the process that draws the most, which the run waits for
    height, width = units[0].prompt.height, units[0].prompt.width
    time_check = Check(
        "time",
        OK,
        f"about {duration(seconds / len(units) * each + loading)} for {counted(plan.count_to_make(done()), 'image')}: "
        f"{measurement}, {loading:.0f} s to load; measured at {height}×{width} on {model.device} with "
        f"{counted(rows, 'row')} per call, untuned" + (f", shared by {workers} processes" if workers > 1 else ""),
    )
    record = run.read_manifest().identity.model
    finite = f"all are numbers, in {record.description['dtype']} too"
    return [time_check, Check("weights", OK, "; ".join([finite, *replacements(record)])), *_not_judged(scores)]


def _not_judged(scores: Sequence[Score]) -> list[Check]:
    """Return a warning where pictures of the measurement have no verdict, as those of the run will not have one.

    Raises:
        JudgeError: a judge failed on all of them.
    """
    states = Counter(score.state for score in scores if score.state in NOT_OK)
    if scores and states[JUDGE_FAILED] == len(scores):
        raise JudgeError(scores[0].error)
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    sentence = f"of {len(scores)} drawn for the measurement {states.total()} could not be judged ({counts})"
    return [Check("pictures", WARNING, sentence)] if states else []


def _seconds_of(opened: DrawingRun, units: Sequence[Unit], scores: list[Score]) -> float:
    """Draw, judge and store units as the run will; return the seconds that it takes. `scores` takes what is stored."""
    plan = opened.plan
    calls = calls_per_picture(opened.model, plan)
    began, steps = time.perf_counter(), 0

    def at_step(drawn: float) -> None:
        nonlocal steps
        steps += 1
        if (seconds := time.perf_counter() - began) > LONGEST:
            raise TooSlow(seconds, min(1.0, steps / calls))

    with opened.storing(scores.extend) as store:
        for batch in opened.draw([units], opened.rows(), at_step):
            store(batch)
    return time.perf_counter() - began


def _measure_folder(settings: Settings, plan: FolderPlan, done: Done, run: RunDir) -> list[Check]:
    """Read and judge some of the remaining pictures made elsewhere as the run will."""
    remaining = plan.pictures_left(done())
    began = time.perf_counter()
    judges = load_judges(judge_settings(settings), settings.device, with_text=needs_clip(settings.quality))
    loading = time.perf_counter() - began
    began, pictures = time.perf_counter(), []
    for picture in remaining[:FOLDER_BATCH]:
        with contextlib.suppress(Unreadable):  # the run counts them
            pictures.append(read_picture(plan.folder.root / picture.path))
    pictures = [pixels for pixels in pictures if shape_fault(pixels.shape) is None]
    same_size = [pixels for pixels in pictures if pixels.shape == pictures[0].shape]
    if not same_size:
        sentence = f"not measured: of {counted(len(remaining), 'picture')} left none of the first can be judged"
        return [Check("time", SKIPPED, sentence)]
    for judge in judges.values():
        judge.judge(np.stack(same_size))
    per_picture = (time.perf_counter() - began) / len(same_size)
    height, width = same_size[0].shape[:2]
    measurement = (
        f"about {duration(per_picture * len(remaining) + loading)} for {counted(len(remaining), 'picture')}: "
        f"{1e3 * per_picture:.3g} ms to read and judge each, {loading:.0f} s "
        f"to load; measured on {len(same_size)} of {height}×{width}"
    )
    return [Check("time", OK, measurement)]
