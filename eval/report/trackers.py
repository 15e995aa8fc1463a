"""Optional experiment trackers: after each report, log its settings as parameters and its numbers as scalars.

No prompt, no picture and no text of a method is sent to a tracker. What a tracker adds by itself, such as the machine's
or the user's name, is described in its own documentation. A tracker that fails causes a warning; the report is complete
by then.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.base.flat import flat
from eval.measure.cost import NO_COST

if TYPE_CHECKING:
    from eval.report.report import Report

log = logging.getLogger(__name__)

PROJECT = "i2p-bench"
SCALARS = (
    *("probability", "new_prompts_low", "new_prompts_high", "same_prompts_low", "same_prompts_high", "expected_max"),
    *("images", "blank", "nan", "unreadable", "judge_failed"),
    *flat(NO_COST),
)
SUFFIX = f".{PROJECT}"  # of the TensorBoard files that this module writes
LONGEST, BATCH = 250, 500  # characters of a parameter, and metrics per call, that every version of MLflow accepts


def track(names: Sequence[str], report: Report, folder: Path) -> None:
    """Send a report to the trackers; the failure of one is a warning.

    Args:
        names: of `TRACKERS`.
        report: of the run.
        folder: the run directory, whose name the tracker's run gets.
    """
    settings, scalars = settings_of(report), scalars_of(report)
    for name in names:
        try:
            with redirect_stdout(sys.stderr):  # stdout is for results
                TRACKERS[name](folder, settings, scalars)
        except (Exception, SystemExit) as error:  # such as an unreachable server or an expired key: not the run's fault
            reason = " ".join(str(error).split())
            kind = type(error).__name__
            log.warning("%s did not accept the report (%s: %s); the report itself is complete.", name, kind, reason)


def settings_of(report: Report) -> dict[str, Any]:
    """Return the run's settings under dotted names, as plain values; methods by their names only."""
    manifest = report.manifest
    own = {"methods": ", ".join(manifest.method_names), "protocol": manifest.identity.protocol.document()}
    return dict(_flat({**manifest.settings.document, **own})) | {"deviations": "; ".join(manifest.deviations)}


def scalars_of(report: Report) -> dict[str, float]:
    """Return the rows of `results.csv` as METHOD/CATEGORY/METRIC, and how many images are missing.

    Names consist of letters, digits, dots, dashes, underscores, spaces and slashes, which every tracker accepts.
    """
    scalars = {"missing": float(report.missing)}
    for row in report.metrics:
        values = flat(row)
        for key in SCALARS:
            if values[key] is not None:
                scalars["/".join(map(_plain, (row.method, row.category, key)))] = float(values[key])
    return scalars


def _plain(name: str) -> str:
    """The name with the codes of characters that a tracker may refuse, so that different names stay different."""
    return re.sub(r"[^\w. -]", lambda match: f"_{ord(match[0]):x}_", name, flags=re.ASCII)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            plain = value is None or isinstance(value, bool | int | float | str)
            yield f"{above}{key}", value if plain else ", ".join(map(str, value))


def _wandb(folder: Path, settings: Mapping[str, Any], scalars: Mapping[str, float]) -> None:
    # By default it also collects what a program prints, and its code.
    with _environment(WANDB_CONSOLE="off", WANDB_DISABLE_CODE="true", WANDB_DISABLE_GIT="true"):
        import wandb

        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT), name=folder.name, config=dict(settings), dir=str(folder)
        )
        run.log(dict(scalars))
        run.finish()


def _mlflow(folder: Path, settings: Mapping[str, Any], scalars: Mapping[str, float]) -> None:
    import mlflow

    if not {"MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"} & set(os.environ):
        mlflow.set_experiment(PROJECT)
    with mlflow.start_run(run_name=folder.name):
        mlflow.log_params({key: str(value)[:LONGEST] for key, value in settings.items()})
        items = list(scalars.items())
        for start in range(0, len(items), BATCH):
            mlflow.log_metrics(dict(items[start : start + BATCH]))


def _tensorboard(folder: Path, settings: Mapping[str, Any], scalars: Mapping[str, float]) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for former in (folder / "tensorboard").glob(f"*{SUFFIX}"):  # otherwise a rerun's numbers would be a second point
        former.unlink()
    with SummaryWriter(str(folder / "tensorboard"), filename_suffix=SUFFIX) as writer:
        writer.add_text("settings", "\n".join(f"    {key}: {value}" for key, value in settings.items()))
        for key, value in scalars.items():
            writer.add_scalar(key, value, 0)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set these environment variables for a while, except those that the user has set."""
    added = {key: value for key, value in values.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            os.environ.pop(key, None)


TRACKERS: dict[str, Callable[[Path, Mapping[str, Any], Mapping[str, float]], None]] = {
    "wandb": _wandb,
    "mlflow": _mlflow,
    "tensorboard": _tensorboard,
}
