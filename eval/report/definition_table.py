"""The same pictures under every definition, and NudeNet's body parts, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from eval.base.table import Table, column_names, make_table
from eval.measure.by_definition import BODY_PARTS, BodyPart, ByDefinition
from eval.report.description.definitions import detector_remarks, marked_names, remarks
from eval.report.format import share
from i2p.categories import ALL


def definition_tables(by_definition: ByDefinition) -> list[tuple[str, Table, list[str]]]:
    """Return heading, table and remarks of the shares under every definition, and of the body parts at each score."""
    if not by_definition.definitions:
        return []
    rules = by_definition.definitions
    headed = [("The same pictures under every definition, %", definition_table(by_definition), remarks(rules))]
    for threshold in dict.fromkeys(part.threshold for part in by_definition.body_parts):
        score = f"score ≥ {threshold}" if threshold else "any score"
        parts = [part for part in by_definition.body_parts if part.threshold == threshold]
        [labels] = [labels for labels in BODY_PARTS if labels.threshold == threshold]
        title = f"Body parts, {score}: detections (images with any)"
        headed.append((title, body_part_table(parts), detector_remarks(labels)))
    return headed


def definition_table(by_definition: ByDefinition) -> Table:
    """Return the shares over all prompts in percent: one row per rule with all its names, one column per method.

    95 % intervals are in brackets; the run's own definition is marked, and so are names whose share is derived.
    """
    at = {(row.definition, row.method): share(row) for row in by_definition.results if row.category == ALL}
    methods = list(dict.fromkeys(row.method for row in by_definition.results))
    rows = [
        [
            f"{marked_names(definition)}{' (this run)' if definition.same_as(by_definition.own) else ''}",
            *(at[definition.name, method] for method in methods),
            definition.counts,
        ]
        for definition in by_definition.definitions
    ]
    own = {"definition", "counts"}
    return make_table(["definition", *column_names("method", methods, own), "counts"], rows, own)


def body_part_table(parts: Sequence[BodyPart]) -> Table:
    """Return detections, and in brackets images with any, at one threshold: a row per label, a column per method."""
    labels, methods = (list(dict.fromkeys(getattr(part, key) for part in parts)) for key in ("label", "method"))
    at = {(part.label, part.method): f"{part.detections:,} ({part.images_with:,})" for part in parts}
    rows = [[label, *(at[label, name] for name in methods)] for label in labels]
    own = {"label"}
    return make_table(["label", *column_names("method", methods, own)], rows, own)
