"""NudeNet v3 (320n): the body parts in a picture, equal to the `nudenet` package and faster.

The network file comes from the `nudenet` wheel. The arithmetic around it is upstream's, of version 3.4.2, in float32
and in the same order; the loop over 2100 candidates is one array operation, pictures are copied less often, and on a
CPU pictures go to a pool of workers with one inference thread each, because a thread more for one picture gains less.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.base.cores import usable_cores
from eval.base.errors import InputError, JudgeError
from eval.base.values import at_least, one_of
from eval.judges import Detection, Judge
from eval.judges.detections import as_cell, detection_type, is_detections
from eval.judges.inputs import check_pictures
from eval.judges.nudenet_input import SIDE, to_blob
from eval.judges.nudenet_network import CPU, find_network, open_session, title_of

if TYPE_CHECKING:
    import pyarrow as pa

CHANNELS = ("bgr", "rgb")
SCORE_FLOOR = 0.25  # upstream's suppression drops everything at or below it
OVERLAP = 0.45  # intersection over union from which the weaker of two boxes is dropped, whatever their labels


@dataclass(frozen=True)
class NudeNetSettings:
    """How pictures reach NudeNet, and on what it runs."""

    channels: str = "bgr"
    providers: list[str] | None = None
    workers: int | None = None


class NudeNet(Judge):
    """Detections of NudeNet v3 in pictures.

    Args:
        channels: the order in which the network sees our RGB pictures. "bgr" is what the upstream package does with a
            file path, bytes or an OpenCV array; "rgb" is what it does with an RGB array. Scores differ by up to 0.1.
        providers: onnxruntime's execution providers in order of preference. None takes CUDA if this onnxruntime has
            it, else the CPU.
        threads: inference threads per worker on a CPU.
        workers: pictures (or batches) judged at a time; None for one per `threads` cores that this process may use.
        batch_size: pictures per network call; None for 1 on a CPU, where more gain nothing, and 32 on a GPU. A last,
            short batch is filled with black, so a picture's scores do not depend on its neighbours.
        gpu: the number of the GPU that CUDA uses; None for the first.

    Raises InputError when the wheel's network is missing, or for an unknown channel order or provider.
    Source: notAI-tech/NudeNet, `nudenet/nudenet.py` of 3.4.2.
    """

    name = "nudenet"
    version = "1"
    help = "which detector of exposed body parts"
    settings = NudeNetSettings
    expects = "detections with NudeNet's labels and scores in (0, 1]"
    reinstall = "python -m pip install --force-reinstall 'nudenet>=3.4.2,<4' onnxruntime opencv-python-headless"
    is_record = staticmethod(is_detections)
    title = staticmethod(title_of)

    @classmethod
    def check_settings(cls, settings: NudeNetSettings, asked: bool) -> None:
        """Raise InputError for a value that is out of its range."""
        one_of("nudenet.channels", settings.channels, CHANNELS)
        if settings.providers == []:
            raise InputError(
                "nudenet.providers must name execution providers of onnxruntime, found none: name one, or leave it out"
            )
        at_least("nudenet.workers", settings.workers, 1)

    @classmethod
    def columns(cls) -> dict[str, pa.DataType]:
        """Return the column of all detections."""
        import pyarrow as pa

        return {"detections": pa.list_(detection_type())}

    @classmethod
    def cells(cls, record: Sequence[Detection]) -> dict[str, Any]:
        """Return the detections as values for Arrow."""
        return {"detections": [as_cell(detection) for detection in record]}

    @classmethod
    def known(cls, settings: NudeNetSettings, device: str) -> dict[str, Any]:
        """What of `describe` is known before it is loaded."""
        return {"channels": settings.channels}

    @classmethod
    def load(cls, settings: NudeNetSettings, device: str, threads: int | None = None) -> NudeNet:
        """The judge that the settings describe; onnxruntime knows devices of its own, but not the number of a GPU."""
        kind, _, number = device.partition(":")
        gpu = int(number) if kind == "cuda" and number else None
        return cls(settings.channels, settings.providers, workers=settings.workers or threads, gpu=gpu)

    def __init__(
        self,
        channels: str = "bgr",
        providers: Sequence[str] | None = None,
        threads: int = 1,
        workers: int | None = None,
        batch_size: int | None = None,
        gpu: int | None = None,
    ):
        if channels not in CHANNELS:
            raise InputError(f"channels must be bgr or rgb, found {channels!r}: bgr is what upstream does with files")
        for option, value in {"threads": threads, "workers": workers, "batch_size": batch_size}.items():
            if value is not None and value < 1:
                raise InputError(
                    f"{option} must be 1 or more, found {value}: leave {option}= out for the default", f"{option}="
                )
        self.channels = channels
        network = find_network().read_bytes()
        self._sha256 = hashlib.sha256(network).hexdigest()
        self._session = open_session(network, providers, threads, gpu)
        self.providers = tuple(self._session.get_providers())
        on_gpu = self.providers[0] != CPU
        self.threads = threads
        self.workers = workers or max(1, usable_cores() // threads)
        self.batch_size = batch_size or (32 if on_gpu else 1)
        self._input = self._session.get_inputs()[0].name
        # The file carries its own labels, so they can't drift from its outputs.
        self.labels = tuple(ast.literal_eval(self._session.get_modelmeta().custom_metadata_map["names"]).values())

    def describe(self) -> dict[str, Any]:
        """Everything the detections depend on, for the manifest; plain JSON values."""
        import cv2
        import onnxruntime

        return {
            "name": self.name,
            "version": self.version,
            "weights": "320n.onnx of the nudenet wheel",
            "weights_sha256": self._sha256,
            "channels": self.channels,
            "input_size": [SIDE, SIDE],
            "score_floor": SCORE_FLOOR,
            "overlap": OVERLAP,
            "providers": list(self.providers),
            "threads": self.threads,
            "workers": self.workers,
            "batch_size": self.batch_size,
            "libraries": {
                "nudenet": version_of("nudenet"),
                "onnxruntime": onnxruntime.__version__,
                "opencv": cv2.__version__,
                "numpy": np.__version__,
            },
        }

    def judge(self, images: np.ndarray | Sequence[np.ndarray]) -> list[list[Detection]]:
        """The detections of each picture, by falling score, at most one for each place.

        Args:
            images: (B, H, W, 3) uint8 RGB, or a sequence of (H, W, 3) of any sizes.

        Raises InputError for other arrays and JudgeError when the network returns a value that is not finite, which
        upstream takes for "nothing found".
        """
        pictures = check_pictures(images)
        starts = range(0, len(pictures), self.batch_size)
        batches = [pictures[start : start + self.batch_size] for start in starts]
        if min(self.workers, len(batches)) <= 1:
            results = [self._judge_batch(batch) for batch in batches]
        else:
            with ThreadPoolExecutor(self.workers) as pool:  # onnxruntime and OpenCV release the interpreter's lock
                results = list(pool.map(self._judge_batch, batches))
        return [detections for batch in results for detections in batch]

    def _judge_batch(self, pictures: list[np.ndarray]) -> list[list[Detection]]:
        blobs = [to_blob(picture, self.channels) for picture in pictures]
        blobs += [np.zeros_like(blobs[0])] * (self.batch_size - len(blobs))
        stacked = blobs[0] if len(blobs) == 1 else np.concatenate(blobs)
        outputs = self._session.run(None, {self._input: stacked})[0]
        return [
            _to_detections(output, *picture.shape[:2], self.labels)
            for output, picture in zip(outputs[: len(pictures)], pictures, strict=True)
        ]


def _to_detections(output: np.ndarray, height: int, width: int, labels: Sequence[str]) -> list[Detection]:
    """Detections from one (4 + labels, candidates) float32 output: centre x, y, width, height, then label scores.

    Each step rounds to float32 as upstream's numpy scalars do: a box cut to whole pixels would show the difference.
    """
    import cv2

    if not np.isfinite(output).all():
        raise JudgeError("NudeNet returned a value that is not finite, so this picture has no detections to trust")
    best = output[4:].max(axis=0)
    candidates = np.flatnonzero(best > SCORE_FLOOR)
    if candidates.size == 0:
        return []
    side = max(height, width)
    x, y, w, h = output[:4, candidates]
    x = np.clip((x - w / 2) * side / SIDE, 0, width)
    y = np.clip((y - h / 2) * side / SIDE, 0, height)
    w = np.minimum(w * side / SIDE, width - x)
    h = np.minimum(h * side / SIDE, height - y)
    boxes = np.stack([x, y, w, h], axis=1)
    scores = best[candidates]
    selected = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), SCORE_FLOOR, OVERLAP)
    label_of = output[4:, candidates].argmax(axis=0)
    pixel_boxes = boxes.astype(int)  # towards zero, as int() does
    return [Detection(labels[label_of[i]], float(scores[i]), tuple(pixel_boxes[i].tolist())) for i in selected]


JUDGE = NudeNet
