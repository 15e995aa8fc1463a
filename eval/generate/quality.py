"""The features that a run's metrics lack, from the pictures that it keeps or that lie in its folder.

Where a judge computes them anyway, they are stored with the scores (`inline_features`); here pictures are looked at
again, for metrics that were asked for by name. What is stored is complete whenever the process ends, and the same
command resumes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from eval.base.errors import Unreadable
from eval.base.image_key import ImageKey
from eval.base.signals import Stop
from eval.base.words import counted
from eval.config.keys import as_keys
from eval.config.settings import Settings
from eval.generate.arithmetic import same_arithmetic
from eval.generate.features import rows_of
from eval.generate.inline_features import Q16, prompts_of
from eval.generate.progress import Progress
from eval.generate.reading import BATCH, by_size, read_all, read_in_threads
from eval.generate.reference import make_reference
from eval.judges import judge_class
from eval.plan.plan import Plan
from eval.quality import CLIP, METRICS, extractors_of
from eval.quality.clip import Clip
from eval.quality.extractor import Extractor, extractor_class
from eval.quality.reference import needs_reference
from eval.store.features import AGAINST, descriptions, images_with_features, write_features
from eval.store.manifest import Manifest
from eval.store.pictures import picture_path
from eval.store.rundir import RunDir
from eval.store.scores import OK, keyed, pixel_digest
from eval.store.stored_run import existing_manifest
from sld.devices import device_of

log = logging.getLogger(__name__)

PART = 256  # pictures in a part of features; a killed run looks at no more of them again
# Why a picture has no features.
NOT_KEPT, CHANGED = "not kept", "changed since they were judged"
NO_REFERENCE, OTHER_SIZE = "without the first method's", "of another size than the first method's"


@dataclass(frozen=True)
class _Look:
    """One look at a picture: its pixels, and the images that have just these for the same prompt and reference.

    `reference` is the path and the digest of the first method's picture, None where the extractor compares with none.
    """

    keys: tuple[ImageKey, ...]
    path: Path
    digest: str
    prompt: str
    reference: tuple[Path, str] | None = None


@dataclass(frozen=True)
class _Seen:
    look: _Look
    pixels: np.ndarray
    reference: np.ndarray | None


def make_features(run: RunDir, plan: Plan, settings: Settings) -> None:
    """Compute and store the features of this shard's pictures that the metrics asked for by name lack.

    Pictures that are not kept, or have changed, are counted in a warning.

    Args:
        run: the directory, in which this shard's images have their scores.
        plan: of the run.
        settings: of the run.

    Raises:
        InputError: weights are missing, or not the expected ones.
        StorageError: the disk refused; everything stored before is complete.
        Stopped: a signal arrived; what was computed until then has been stored.
    """
    for name in extractors_of(settings.quality.explicit):
        scores = run.read_scores()
        digests = {key: digest for key, digest in _judged(scores).items() if key in plan.shard_images}
        done = name == CLIP and _all_inline(run, scores, digests, settings)
        compared = plan.shard_index == 0 and needs_reference(settings.quality, name)  # one shard looks at the reference
        if done and not compared:
            continue
        with same_arithmetic(settings.device), Stop() as stop:
            extractor = load_extractor(name, settings)
            if not done:
                _make(run, plan, settings, extractor, scores, digests, stop)
                stop.check()
            if compared:
                make_reference(run, settings.quality.reference, extractor, stop)
                stop.check()


def load_extractor(name: str, settings: Settings) -> Extractor:
    """Return an extractor, loaded; that of CLIP is Q16's, whether or not Q16 judges."""
    device = str(device_of(settings.device))
    if name != CLIP:
        return extractor_class(name).load(settings.quality, device)
    q16 = judge_class(Q16)
    with as_keys(q16.keys()):
        judge = q16.load(settings.q16, device, with_text=True)
    return Clip(judge, scores="clip_score" in settings.quality.explicit)


def _judged(scores: pa.Table) -> dict[ImageKey, str]:
    """Return the digest of each judged picture."""
    return {key: digest for key, state, digest in keyed(scores, "state", "digest") if state == OK and digest}


def _all_inline(run: RunDir, scores: pa.Table, digests: Mapping[ImageKey, str], settings: Settings) -> bool:
    """Return whether Q16, which has judged the run, has left the features of all pictures."""
    if Q16 not in settings.judges:
        return False
    judge = existing_manifest(run).identity.judges[Q16].description
    return any(
        all(stored.get(key) == judge.get(key) for key in ("weights_sha256", "dtype"))
        and digests.keys() <= images_with_features(run, CLIP, stored, scores)
        for stored in descriptions(run, CLIP)
    )


