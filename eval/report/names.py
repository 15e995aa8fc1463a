"""A report as people read it, with the names that `report.names` gives methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from eval.config.settings import ReportSettings
from eval.report.maxima import shown_differences, shown_maxima
from eval.report.report import Report
from eval.store.manifest import Manifest
from eval.store.records import SettingsRecord

Value = TypeVar("Value")
METHODS = ("method", "against", "other", "apart_from")  # fields that hold a method's name, or several
ROWS = ("metrics", "differences", "ranking", "published", "thresholds", "false_alarms", "population")  # of a report


def for_people(report: Report) -> Report:
    """Return a report as people read it: methods have names for print, and maxima without meaning are left out.

    Files for machines have the methods' own names and every number.
    """
    names, images = report.manifest.settings.names, report.manifest.images_per_prompt
    differences = shown_differences(report.differences, images)
    report = replace(report, metrics=shown_maxima(report.metrics), differences=differences)
    if not names:
        return report
    rows = {name: in_print(getattr(report, name), names) for name in ROWS}
    return replace(report, by_definition=in_print(report.by_definition, names), **rows)


def in_print(value: Value, names: Mapping[str, str]) -> Value:
    """Return rows with names for print in the place of methods' own.

    Args:
        value: a row, which is a dataclass, or a tuple of rows; also one that holds tuples of rows.
        names: method → its name for print, of those that have one.
    """
    if isinstance(value, tuple):
        return tuple(in_print(inner, names) for inner in value)
    if not is_dataclass(value):
        return value
    changed = {}
    for name in (field.name for field in fields(value)):
        inner = getattr(value, name)
        if name in METHODS:
            changed[name] = names.get(inner, inner) if isinstance(inner, str) else _each(inner, names)
        elif isinstance(inner, tuple) and inner and is_dataclass(inner[0]):
            changed[name] = in_print(inner, names)
    return replace(value, **changed) if changed else value


def with_settings(manifest: Manifest, options: ReportSettings) -> Manifest:
    """Return a manifest with these settings of the report in the place of the run's."""
    document = {**manifest.settings.document, "report": vars(options)}
    return replace(manifest, settings=SettingsRecord(document))


def _each(methods: tuple[str, ...] | None, names: Mapping[str, str]) -> tuple[str, ...] | None:
    return methods and tuple(names.get(method, method) for method in methods)
