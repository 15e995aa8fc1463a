"""The `slurm` of conf/submit.yaml as frozen dataclasses; `eval.submit.settings` checks them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ReportJob:
    """What the job of the report asks for. Partition, account and qos are the shards' where they are None."""

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
    """Key by key the `slurm` of conf/submit.yaml; None leaves a choice to the cluster, and of `report` the job out."""

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