def _make(
    run: RunDir,
    plan: Plan,
    settings: Settings,
    extractor: Extractor,
    scores: pa.Table,
    digests: Mapping[ImageKey, str],
    stop: Stop,
) -> None:
    manifest = existing_manifest(run)
    first = manifest.method_names[0] if extractor.paired else None
    description = extractor.describe() | ({} if first is None else {AGAINST: first})
    done = images_with_features(run, extractor.name, description, scores)
    lacking: Counter[str] = Counter()
    judged = {} if first is None else _judged(scores)
    looks = list(_looks(run, manifest, digests, done, first, judged, prompts_of(plan, settings), lacking))
    images = sum(len(look.keys) for look in looks)
    rows: list[dict[str, Any]] = []
    with Progress(len(digests), images, extractor.name) as progress:
        for batch in by_size(_read(looks, lacking), BATCH, lambda seen: seen.pixels):
            pixels, prompts = [seen.pixels for seen in batch], [seen.look.prompt for seen in batch]
            references = [seen.reference for seen in batch if seen.reference is not None] if extractor.paired else None
            for seen, values in zip(batch, rows_of(extractor, pixels, prompts, references), strict=True):
                rows += [key._asdict() | {"digest": seen.look.digest} | values for key in seen.look.keys]
            progress.count({OK: sum(len(seen.look.keys) for seen in batch)})
            if len(rows) >= PART or stop.reason:
                write_features(run, extractor.name, description, plan.shard_index, rows)
                rows.clear()
            if stop.reason:
                return
        write_features(run, extractor.name, description, plan.shard_index, rows)
    if lacking:
        metrics = [name for name in settings.quality.explicit if METRICS[name] == extractor.name]
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in lacking.items())
        log.warning("%s: without %s: %s.", " and ".join(metrics), counted(lacking.total(), "picture"), reasons)


def _looks(
    run: RunDir,
    manifest: Manifest,
    digests: Mapping[ImageKey, str],
    done: set[ImageKey],
    first: str | None,
    judged: Mapping[ImageKey, str],
    prompts: Mapping[int, str],
    lacking: Counter[str],
) -> Iterator[_Look]:
    """Yield a look for all images of a row that have equal pixels, as where a method never acts.

    Args:
        run: the directory.
        manifest: of the run.
        digests: of the shard's judged pictures.
        done: images that have features.
        first: the method with whose pictures those of all methods are compared, None for no comparison.
        judged: the digests of all judged pictures, for the comparison.
        prompts: by row.
        lacking: counts the images whose picture, or that of `first`, is not there, by the reason.
    """
    groups: dict[tuple, list[ImageKey]] = {}
    for key, digest in sorted(digests.items(), key=lambda item: item[0][1:]):  # the methods of a row together
        if key not in done:
            other = None if first is None else ImageKey(first, key.row, key.image)
            groups.setdefault((key.row, digest, other), []).append(key)
    for (row, digest, other), keys in groups.items():
        path = _first_path(run, manifest, keys)
        reference = None
        if path is None:
            lacking[NOT_KEPT] += len(keys)
            continue
        if other is not None:
            beside = _first_path(run, manifest, [other])
            if beside is None or other not in judged:
                lacking[NO_REFERENCE] += len(keys)
                continue
            reference = beside, judged[other]
        yield _Look(tuple(keys), path, digest, prompts[row], reference)


def _first_path(run: RunDir, manifest: Manifest, keys: Sequence[ImageKey]) -> Path | None:
    """Return the path of a picture that is kept of these images, which have equal pixels."""
    return next((path for key in keys if (path := picture_path(run, manifest, *key)) is not None), None)


def _read(looks: Sequence[_Look], lacking: Counter[str]) -> Iterator[_Seen]:
    """Yield the pictures that are still those that were judged; the others are counted in `lacking`."""

    def pixels_of(look: _Look) -> list[np.ndarray | Unreadable]:
        return read_all([look.path, *([look.reference[0]] if look.reference else [])])

    for look, read in read_in_threads(looks, pixels_of):
        expected = [look.digest, *([look.reference[1]] if look.reference else [])]
        pairs = zip(read, expected, strict=True)
        if any(isinstance(pixels, Unreadable) or pixel_digest(pixels) != digest for pixels, digest in pairs):
            lacking[CHANGED] += len(look.keys)
        elif len({pixels.shape for pixels in read}) > 1:
            lacking[OTHER_SIZE] += len(look.keys)
        else:
            yield _Seen(look, *(read if look.reference else [*read, None]))
