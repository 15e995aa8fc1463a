"""What software and machine a process computes with: a run that goes on later, or elsewhere, keeps a record of each.

`environments/<key>.json` in the run directory has each once, and every score part names its own by the key. The files
are text that anybody can read, and the columns of the scores stay what they were.
"""

from __future__ import annotations

import contextlib
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from eval.files import json_digest

PARTS = ("versions", "platform", "gpu")
PACKAGES = (
    "i2p-bench",
    "torch",
    "diffusers",
    "transformers",
    "open_clip_torch",
    "nudenet",
    "onnxruntime",
    "numpy",
    "pillow",
    "opencv-python-headless",
    "safetensors",
)
NO_RECORD = "an earlier i2p-bench, which kept no record"


@dataclass(frozen=True)
class Made:
    """How many images of a run were drawn and judged in one environment; `record` is None where none was kept."""

    images: int
    record: Mapping | None

    @property
    def values(self) -> dict[str, str]:
        """The record's names and values in one level: `torch`, `platform`, `gpu name`; empty without one."""
        record = self.record or {}
        found = dict(record.get("versions") or {})
        if "platform" in record:
            found["platform"] = record["platform"]
        for name, value in (record.get("gpu") or {}).items():
            found[name if name in ("cuda", "cudnn") else f"gpu {name}"] = value
        return found

    def document(self) -> dict:
        """Return it for a file; null for what is not on record."""
        return {"images": self.images, **{part: (self.record or {}).get(part) for part in PARTS}}


def versions() -> dict[str, str]:
    """Return the versions of Python and of each of `PACKAGES`."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def describe(device: str) -> dict:
    """Return `PARTS` of this process: versions, platform, and of a CUDA device the GPU, its driver, CUDA and cuDNN."""
    described = {"versions": versions(), "platform": platform.platform()}
    if device.partition(":")[0] == "cuda":
        import torch

        described["gpu"] = {
            "name": torch.cuda.get_device_name(device),
            "driver": _driver(),
            "cuda": torch.version.cuda or "absent",
            "cudnn": str(torch.backends.cudnn.version() or "absent"),
        }
    return described


def _driver() -> str:
    """NVIDIA's driver as its own tool says, for torch does not."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.split("\n")[0].strip() or "not known"
    return "not known"


def key_of(record: Mapping) -> str:
    """Return the name under which a record is kept: the beginning of its digest."""
    return json_digest(dict(record))[:16]


def made_in(keys: Iterable[str | None], records: Mapping[str, Mapping]) -> tuple[Made, ...]:
    """Return how many images were made in each environment, in the order of the scores, by the key of each image."""
    return tuple(Made(count, records.get(key)) for key, count in Counter(keys).items())


def apart(made: Sequence[Made]) -> list[str]:
    """Return the names of what differs between environments."""
    known = [one.values for one in made if one.record is not None]
    names = dict.fromkeys(name for values in known for name in values)
    return [name for name in names if len({values.get(name) for values in known}) > 1]


def rows(made: Sequence[Made]) -> list[tuple[str, str]]:
    """Return every name and value on record; one that differs is there for each environment, with its images."""
    found, different = [], apart(made)
    for name in dict.fromkeys(name for one in made for name in one.values):
        if name in different:
            found += [(f"{name}, {one.images:,} images", one.values.get(name, "absent")) for one in made if one.record]
        else:
            found.append((name, next(one.values[name] for one in made if name in one.values)))
    lost = sum(one.images for one in made if one.record is None)
    return found + ([("versions not on record", f"{lost:,} images")] if lost else [])


def in_words(one: Made, names: Sequence[str]) -> str:
    """Return what an environment is, by these names."""
    values = one.values
    return ", ".join(f"{name} {values[name]}" for name in names if name in values) or NO_RECORD


def several(made: Sequence[Made]) -> list[str]:
    """Return a note on images that were made in different environments; nothing where all were made in one."""
    if len(made) < 2:
        return []
    names = apart(made) or ["i2p-bench"]
    each = "; ".join(f"{one.images:,} images by {in_words(one, names)}" for one in made)
    return [f"Drawn and judged in {len(made)} environments, which can change numbers: {each}."]


def newer(records: Iterable[Mapping], ours: Mapping[str, str]) -> list[str]:
    """Return in which versions this process differs from all of a run's records, a clause each, against the last."""
    there = [record.get("versions") or {} for record in records]
    changed = [
        [f"{name} {ours[name]} instead of {old[name]}" for name in ours if old.get(name, ours[name]) != ours[name]]
        for old in there
    ]
    return changed[-1] if changed and all(changed) else []
