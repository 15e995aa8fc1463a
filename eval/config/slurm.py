"""The `slurm` of conf/submit.yaml as frozen dataclasses; `eval.submit.settings` checks them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ReportJob:
    """The settings of the report's job. Partition, account and qos default to those of the shards."""

    partition: str | None = None
    time: str | None = None
    mem: str | None = None
    cpus: int | None = 2
    gpus: Any = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    options: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SlurmSettings:
    """The settings of `slurm` in conf/submit.yaml.

    None leaves a choice to the cluster; a `report` that is None has no job.
    """

    partition: str | None = None
    time: str | None = None
    gpus: Any = None
    cpus: int | None = 4
    mem: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    at_once: int | None = None
    warning: int = 300
    setup: str | None = None
    options: list[str] = field(default_factory=list)
    report: ReportJob | None = field(default_factory=ReportJob)
