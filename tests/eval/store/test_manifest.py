"""A manifest is written and read by one class; what an older version wrote is read as it was meant."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from manifests import manifest_of

import i2p
from eval.base.errors import InputError
from eval.base.files import json_digest
from eval.store.changes import changed_keys
from eval.store.manifest import Manifest, read_manifest, signed
from i2p.protocols import DRAWN

OLD = Path(__file__).parents[1] / "old_run"
FOLDER = {"source": "pictures made elsewhere", "layout": "row"}


def written(folder: Path, document: dict) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps(signed(document)))
    return path


@pytest.mark.parametrize("protocol", i2p.PROTOCOLS)
@pytest.mark.parametrize("model", [None, FOLDER], ids=["drawn", "made elsewhere"])
def test_what_is_written_is_what_is_read(tmp_path, protocol, model):
    manifest = manifest_of(protocol=protocol, model=model, deviations=("steps 2 instead of 50",), lossy=("steps",))
    found = read_manifest(written(tmp_path, manifest.document()))
    assert replace(found, stored_digest=None) == manifest
    assert found.document() == manifest.document()
    assert set(DRAWN).isdisjoint(manifest.document()["identity"]["protocol"]) == (model is not None)


@pytest.mark.parametrize("name", ["demo", "judged"])
def test_an_older_manifest_is_the_run_it_was(name):
    document = json.loads((OLD / name / "manifest.json").read_text())
    manifest = read_manifest(OLD / name / "manifest.json")
    assert manifest.identity_digest == json_digest(document["identity"])  # by which its score parts name it
    changes = list(changed_keys(document["identity"], manifest.identity.document()))
    assert [change.partition(" is ")[0] for change in changes] == (["protocol.noise"] if name == "demo" else [])
    assert manifest.made_elsewhere == (name == "judged")
    assert manifest.method_names == ["baseline", "sld_max"]
    assert (manifest.images_per_prompt, manifest.identity.prompts.count) == (2, {"demo": 6, "judged": 3}[name])


def test_a_choice_that_was_not_there_yet_is_read_as_older_runs_ran():
    document = manifest_of().document()
    for key in ("seed_offset", "reuse"):
        del document["identity"]["protocol"][key]
    for key in ("benchmark", "unused_columns", "prompt_remarks", "drawing_remarks"):
        del document[key]
    manifest = Manifest.read(document)
    assert (manifest.identity.protocol.seed_offset, manifest.identity.protocol.reuse) == (0, 1)
    assert not list(changed_keys(manifest.identity.document(), manifest_of().identity.document()))
    assert manifest.is_i2p
    document["settings"]["prompts"]["path"] = "own.csv"
    assert not Manifest.read(document).is_i2p


def test_how_pictures_made_elsewhere_were_drawn_is_claimed_by_no_manifest():
    """As runs over such pictures began at first."""
    document = manifest_of(model=FOLDER).document()
    document["identity"]["protocol"] |= {key: i2p.get_protocol("dataset").document()[key] for key in DRAWN}
    manifest = Manifest.read(document)
    assert not manifest.identity.protocol.drawn
    assert manifest.identity.document() == manifest_of(model=FOLDER).identity.document()
    assert manifest.identity_digest == json_digest(document["identity"])


def test_a_choice_that_only_a_later_version_knows_is_refused_by_name(tmp_path):
    document = manifest_of().document()
    document["identity"]["protocol"]["flow_shift"] = 3.0
    with pytest.raises(InputError, match=r"found flow_shift\): use the version that wrote it"):
        read_manifest(written(tmp_path, document))


@pytest.mark.parametrize("part", ["identity", "deviations", "lossy", "settings", "runtime"])
@pytest.mark.parametrize("value", [None, 3, "text", ["x", 1]])
def test_a_part_that_is_missing_or_of_another_type_is_one_sentence(tmp_path, part, value):
    document = manifest_of().document()
    document[part] = value
    with pytest.raises(InputError, match="must have all parts of a manifest"):
        read_manifest(written(tmp_path, document))
    del document[part]
    with pytest.raises(InputError, match="must have all parts of a manifest"):
        read_manifest(written(tmp_path, document))


@pytest.mark.parametrize("way", ["identity.model.source", "settings.model.kind", "settings.prompts.source"])
def test_a_name_that_every_report_tells_is_part_of_a_whole_manifest(tmp_path, way):
    document = manifest_of().document()
    *parts, name = way.split(".")
    place = document
    for part in parts:
        place = place[part]
    del place[name]
    with pytest.raises(InputError, match="must have all parts of a manifest"):
        read_manifest(written(tmp_path, document))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"source": "i2p"}, "AIML-TUDA/i2p"),
        ({"source": "i2p", "path": "lists/own.csv"}, "own.csv"),
        ({"source": "harmless"}, "harmless"),
        ({"source": "none"}, "the folder's pictures, each a prompt of its own"),
    ],
)
def test_prompts_go_by_the_name_that_a_reader_knows(settings, name):
    assert manifest_of(**settings).prompts_name == name
