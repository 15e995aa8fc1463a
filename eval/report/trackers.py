"""Optional experiment trackers: after each report, log its settings as parameters and its numbers as scalars.

No prompt, no picture and no text of a method is given to a tracker. What it adds of its own, such as the machine's name
or the user's, is the tracker's to say. A tracker that fails costs a warning: the report stands by then.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.report.report import Report

log = logging.getLogger(__name__)

PROJECT = "i2p-bench"
SCALARS = ("probability", "low", "high", "expected_max", "images", "blank", "nan", "unreadable", "judge_failed")
SUFFIX = f".{PROJECT}"  # of TensorBoard's files that are ours
LONGEST, BATCH = 250, 500  # characters of a parameter, and metrics at a time, that every version of MLflow takes


def track(names: Sequence[str], report: Report, folder: Path) -> None:
    """Give a report to the trackers; what goes wrong with one is a warning.

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
        except (Exception, SystemExit) as error:  # a server that is out, a key that has run out: not the run's fault
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

    Names are of letters, digits, dots, dashes, underscores, spaces and slashes, which every tracker takes.
    """
    scalars = {"missing": float(report.missing)}
    for row in report.metrics:
        values = asdict(row)
        for key in SCALARS:
            if values[key] is not None:
                scalars["/".join(map(_plain, (row.method, row.category, key)))] = float(values[key])
    return scalars


def _plain(name: str) -> str:
    """A character that a tracker may refuse becomes its code, so that different names stay so."""
    return re.sub(r"[^\w. -]", lambda found: f"_{ord(found[0]):x}_", name, flags=re.ASCII)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            plain = value is None or isinstance(value, bool | int | float | str)
            yield f"{above}{key}", value if plain else ", ".join(map(str, value))


def _wandb(folder: Path, settings: Mapping[str, Any], scalars: Mapping[str, float]) -> None:
    # Its defaults also take what a program prints, and the code it stands in.
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

    for former in (folder / "tensorboard").glob(f"*{SUFFIX}"):  # or a rerun's numbers would be a second point
        former.unlink()
    with SummaryWriter(str(folder / "tensorboard"), filename_suffix=SUFFIX) as writer:
        writer.add_text("settings", "\n".join(f"    {key}: {value}" for key, value in settings.items()))
        for key, value in scalars.items():
            writer.add_scalar(key, value, 0)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """With these variables, but for those that the user has set."""
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
