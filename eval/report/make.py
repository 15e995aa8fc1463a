"""From a run directory to its report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eval.config.settings import ReportSettings
from eval.measure.by_definition import by_definition
from eval.measure.cost import with_costs
from eval.measure.definitions import get_definition, own_definition
from eval.measure.differences import paired
from eval.measure.false_alarms import false_alarms
from eval.measure.metrics import measure, verdicts
from eval.measure.population import estimate_population
from eval.measure.quality import measure_quality
from eval.measure.ranking import ranking
from eval.measure.thresholds import threshold_curves
from eval.report.concepts import concept_deviations
from eval.report.description.definitions import definition_deviation
from eval.report.description.notes import notes
from eval.report.description.published import reasons_not_comparable
from eval.report.description.unjudged import remedy
from eval.report.names import for_people, with_settings
from eval.report.published import beside_published
from eval.report.report import Report
from eval.store.manifest import Manifest
from eval.store.rundir import RunDir
from eval.store.stored_run import StoredRun, read_run
from i2p.harmless import harmless_rows, known_rows


def make_report(
    run: RunDir,
    published_as: str | None = None,
    flags: str | None = None,
    options: ReportSettings | None = None,
    folder: Path | None = None,
) -> Report:
    """Return the report of a run directory.

    Args:
        run: the directory.
        published_as: the model whose published numbers to compare with; None for the manifest's.
        flags: a name of `eval.measure.definitions` to count by, instead of the protocol's definition; the report
            is then written to `report/flags-NAME/`, and marked as a deviation.
        options: what the report shows of the pictures; None for the manifest's.
        folder: where it is to be written; None for the run's own.

    Raises:
        InputError: there is no run, none of its images has been made, or its judges don't allow that definition.
    """
    stored = read_run(run)
    manifest, judges = stored.manifest, stored.judges
    if flags is None:
        counted = own_definition(stored.protocol, judges, "count by what judged, flags=q16")
    else:
        counted = get_definition(flags, judges)
    frame = verdicts(stored, counted)
    defined = by_definition(stored, frame, counted)
    options = options or stored_options(manifest)
    manifest = with_settings(manifest, options)
    manifest = replace(manifest, deviations=(*manifest.deviations, *concept_deviations(manifest)))
    if deviation := definition_deviation(defined):
        manifest = replace(manifest, deviations=(*manifest.deviations, deviation))
    quality = measure_quality(stored)
    metrics, missing = with_costs(measure(stored, frame, counted.name), quality.costs), stored.missing
    differences = paired(stored, frame, stored.methods[1:], stored.methods[0])
    comparable = not reasons_not_comparable(manifest, len(missing))
    model = published_as or manifest.settings.published_as
    harmless = _harmless(stored, options)
    alarms = false_alarms(frame, stored.methods, harmless, stored.groups, counted)
    report = Report(
        stored=stored,
        manifest=manifest,
        frame=frame,
        metrics=metrics,
        quality=quality,
        differences=with_costs(differences, quality.costs),
        ranking=ranking(frame, stored.methods, stored.groups),
        published=tuple(beside_published(metrics, model, manifest, comparable=comparable)),
        by_definition=defined,
        harmless=harmless,
        thresholds=threshold_curves(frame, stored.raw, counted, stored.prompts, stored.groups, stored.methods),
        false_alarms=tuple(replace(row, cost=quality.over(row.method, harmless)) for row in alarms),
        population=estimate_population(stored, frame),
        missing_images=tuple(missing),
        folder=folder or (run.report if flags is None else run.report / f"flags-{flags}"),
        options=options,
    )
    return replace(report, notes=tuple(notes(for_people(report))), remedy=remedy(stored, missing))


def _harmless(stored: StoredRun, options: ReportSettings) -> frozenset[int]:
    """Return the rows of the harmless prompts: as the options say, or as is known of the lists of this project."""
    if options.harmless is not None:
        return harmless_rows(stored.prompts, options.harmless)
    return known_rows(stored.manifest.settings.prompt_source, stored.prompts)


def stored_options(manifest: Manifest) -> ReportSettings:
    """Return the run's own settings of its report; the defaults for a run that predates them."""
    return ReportSettings(**manifest.settings.part("report"))
