"""The settings in which the runs of a comparison differ, as a table of values by key and run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sld
from eval.base.table import column_names
from eval.compare.members import Member
from eval.report.format import NONE, Table, make_table
from eval.store.changes import changes, short_value, value_at
from eval.store.environment import differing_between
from eval.store.records import MethodRecord

NOT_KNOWN = "not known"
Path = tuple[str, ...]


def settings_table(members: Sequence[Member]) -> Table:
    """Return the settings in which runs differ, one row per key and one column per run; without rows where none does.

    How pictures that were made elsewhere were drawn is not known, and how a replay's were is not on record: of these
    runs only how they were judged and counted is compared. Methods are compared with those of the same name.
    """
    documents = [_document(member) for member in members]
    rows = [
        [".".join(path), *(_cell(member, document, path) for member, document in zip(members, documents, strict=True))]
        for path in dict.fromkeys(_differing(members, documents))
    ]
    environments = differing_between([member.stored.environments for member in members])
    rows += [[f"environment: {name}", *(value or NONE for value in values)] for name, values in environments.items()]
    headers = ["setting", *column_names("run", (member.title for member in members), ["setting"])]
    return make_table(headers, rows, set(headers))


def _document(member: Member) -> dict[str, Any]:
    """Return the identity of a run with its methods by name; only how it judges and counts if it drew nothing."""
    identity = member.stored.identity.document()
    if member.is_drawn:
        return identity | {"methods": {method.name: _in_full(method) for method in member.stored.identity.methods}}
    # No digest of prompts either, since it covers guidance and size.
    return {
        "prompts": {"count": identity["prompts"]["count"]},
        "protocol": member.stored.protocol.without_drawing().document(),
        "judges": identity["judges"],
    }


def _in_full(method: MethodRecord) -> dict[str, Any]:
    """Return a method's description with the numbers of its preset in place of its name."""
    preset = method.preset
    numbers = sld.PRESETS.get(preset) if isinstance(preset, str) else None
    return {**method.description, "preset": preset if numbers is None else asdict(numbers)}


def _differing(members: Sequence[Member], documents: Sequence[Mapping[str, Any]]) -> Iterator[Path]:
    drawn = [document for member, document in zip(members, documents, strict=True) if member.is_drawn]
    yield from _apart([{**document, "methods": None} for document in drawn])
    if len(drawn) < len(members):
        judged = [m.stored.protocol.without_drawing().document() for m in members]
        yield from _apart(
            [
                {"prompts": {"count": d["prompts"]["count"]}, "protocol": protocol, "judges": d["judges"]}
                for d, protocol in zip(documents, judged, strict=True)
            ]
        )
    for name in dict.fromkeys(name for document in drawn for name in document["methods"]):
        described = [document["methods"][name] for document in drawn if name in document["methods"]]
        if not any(method["preset"] for method in described):  # a concept has no effect without one
            described = [{**method, "concept": None} for method in described]
        yield from (("methods", name, *path) for path in _apart(described))


def _apart(documents: Sequence[Mapping[str, Any]]) -> Iterator[Path]:
    """Yield the paths of the values in which documents differ from the first one."""
    for other in documents[1:]:
        yield from (change.path for change in changes(documents[0], other))


def _cell(member: Member, document: Mapping[str, Any], path: Path) -> str:
    value = value_at(document, path)
    if isinstance(value, dict):  # a part that another run does not have at all
        return "yes"
    if value is not None:
        return short_value(value)
    if not member.is_drawn:
        known = path[0] == "judges" or (path[0] == "protocol" and path[1] in document["protocol"])
        return NONE if known else NOT_KNOWN
    return "no such method" if path[0] == "methods" and path[1] not in document["methods"] else NONE
