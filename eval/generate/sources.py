"""The makers of missing images: a function with the same arguments for each source of pictures."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

import sld
from eval.config.settings import Settings
from eval.config.sources import CHECKPOINT, DEMO, ELSEWHERE, PUBLISHED, SOURCES
from eval.plan.plan import Plan
from eval.store.rundir import RunDir


class Maker(Protocol):
    """A module of this package that makes missing images."""

    def make_missing(self, run: RunDir, plan: Plan, settings: Settings, methods: Sequence[sld.Method]) -> None:
        """Open the run directory; make, judge and store the missing images of this shard.

        Args:
            run: the directory.
            plan: of the run.
            settings: the whole run.
            methods: of a script.

        Raises:
            InputError, sld.InputError: something can't be loaded, or the directory holds another run.
            Incomplete: a disk, a judge or a worker failed, or a signal arrived; everything stored before is complete.
        """


MODULES = {DEMO: "loop", CHECKPOINT: "loop", PUBLISHED: "replay", ELSEWHERE: "judge_folder"}


def maker_of(settings: Settings) -> Maker:
    """Return the module that makes missing images: `pool` if a model draws in several processes.

    Raises:
        InputError: more processes were requested than there are devices, or than the memory allows.
    """
    from eval.generate.worker_count import count_workers

    kind = settings.model.kind
    in_pool = SOURCES[kind].draws and count_workers(settings.workers, settings.device) > 1
    return cast(Maker, importlib.import_module(f"eval.generate.{'pool' if in_pool else MODULES[kind]}"))
