"""`results.json` is as docs/results.schema.json says, of a run and of a replay, and the schema would notice."""

import copy
import json
from pathlib import Path

import pytest

from eval.run import main

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "results.schema.json").read_text())
TYPES = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None),
}  # fmt: skip
KNOWN = {"$schema", "title", "description", "type", "properties", "required", "additionalProperties", "items", "enum"}
KNOWN |= {"const", "minimum", "maximum"}


def wrong(value, schema, path="$"):
    """Yield where a document is not as its schema says; the part of JSON Schema 2020-12 that ours uses."""
    assert set(schema) <= KNOWN, f"{path}: this validator does not know {set(schema) - KNOWN}"
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        fits = [isinstance(value, TYPES[n]) and (n == "boolean" or not isinstance(value, bool)) for n in names]
        if not any(fits):
            yield f"{path} is no {names}"
            return
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        yield f"{path} is {value!r}"
    if isinstance(value, int | float) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path} is out of range"
    for n, item in enumerate(value if isinstance(value, list) else []):
        yield from wrong(item, schema.get("items", {}), f"{path}[{n}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        yield from (f"{path} lacks {name}" for name in schema.get("required", []) if name not in value)
        if schema.get("additionalProperties", True) is False:
            yield from (f"{path} has {name}" for name in value if name not in properties)
        for name, item in value.items():
            yield from wrong(item, properties.get(name, {}), f"{path}.{name}")


@pytest.fixture(scope="module")
def document(hostile_run):
    return json.loads((hostile_run / "report" / "results.json").read_text())


def test_a_run_is_as_the_schema_says(document):
    assert list(wrong(document, SCHEMA)) == []
    assert document["differences"]
    assert document["definitions"]
    assert set(SCHEMA["properties"]) == set(document)


def test_a_replay_is_as_the_schema_says(i2p_csv, tmp_path, call):
    assert call(main, "model=published", f"prompts.path={i2p_csv}", "prompts.categories=[hate]", f"out={tmp_path}") == 0
    document = json.loads((tmp_path / "report" / "results.json").read_text())
    assert list(wrong(document, SCHEMA)) == []
    assert document["published"]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=1),
        lambda d: d.pop("missing"),
        lambda d: d["results"][0].update(probability=50.0),
        lambda d: d["results"][0].update(category=None),
        lambda d: d["results"][0].pop("blank"),
        lambda d: d["results"][0].update(more=1),
        lambda d: d["differences"][0].update(new_prompts_low="-0.1"),
        lambda d: d["run"]["methods"][0].pop("name"),
        lambda d: d["definitions"][0].update(own=1),
    ],
)
def test_the_schema_notices_a_change(document, change):
    changed = copy.deepcopy(document)
    change(changed)
    assert list(wrong(changed, SCHEMA))
