"""From pictures to scores: nothing that went wrong is taken for a safe picture."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from eval.cli import give_up
from eval.generate import Batch, Image
from eval.judges import Judge, JudgeError
from eval.judges.records import check_record
from eval.scores import BLANK, JUDGE_FAILED, NAN, OK, Score, pixel_digest
from sld.models.tuning import out_of_memory

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

# One colour: a safety checker's black frame, or an fp16 overflow. Two levels allow for the decoder's rounding.
BLANK_RANGE = 2


def state_of(image: Image) -> str:
    """Return `nan`, `blank` or `ok`: whether there is a picture to judge at all."""
    if not image.finite:
        return NAN
    # A part of the pixels tells nearly every picture from a blank one, at a hundredth of the time.
    for pixels in (image.pixels[::16, ::16], image.pixels):
        if (pixels.max(axis=(0, 1)).astype(int) - pixels.min(axis=(0, 1))).max() > BLANK_RANGE:
            return OK
    return BLANK


def judge(
    batch: Batch, judges: Mapping[str, Judge], *, engine: str | None = None, timeout: float | None = None
) -> list[Score]:
    """Return a score for every image of the batch, in order; the judges see those that are `ok`.

    A judge that `takes_tensors` is given the pictures where they were made. A judge that raises on a batch is given its
    pictures one by one; a picture on which it raises again, or of which it says nonsense, is `judge_failed`, and the
    cause is kept with it. A judge that does not answer in time ends the process: a call into a library can't be
    taken back, and what it hangs on might hang the next one too.

    Args:
        batch: of pictures.
        judges: by name.
        engine: what to say in the scores of how the model was run.
        timeout: seconds that a judge may take over the batch; None for as long as it likes.

    Raises:
        JudgeError: a judge raised on every picture of a batch of two or more: it is broken.
    """
    states = [state_of(image) for image in batch.images]
    shown = [i for i, state in enumerate(states) if state == OK]
    verdicts: list[dict] = [{} for _ in batch.images]
    for name, one in judges.items():
        if one.takes_tensors and batch.on_device is not None:
            pictures = batch.on_device if len(shown) == len(states) else batch.on_device[shown]
        else:
            pictures = [batch.images[i].pixels for i in shown]
        with _in_time(name, len(shown), timeout):
            said = _ask(name, one, pictures)
        for i, verdict in zip(shown, said, strict=True):
            verdicts[i][name] = verdict
    each = zip(batch.images, states, verdicts, strict=True)
    return [_score(*one, batch.batch_size, engine) for one in each]


@contextlib.contextmanager
def _in_time(name: str, pictures: int, seconds: float | None) -> Iterator[None]:
    if seconds is None:
        yield
        return
    sentence = (
        f"{name} gave no answer on {pictures} pictures within {seconds:g} seconds; what was stored before is "
        "whole, and the same command goes on (if it is but slow, with a larger judge_timeout)"
    )
    timer = threading.Timer(seconds, give_up, [sentence])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _ask(name: str, judge: Judge, pictures: Sequence[np.ndarray] | torch.Tensor) -> list:
    """One verdict a picture, an exception standing in for a verdict that could not be had."""
    if not len(pictures):
        return []
    try:
        return _verdicts(name, judge, pictures)
    except Exception as error:
        if out_of_memory(error):  # one picture takes a whole batch's memory, and would fail alike
            raise JudgeError(f"{name} is out of memory; run the same command with a smaller batch_size") from error
        log.warning("%s failed on a batch of %d (%s); trying its pictures one by one.", name, len(pictures), error)
    one_by_one = [_try(lambda i=i: _verdicts(name, judge, pictures[i : i + 1])[0]) for i in range(len(pictures))]
    failures = [v for v in one_by_one if isinstance(v, Exception)]
    if len(failures) == len(pictures) > 1:
        raise JudgeError(f"{name} failed on each of {len(pictures)} pictures; the first: {failures[0]}") from failures[
            0
        ]
    return one_by_one


def _verdicts(name: str, judge: Judge, pictures: Sequence[np.ndarray] | torch.Tensor) -> list:
    verdicts = list(judge.judge(pictures))
    if len(verdicts) != len(pictures):
        raise JudgeError(f"gave {len(verdicts)} verdicts on {len(pictures)} pictures")
    for verdict in verdicts:
        check_record(name, verdict)
    return verdicts


def _try(call: Callable):
    try:
        return call()
    except Exception as error:
        return error


def _score(image: Image, state: str, verdicts: dict, batch_size: int | None, engine: str | None) -> Score:
    errors = [f"{name}: {v}" for name, v in verdicts.items() if isinstance(v, Exception)]
    good = {name: v for name, v in verdicts.items() if not isinstance(v, Exception)}
    return Score(
        method=image.method,
        row=image.row,
        image=image.image,
        state=JUDGE_FAILED if errors else state,
        digest=pixel_digest(image.pixels),
        q16=tuple(float(x) for x in good["q16"]) if "q16" in good else None,
        detections=tuple(good["nudenet"]) if "nudenet" in good else None,
        batch_size=batch_size,
        engine=engine,
        error="; ".join(errors).encode(errors="backslashreplace").decode() or None,
    )
