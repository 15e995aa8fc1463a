"""The demo's model, a quarter of a small run to load: loaded once by a process for what it calls or forks."""

import sys
from pathlib import Path

import pytest
import read_once

import sld
from i2p.demo import trained

_models = {}


def load_once(patch: pytest.MonkeyPatch) -> None:
    """Have commands share the demo's model, untuned; other models load as ever, but for what `read_once` keeps."""
    patch.setitem(vars(sld), "load_model", load_model)


def measure_once(patch: pytest.MonkeyPatch) -> None:
    """Have commands keep how long a call of that model takes, by which a run chooses what it draws at a time.

    Where what measures it has been imported, as workers have; importing it would take other tests seconds.
    """
    pace = sys.modules.get("eval.generate.pace")
    if pace is None:
        return
    measure, known = pace._seconds_per_call, {}

    def seconds_per_call(model, plan, batch_size, compiled):
        if all(model is not shared for shared in _models.values()):
            return measure(model, plan, batch_size, compiled)
        key = id(model), plan.usual_size, batch_size, compiled
        if key not in known:
            known[key] = measure(model, plan, batch_size, compiled)
        return known[key]

    patch.setattr(pace, "_seconds_per_call", seconds_per_call)


def load_model(source, **options):
    """Load a model as `sld.load_model` does."""
    from sld.checkpoints.loading import load_model
    from sld.stepping import check_steps
    from sld.tuning import Tuning

    read_once.share()
    chosen = {name: option for name, option in options.items() if option and name != "t5"}
    others = chosen.keys() - {"device", "dtype", "scheduler", "steps"} or not options.get("t5", True)
    if others or Path(source) != trained.FOLDER / "model":
        return load_model(source, **options)
    steps = chosen.pop("steps", None)  # which are checked, and change nothing
    key = tuple(str(chosen.get(name)) for name in ("device", "dtype", "scheduler"))
    if key not in _models:
        _models[key] = load_model(source, **options)
    elif steps is not None:
        check_steps(_models[key].scheduler, steps)
    _models[key].tune(Tuning())
    return _models[key]
