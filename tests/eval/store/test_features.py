"""Features are stored beside the scores, and count only for the very picture that was judged."""

import json
import os
import shutil

import numpy as np
import pytest
from manifests import manifest_of

from eval.base.errors import StorageError
from eval.base.image_key import ImageKey
from eval.store.features import folder_of, images_with_features, read_features, write_features
from eval.store.rundir import RunDir
from eval.store.scores import BLANK, OK, Score

DESCRIPTION = {"weights_sha256": "ab", "dtype": "float32", "device": "cpu"}
OTHER = DESCRIPTION | {"weights_sha256": "cd"}


def row(number, digest=None, value=0.5, method="baseline"):
    vector = np.float16([value, -value, number])
    return {
        "method": method,
        "row": number,
        "image": 0,
        "digest": digest or f"d{number}",
        "embedding": vector,
        "text_cosine": value,
    }


def score(number, state=OK, digest=None, method="baseline"):
    return Score(method, number, 0, state, digest=digest or f"d{number}")


@pytest.fixture
def run(tmp_path):
    run = RunDir(tmp_path)
    run.write_scores(0, [score(number) for number in range(4)])
    return run


def test_features_come_back_in_the_order_of_the_scores_with_nan_where_there_are_none(run):
    write_features(run, "clip", DESCRIPTION, 0, [row(2, value=0.25)])
    write_features(run, "clip", DESCRIPTION, 1, [row(0), row(3)])
    scores = run.read_scores()
    features = read_features(run, scores)
    assert list(features) == ["clip"]
    assert features["clip"].description == DESCRIPTION
    arrays = features["clip"].aligned(scores, ["embedding", "text_cosine"])
    nan = np.nan
    expected = np.float32([[0.5, -0.5, 0], [nan] * 3, [0.25, -0.25, 2], [0.5, -0.5, 3]])
    np.testing.assert_array_equal(arrays["embedding"], expected)
    np.testing.assert_array_equal(arrays["text_cosine"], np.float32([0.5, nan, 0.25, 0.5]))
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
    some = scores.filter(np.array([False, True, True, False]))
    np.testing.assert_array_equal(
        features["clip"].aligned(some, ["text_cosine"])["text_cosine"], np.float32([nan, 0.25])
    )


def test_a_run_without_features_has_none(run):
    assert read_features(run, run.read_scores()) == {}
    write_features(run, "clip", DESCRIPTION, 0, [])
    assert not (run.root / "features").exists()


def test_features_count_only_with_the_digest_of_the_judged_picture_and_an_ok_state(run):
    run.write_scores(0, [score(9, BLANK)])
    write_features(run, "clip", DESCRIPTION, 0, [row(0, "another"), row(1), row(9), row(77), row(2, method="sld_max")])
    scores = run.read_scores()
    arrays = read_features(run, scores)["clip"].aligned(scores, ["text_cosine"])
    assert np.isfinite(arrays["text_cosine"]).tolist() == [False, True, False, False, False]
    assert images_with_features(run, "clip", DESCRIPTION, scores) == {ImageKey("baseline", 1, 0)}
    assert images_with_features(run, "clip", OTHER, scores) == set()


def test_of_an_image_with_features_twice_the_later_count(run):
    write_features(run, "clip", DESCRIPTION, 0, [row(0, value=0.25), row(1)])
    write_features(run, "clip", DESCRIPTION, 0, [row(0, value=0.75)])
    scores = run.read_scores()
    features = read_features(run, scores)["clip"]
    assert features.images == 2
    assert features.aligned(scores, ["text_cosine"])["text_cosine"][0] == 0.75


def test_another_network_has_a_folder_of_its_own_and_another_device_has_not(run):
    write_features(run, "clip", DESCRIPTION, 0, [row(0), row(1)])
    write_features(run, "clip", DESCRIPTION | {"device": "cuda:1", "weights": "a copy.safetensors"}, 0, [row(2)])
    write_features(run, "clip", OTHER, 0, [row(0, value=0.75)])
    assert folder_of("clip", DESCRIPTION) != folder_of("clip", OTHER)
    features = read_features(run, run.read_scores())["clip"]
    assert (features.description, features.images, features.others) == (DESCRIPTION, 3, 1)


