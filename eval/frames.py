"""For Python and notebooks: the verdicts on pictures, and the images of a run, as tables of pandas (docs/python.md)."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL.Image import Image as PILImage

import i2p
import sld
from eval.base.errors import InputError, Unreadable
from eval.base.pictures import pixels_of, read_picture
from eval.generate.draw import Batch, Image
from eval.generate.judge import judge
from eval.generate.models import load_judges
from eval.judges import JUDGES, Judge, judge_class
from eval.judges.nudenet import NudeNetSettings
from eval.judges.q16_settings import DEMO, Q16Settings
from eval.measure.definition import Definition
from eval.measure.definitions import get_definition, inappropriate, nude_of, own_definition, q16_of
from eval.measure.metrics import verdicts
from eval.measure.quality import measure_quality
from eval.report.image_rows import image_rows, verdict_columns
from eval.store.raw_scores import read_raw
from eval.store.rundir import RunDir
from eval.store.scores import UNREADABLE, Score, to_table
from eval.store.stored_run import read_run

# What a run has without keys of its own; `q16=demo` is the demo world's stand-in.
_SETTINGS = {
    "q16": Q16Settings("ViT-L-14-quickgelu", "openai"),
    "q16=demo": Q16Settings(DEMO),
    "nudenet": NudeNetSettings(),
}
AT_A_TIME = 32  # pictures that are read before they are judged
Picture = str | os.PathLike | PILImage | np.ndarray


def judge_pictures(
    pictures: Sequence[Picture] | Mapping[str, Sequence[Picture]] | sld.Result,
    judges: Sequence[str] = ("q16", "nudenet"),
    flags: str | None = None,
    device: str = "auto",
) -> pd.DataFrame:
    """Return the verdicts on pictures, a row for each.

    A picture that can't be judged has a state other than `ok` and no verdict, as in a run: `blank`, `nan`,
    `unreadable` or `judge_failed`.

    Args:
        pictures: paths, PIL images or (H, W, 3) uint8 RGB arrays; a (B, H, W, 3) array; method → any of these; or what
            `sld.sample` returned.
        judges: q16, nudenet, or q16=demo for the demo world's, one or both; each is loaded once.
        flags: the definition of inappropriate, a name of docs/definitions.md; None for I2P's.
        device: on which Q16 judges.

    Returns:
        The columns method (if there are several), picture (its number, or its path), state, q16_probability, q16,
        nude_labels, nude, inappropriate and error, which says why a picture is not `ok`.

    Raises:
        InputError: there is no picture, another type of picture, judge or definition.
    """
    groups, finite = _by_method(pictures)
    names = _names(judges)
    loaded = {name: _loaded(chosen, device) for name, chosen in zip(names, judges, strict=True)}
    definition = _definition(i2p.get_protocol("dataset"), names, flags)
    items = [(method, number, item) for method, several in groups.items() for number, item in enumerate(several)]
    scores = [
        score
        for start in range(0, len(items), AT_A_TIME)
        for score in _scores(items[start : start + AT_A_TIME], loaded, finite)
    ]
    if not scores:
        raise InputError("pictures must be one or more, found none: give some")
    raw = read_raw(to_table(scores))
    frame = pd.DataFrame({"state": [score.state for score in scores]})
    for column, rule in (("q16", q16_of), ("nude", nude_of), ("inappropriate", inappropriate)):
        frame[column] = rule(raw, definition)
    about = {"method": [score.method for score in scores]} if isinstance(pictures, Mapping | sld.Result) else {}
    about |= {"picture": [os.fspath(item) if isinstance(item, str | os.PathLike) else n for _, n, item in items]}
    columns = {name: values.to_pylist() for name, values in verdict_columns(raw, frame, definition).items()}
    errors = [score.error for score in scores]
    return pd.DataFrame(about | {"state": frame["state"], **columns, "error": errors}).convert_dtypes()


def read_images(run: str | os.PathLike, flags: str | None = None) -> pd.DataFrame:
    """Return the images of a run directory, a row for each, with the columns of `images.csv` (docs/report.md).

    Args:
        run: the directory.
        flags: the definition of inappropriate; None for the run's own.

    Raises:
        InputError: there is no run, or it lacks a judge of the definition.
    """
    stored = read_run(RunDir(Path(run)))
    definition = _definition(stored.protocol, stored.judges, flags)
    frame = verdicts(stored, definition)
    return image_rows(stored, frame, definition, pictures=measure_quality(stored).pictures).to_pandas()


def _names(judges: Sequence[str]) -> list[str]:
    """Return the judges without what is chosen of them; pictures that nobody judges are not safe."""
    if isinstance(judges, str) or not judges:
        found = repr(judges) if judges else "none"
        raise InputError(f"judges must be a list of some of {', '.join(_SETTINGS)}, found {found}: give a list")
    names = [name.partition("=")[0] for name in judges]
    if len(set(names)) < len(names):
        raise InputError(f"judges must name each judge once, found {', '.join(judges)}: leave one out")
    return names


def _definition(protocol: i2p.Protocol, judges: Sequence[str], flags: str | None) -> Definition:
    if flags is not None:
        return get_definition(flags, judges)
    return own_definition(protocol, judges, "count by what judged, flags='q16'")


@functools.lru_cache(8)
def _loaded(name: str, device: str) -> Judge:
    judge_class(name.partition("=")[0])  # refuses another name
    if name not in _SETTINGS and name.partition("=")[0] in JUDGES:
        raise InputError(f"judges must be some of {', '.join(_SETTINGS)}, found {name!r}: choose among these")
    key = name.partition("=")[0]
    return load_judges({key: _SETTINGS.get(name) or judge_class(key).settings()}, device)[key]


def _by_method(pictures: Any) -> tuple[dict[str, Sequence[Picture]], Mapping[str, np.ndarray] | None]:
    """Return the pictures by method, and where the sampler says so which of them are finite."""
    if isinstance(pictures, sld.Result):
        if not pictures.images:
            raise InputError("pictures must be a result with images, found latents alone: decode them when sampling")
        return dict(pictures.images), pictures.finite
    if isinstance(pictures, Mapping):
        return {str(method): _several(items) for method, items in pictures.items()}, None
    return {"": _several(pictures)}, None


def _several(items: Any) -> Sequence[Picture]:
    alone = isinstance(items, str | os.PathLike | PILImage) or (isinstance(items, np.ndarray) and items.ndim == 3)
    if not alone and not isinstance(items, Iterable):
        raise InputError(f"pictures must be a list of pictures, found a {type(items).__name__}: put them in a list")
    return [items] if alone else list(items)


def _scores(
    items: Sequence[tuple[str, int, Picture]], judges: Mapping[str, Judge], finite: Mapping[str, np.ndarray] | None
) -> list[Score]:
    """Return the scores of pictures of any sizes, in their order; those that can't be read are not shown to a judge."""
    scores: dict[int, Score] = {}
    images = {}
    for place, (method, number, item) in enumerate(items):
        try:
            images[place] = Image(
                method, number, 0, _pixels(item, number), finite is None or bool(finite[method][number])
            )
        except Unreadable as error:
            scores[place] = Score(method, number, 0, UNREADABLE, error=str(error))
    scores |= zip(images, judge(Batch(tuple(images.values()), None, None), judges), strict=True)
    return [scores[place] for place in range(len(items))]


def _pixels(item: Picture, number: int) -> np.ndarray:
    if isinstance(item, str | os.PathLike):
        return read_picture(Path(item))
    if isinstance(item, PILImage):
        return pixels_of(item)
    if isinstance(item, np.ndarray) and item.dtype == np.uint8 and item.ndim == 3 and item.shape[2] == 3 and item.size:
        return item
    kind = f"{item.dtype} array of shape {item.shape}" if isinstance(item, np.ndarray) else type(item).__name__
    raise InputError(
        f"a picture must be a path, a PIL image or a (H, W, 3) uint8 RGB array, found a {kind} as picture {number}: "
        "convert it"
    )
