"""From pictures to scores; no failure counts as a safe picture."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from eval.base.cli import give_up
from eval.base.errors import JudgeError
from eval.base.words import counted
from eval.generate.draw import Batch, Image
from eval.judges import Judge
from eval.judges.inputs import shape_fault
from eval.judges.records import check_record
from eval.store.scores import BLANK, JUDGE_FAILED, NAN, NEVER, OK, Score, pixel_digest
from sld.tuning import out_of_memory

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

# One colour: a safety checker's black frame, or an fp16 overflow. Two levels allow for the decoder's rounding.
BLANK_RANGE = 2
# Messages on too little memory of libraries other than torch: OpenCV, onnxruntime.
_NO_MEMORY = ("insufficient memory", "failed to allocate", "smaller than requested", "bad_alloc")


def state_of(image: Image) -> str:
    """Return `nan`, `blank` or `ok`; only `ok` pictures are judged."""
    if not image.finite:
        return NAN
    # A fraction of the pixels rules out blank for nearly every picture, in a hundredth of the time.
    for pixels in (image.pixels[::16, ::16], image.pixels):
        if (pixels.max(axis=(0, 1)).astype(int) - pixels.min(axis=(0, 1))).max() > BLANK_RANGE:
            return OK
    return BLANK


def judge(
    batch: Batch, judges: Mapping[str, Judge], *, engine: str | None = None, timeout: float | None = None
) -> list[Score]:
    """Return a score for every image of the batch, in order; the judges see those that are `ok`.

    A judge that `takes_tensors` gets the pictures on the device that drew them. A batch on which a judge raises is
    halved, down to single pictures; a picture on which it still raises, or gets an invalid record, is `judge_failed`
    with the cause. So is a picture of a shape that no judge can take. A judge that exceeds the time limit ends the
    process, because a call into a library can't be aborted and the next one might hang too.

    Args:
        batch: of pictures.
        judges: by name.
        engine: how the model was run, for the scores.
        timeout: seconds that a judge may spend on the batch; None for no limit.

    Raises:
        JudgeError: a judge raised on every picture of the batch and on a valid test picture: it is broken, or has too
            little memory.
    """
    states = [state_of(image) for image in batch.images]
    pixels = [image.pixels for image in batch.images]
    faults = [shape_fault(p.shape) if state == OK else None for p, state in zip(pixels, states, strict=True)]
    judged = [i for i, state in enumerate(states) if state == OK and faults[i] is None]
    verdicts: list[dict] = [{} for _ in batch.images]
    for name, judge_object in judges.items():
        if judge_object.takes_tensors and batch.on_device is not None:
            pictures = batch.on_device if len(judged) == len(states) else batch.on_device[judged]
        else:
            pictures = [batch.images[i].pixels for i in judged]
        with _in_time(name, len(judged), timeout):
            records = _ask(name, judge_object, pictures)
        for i, verdict in zip(judged, records, strict=True):
            verdicts[i][name] = verdict
    for verdict, fault in zip(verdicts, faults, strict=True):
        if fault is not None:
            verdict |= {name: JudgeError(f"{NEVER}: {fault}") for name in judges}
    rows = zip(batch.images, states, verdicts, strict=True)
    return [_score(*row, batch.batch_size, engine) for row in rows]


@contextlib.contextmanager
def _in_time(name: str, pictures: int, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    sentence = (
        f"{name} did not answer within {seconds:g} s on a batch of {counted(pictures, 'picture')}. Everything stored "
        "so far is intact: run the same command to resume, with a larger judge_timeout if the judge is merely slow"
    )
    timer = threading.Timer(seconds, give_up, [sentence])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _ask(name: str, judge: Judge, pictures: Sequence[np.ndarray] | torch.Tensor) -> list:
    """Return a verdict per picture, with an exception in place of a missing verdict."""
    if not len(pictures):
        return []
    verdicts = _in_parts(name, judge, pictures)
    failures = [verdict for verdict in verdicts if isinstance(verdict, Exception)]
    if len(failures) == len(verdicts) and (broken := _failure(lambda: _verdicts(name, judge, [_sound_picture()]))):
        if _no_memory(broken):
            raise JudgeError(
                f"{name} is out of memory even with a single picture; free some memory and run the same command again"
            ) from broken
        raise JudgeError(
            f"{name} failed on each of {counted(len(verdicts), 'picture')}; the first: {failures[0]}"
        ) from failures[0]
    return verdicts


def _in_parts(
    name: str, judge: Judge, pictures: Sequence[np.ndarray] | torch.Tensor, level: int = logging.WARNING
) -> list:
    """Return the verdicts of all pictures at once if possible, else of each half separately."""
    verdicts: list = []
    error = _failure(lambda: verdicts.extend(_verdicts(name, judge, pictures)))
    if error is None:
        return verdicts
    if _no_memory(error):
        release_memory()
    if len(pictures) == 1:
        return [error]
    log.log(level, "%s failed on a batch of %d (%s); trying its halves.", name, len(pictures), error)
    half = len(pictures) // 2
    return [v for part in (pictures[:half], pictures[half:]) for v in _in_parts(name, judge, part, logging.DEBUG)]


def _failure(call: Callable) -> Exception | None:
    """Return the error of a call, without the frames that would keep the tensors of a judge in memory."""
    try:
        call()
    except Exception as error:
        return error.with_traceback(None)
    except SystemExit as error:  # which would end the run, and with exit code 0 as if it were complete
        return JudgeError(f"it called sys.exit({error.code!r})")
    return None


def _no_memory(error: Exception) -> bool:
    return out_of_memory(error) or any(words in str(error).lower() for words in _NO_MEMORY)


def release_memory() -> None:
    """Free the device memory that torch has cached, if torch has been imported at all."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _sound_picture() -> np.ndarray:
    """Return a picture of noise of a common size, for which every working judge has a verdict."""
    return np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)


def _verdicts(name: str, judge: Judge, pictures: Sequence[np.ndarray] | torch.Tensor) -> list:
    verdicts = judge.records(pictures)
    if len(verdicts) != len(pictures):
        raise JudgeError(f"gave {counted(len(verdicts), 'verdict')} on {counted(len(pictures), 'picture')}")
    for verdict in verdicts:
        check_record(name, verdict)
    return verdicts


def _score(image: Image, state: str, verdicts: dict, batch_size: int | None, engine: str | None) -> Score:
    causes: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        if isinstance(verdict, Exception):
            causes.setdefault(_cause(verdict), []).append(name)
    errors = [f"{' and '.join(names)}: {cause}" for cause, names in causes.items()]
    good = {name: v for name, v in verdicts.items() if not isinstance(v, Exception)}
    return Score(
        method=image.method,
        row=image.row,
        image=image.image,
        state=JUDGE_FAILED if errors else state,
        digest=pixel_digest(image.pixels),
        records=good,
        batch_size=batch_size,
        engine=engine,
        error="; ".join(errors).encode(errors="backslashreplace").decode() or None,
    )


def _cause(error: Exception) -> str:
    return f"out of memory with this picture alone ({error})" if _no_memory(error) else str(error)