@pytest.mark.parametrize("newest", [DESCRIPTION, OTHER])
def test_of_two_networks_with_as_many_images_the_newest_features_count(run, newest):
    for age, description in enumerate((DESCRIPTION, OTHER), start=1):
        write_features(run, "clip", description, 0, [row(0)])
        (part,) = (run.root / "features" / folder_of("clip", description)).glob("*.parquet")
        written = 2e9 if description is newest else 1e9 + age
        os.utime(part, (written, written))
    assert read_features(run, run.read_scores())["clip"].description == newest


def test_a_comparison_with_pictures_of_a_method_that_is_not_the_first_does_not_count(run):
    assert RunDir(run.root).create(manifest_of(methods=("baseline", "sld_max"), judges=()))
    grown = RunDir(run.root)
    grown.write_scores(0, [score(0)])
    write_features(grown, "clip", DESCRIPTION | {"against": "sld_max"}, 0, [row(0)])
    assert read_features(grown, grown.read_scores()) == {}
    write_features(grown, "clip", DESCRIPTION | {"against": "baseline"}, 0, [row(0)])
    assert read_features(grown, grown.read_scores())["clip"].others == 0


@pytest.mark.parametrize("damage", ["truncated", "flipped", "of another run"])
def test_a_damaged_part_counts_as_not_made_with_a_warning(run, damage, caplog):
    noise = np.random.default_rng(0).standard_normal(2000).astype(np.float16)
    for number in range(3):
        write_features(run, "clip", DESCRIPTION, 0, [row(number) | {"embedding": noise}])
    folder = run.root / "features" / folder_of("clip", DESCRIPTION)
    part = folder / "00000-000001.parquet"
    data = part.read_bytes()
    if damage == "of another run":
        import pyarrow.parquet as pq

        pq.write_table(pq.read_table(part).replace_schema_metadata({b"i2p-bench run": b"x"}), part)
    else:
        at = len(data) // 2  # in the page of the embedding, which is most of the file
        part.write_bytes(data[:-9] if damage == "truncated" else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    again = RunDir(run.root)
    scores = again.read_scores()
    cosines = read_features(again, scores)["clip"].aligned(scores, ["text_cosine", "embedding"])["text_cosine"]
    assert np.isfinite(cosines).tolist() == [True, False, True, False]
    assert f"{part} is damaged" in caplog.text
    assert part.exists()
    have = images_with_features(again, "clip", DESCRIPTION, scores)
    assert have == {ImageKey("baseline", 0, 0), ImageKey("baseline", 2, 0)}
    assert sorted(path.name for path in folder.iterdir()) == [
        "00000-000000.parquet",
        "00000-000001.parquet.damaged",
        "00000-000002.parquet",
        "_description.json",
    ]


def test_a_part_of_this_process_that_vanished_is_an_error_and_no_missing_image(run):
    write_features(run, "clip", DESCRIPTION, 0, [row(0)])
    (run.root / "features" / folder_of("clip", DESCRIPTION) / "00000-000000.parquet").unlink()
    with pytest.raises(StorageError, match="was written by this process and is missing"):
        read_features(run, run.read_scores())


def test_a_folder_whose_description_is_gone_or_not_its_own_is_named_and_left_out(run, caplog):
    write_features(run, "clip", DESCRIPTION, 0, [row(0)])
    folder = run.root / "features" / folder_of("clip", DESCRIPTION)
    (folder / "_description.json").write_text(json.dumps(OTHER))
    shutil.copytree(folder, folder.with_name("notes-of-mine"))
    assert read_features(run, run.read_scores()) == {}
    assert [record.args[0] for record in caplog.records] == [folder]
