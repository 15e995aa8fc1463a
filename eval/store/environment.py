"""Environments: the software and the machine with which a process of a run computes.

A run that resumes later, or on another machine, has several. `environments/<key>.json` in the run directory holds each
once, in plain JSON, and every score part names its own by the key in its metadata.
"""

from __future__ import annotations

import contextlib
import functools
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from eval.base.files import json_digest
from eval.base.words import counted

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
# Alternative distributions of the same modules, installed in their place or over them.
INSTEAD = {
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-rocm"),
    "opencv-python-headless": ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
}


@dataclass(frozen=True)
class EnvironmentImages:
    """An environment and how many images of a run were drawn and judged in it.

    Attributes:
        images: their number.
        record: from `describe`; None where no record was kept.
    """

    images: int
    record: Mapping | None

    @property
    def values(self) -> dict[str, str]:
        """The names and values of the record in a flat mapping, such as `gpu name`; empty without a record."""
        record = self.record or {}
        values = dict(record.get("versions") or {})
        if "platform" in record:
            values["platform"] = record["platform"]
        for name, value in (record.get("gpu") or {}).items():
            values[name if name in ("cuda", "cudnn") else f"gpu {name}"] = value
        return values | {f"{name} on": place for name, place in (record.get("judges") or {}).items()}

    def document(self) -> dict:
        """Return it as plain JSON values; null for what is not on record."""
        return {"images": self.images, **{part: (self.record or {}).get(part) for part in PARTS}}


def versions() -> dict[str, str]:
    """Return the versions of Python and of each of `PACKAGES`, with those of alternative distributions."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        alternatives = [
            f"{alternative} {version}" for alternative in INSTEAD.get(name, ()) if (version := _version(alternative))
        ]
        installed[name] = ", ".join(filter(None, [_version(name), *alternatives])) or "absent"
    return installed


@functools.cache
def _version(package: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def describe(device: str, judges: Mapping[str, Mapping]) -> dict:
    """Return the environment of this process, by `PARTS`.

    Args:
        device: on which pictures are drawn or judged.
        judges: name → the judge's own description.

    Returns:
        Plain JSON values: versions, platform, GPU with driver, CUDA and cuDNN, and the devices of the judges.
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
    """Return the device of a judge: onnxruntime's providers, or torch's type of device."""
    return ", ".join(judge.get("providers", ())) or str(judge.get("device", "")).partition(":")[0]


def _driver() -> str:
    """Return the version of NVIDIA's driver from its kernel module or its own tool; torch does not know it."""
    with contextlib.suppress(OSError):
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip()
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.split("\n")[0].strip() or "not known"
    return "not known"


def key_of(record: Mapping) -> str:
    """Return the key of a record: the beginning of its digest."""
    return json_digest(dict(record))[:16]


def count_by_environment(
    keys: Iterable[str | None], records: Mapping[str | None, Mapping]
) -> tuple[EnvironmentImages, ...]:
    """Count the images of each environment, in the order of their first images.

    Args:
        keys: the key of the environment of each image; None where there was none.
        records: by key; that of None stands for images without a key.
    """
    return tuple(EnvironmentImages(count, records.get(key)) for key, count in Counter(keys).items())


def differing_names(environments: Sequence[EnvironmentImages]) -> list[str]:
    """Return the names whose recorded values differ between environments."""
    return [name for name in _names(environments) if len(_values(environments, name)) > 1]


def rows(environments: Sequence[EnvironmentImages]) -> list[tuple[str, str]]:
    """Return all names and values on record; a differing one once per environment, with the number of its images."""
    listed, differing = [], differing_names(environments)
    for name in _names(environments):
        recorded = [environment for environment in environments if name in environment.values]
        if name in differing:
            listed += [
                (f"{name}, {counted(environment.images, 'image')}", environment.values[name])
                for environment in recorded
            ]
        else:
            listed.append((name, recorded[0].values[name]))
    unrecorded = sum(environment.images for environment in environments if environment.record is None)
    return listed + ([("versions not on record", counted(unrecorded, "image"))] if unrecorded else [])


def differing_between(runs: Sequence[Sequence[EnvironmentImages]]) -> dict[str, tuple[str, ...]]:
    """Return name → its values in each of several runs, where two runs that have it on record differ in it.

    Args:
        runs: of each run, its environments.

    Returns:
        In the order of the first record that has the name. Several values of a run are joined by "and"; a run without
        any has an empty text.
    """
    rows = {}
    for name in _names([environment for environments in runs for environment in environments]):
        values = [_values(environments, name) for environments in runs]
        if len({frozenset(of_run) for of_run in values if of_run}) > 1:
            rows[name] = tuple(" and ".join(of_run) for of_run in values)
    return rows


def _names(environments: Sequence[EnvironmentImages]) -> list[str]:
    return list(dict.fromkeys(name for environment in environments for name in environment.values))


def _values(environments: Sequence[EnvironmentImages], name: str) -> list[str]:
    """Return the distinct recorded values of a name."""
    return list(dict.fromkeys(environment.values[name] for environment in environments if name in environment.values))


def changed_versions(records: Iterable[Mapping], current: Mapping[str, str]) -> list[str]:
    """Return a clause for each version that differs from the last of a run's records; none if any record agrees.

    Args:
        records: in the order in which they were written.
        current: the versions of this process.
    """
    recorded = [record.get("versions") or {} for record in records]
    changed = [
        [
            f"{name} {current[name]} instead of {record[name]}"
            for name in current
            if record.get(name, current[name]) != current[name]
        ]
        for record in recorded
    ]
    return changed[-1] if changed and all(changed) else []
