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
from pathlib import Path

from eval.base.files import json_digest

PARTS = ("versions", "platform", "gpu", "judges")
PACKAGES = (
    "i2p-bench",
    "torch",
    "torchvision",
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
# Other distributions of the same modules, which are installed in their place or over them.
INSTEAD = {
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-rocm"),
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
}


@dataclass(frozen=True)
class Made:
    """How many images of a run were drawn and judged in one environment; `record` is None where none was kept."""

    images: int
    record: Mapping | None

    @property
    def values(self) -> dict[str, str]:
        """The record's names and values in one level: `torch`, `platform`, `gpu name`; empty without one."""
        record = self.record or {}
        values = dict(record.get("versions") or {})
        if "platform" in record:
            values["platform"] = record["platform"]
        for name, value in (record.get("gpu") or {}).items():
            values[name if name in ("cuda", "cudnn") else f"gpu {name}"] = value
        return values | {f"{name} on": place for name, place in (record.get("judges") or {}).items()}

    def document(self) -> dict:
        """Return it for a file; null for what is not on record."""
        return {"images": self.images, **{part: (self.record or {}).get(part) for part in PARTS}}


def versions() -> dict[str, str]:
    """Return the versions of Python and of each of `PACKAGES`; of other builds by their own names."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        others = [f"{other} {version}" for other in INSTEAD.get(name, ()) if (version := _version(other))]
        installed[name] = ", ".join(filter(None, [_version(name), *others])) or "absent"
    return installed


def _version(package: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def describe(device: str, judges: Mapping[str, Mapping]) -> dict:
    """Return `PARTS` of this process: versions, platform, GPU with its driver, CUDA and cuDNN, and what judges run on.

    Args:
        device: that pictures are drawn or judged on.
        judges: name → the judge's own description.
    """
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "gpu": _gpu(device),
        "judges": {name: place for name, judge in judges.items() if (place := _place(judge))},
    }


def _gpu(device: str) -> dict[str, str]:
    kind = device.partition(":")[0]
    if kind != "cuda":
        return {"name": "none" if kind == "cpu" else kind}
    import torch

    return {
        "name": torch.cuda.get_device_name(device),
        "driver": _driver(),
        "cuda": torch.version.cuda or "absent",
        "cudnn": str(torch.backends.cudnn.version() or "absent"),
    }


def _place(judge: Mapping) -> str:
    """What a judge computes on: onnxruntime's providers, or torch's kind of device."""
    return ", ".join(judge.get("providers", ())) or str(judge.get("device", "")).partition(":")[0]


def _driver() -> str:
    """NVIDIA's driver as its kernel module or its own tool says, for torch does not."""
    with contextlib.suppress(OSError):
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip()
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.split("\n")[0].strip() or "not known"
    return "not known"


def key_of(record: Mapping) -> str:
    """Return the name under which a record is kept: the beginning of its digest."""
    return json_digest(dict(record))[:16]


def made_in(keys: Iterable[str | None], records: Mapping[str | None, Mapping]) -> tuple[Made, ...]:
    """Return how many images were made in each environment, in the order of the scores, by the key of each image."""
    return tuple(Made(count, records.get(key)) for key, count in Counter(keys).items())


def apart(made: Sequence[Made]) -> list[str]:
    """Return the names of what differs between environments, of what is on record of them."""
    return [name for name in _names(made) if len(_values(made, name)) > 1]


def rows(made: Sequence[Made]) -> list[tuple[str, str]]:
    """Return every name and value on record; one that differs is there for each environment, with its images."""
    listed, different = [], apart(made)
    for name in _names(made):
        known = [part for part in made if name in part.values]
        if name in different:
            listed += [(f"{name}, {part.images:,} images", part.values[name]) for part in known]
        else:
            listed.append((name, known[0].values[name]))
    lost = sum(environment.images for environment in made if environment.record is None)
    return listed + ([("versions not on record", f"{lost:,} images")] if lost else [])


def between(first: Sequence[Made], second: Sequence[Made]) -> list[str]:
    """Return in what the environments of two runs, A and B, differ, of what both have on record, a clause each."""
    clauses = []
    for name in _names([*first, *second]):
        values = [_values(made, name) for made in (first, second)]
        if all(values) and set(values[0]) != set(values[1]):
            clauses.append(f"{name} {' and '.join(values[0])} in A, {' and '.join(values[1])} in B")
    return clauses


def _names(made: Sequence[Made]) -> list[str]:
    return list(dict.fromkeys(name for environment in made for name in environment.values))


def _values(made: Sequence[Made], name: str) -> list[str]:
    """The different values on record of a name."""
    return list(dict.fromkeys(environment.values[name] for environment in made if name in environment.values))


def newer(records: Iterable[Mapping], ours: Mapping[str, str]) -> list[str]:
    """Return in which versions this process differs from all of a run's records, a clause each, against the last."""
    recorded = [record.get("versions") or {} for record in records]
    changed = [
        [f"{name} {ours[name]} instead of {old[name]}" for name in ours if old.get(name, ours[name]) != ours[name]]
        for old in recorded
    ]
    return changed[-1] if changed and all(changed) else []
