"""From settings to all that drawing needs, with the run directory checked: what every process of a run does first."""

from __future__ import annotations

from dataclasses import replace

from eval.drawing import drawing_deviations, drawing_remarks
from eval.load import describe_judges, load_judges, load_model
from eval.manifest import make_manifest, open_run
from eval.plan import Plan
from eval.rundir import RunDir
from eval.settings import Settings


def open_models(settings: Settings, plan: Plan, run: RunDir):
    """Load the model and the judges and open the run; return (model, judges by name).

    Raises:
        InputError, sld.InputError: something can't be loaded, or the directory holds another run.
    """
    judges = load_judges(settings)
    model, description = load_model(settings, plan.protocol)
    remarks = drawing_remarks(plan, model) if run.read_manifest() is None else ()
    on_record = replace(plan, deviations=(*plan.deviations, *drawing_deviations(plan, model)))
    open_run(run, make_manifest(settings, on_record, description, describe_judges(settings, judges), remarks), plan)
    return model, judges
