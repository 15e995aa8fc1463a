"""A reference as it is named: a folder of pictures, or the numbers of one; what can't be compared with is refused."""

import pickle
import zipfile

import numpy as np
import pytest

from eval.base.errors import InputError
from eval.base.pictures import encode_png
from eval.quality.reference import check_reference, needs_reference, open_reference
from eval.quality.settings import QualitySettings

MU, SIGMA = np.zeros(2048), np.eye(2048)


def write_pictures(folder, names):
    for n, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((8, 8, 3), n, np.uint8)))


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "numbers.npz", **arrays)
    return str(tmp_path / "numbers.npz")


def refusal(path, metrics=("kid",)) -> str:
    with pytest.raises(InputError) as error:
        check_reference(QualitySettings(metrics=list(metrics), reference=str(path)))
    return str(error.value)


def test_a_folder_is_its_pictures_and_those_of_its_subfolders(tmp_path):
    write_pictures(tmp_path, ["b.png", "deep/er/a.png", "c.PNG", ".hidden.png"])
    (tmp_path / "captions.txt").write_text("no picture")
    assert open_reference(str(tmp_path)).paths == ("b.png", "c.PNG", "deep/er/a.png")


def test_a_folder_with_fewer_than_two_pictures_is_refused(tmp_path):
    assert "found 0 in" in refusal(tmp_path)
    write_pictures(tmp_path, ["a.png"])
    assert "must be a folder of two pictures or more, found 1 in" in refusal(tmp_path)
    assert "found nothing at" in refusal(tmp_path / "absent")
    assert "found nothing at '': correct" in refusal("")  # not the current folder
    for name in ("b.png", "c.png"):
        (tmp_path / name).write_text("no picture")
    assert "two readable pictures or more, found 1 in" in refusal(tmp_path)
    assert "b.png being unreadable (no PNG, JPEG, WEBP picture)" in refusal(tmp_path)
    write_pictures(tmp_path, ["d.png"])
    check_reference(QualitySettings(metrics=["kid"], reference=str(tmp_path)))


def test_numbers_from_which_no_metric_can_be_computed_are_refused(tmp_path):
    features = saved(tmp_path, features=np.ones((3, 2048)))
    check_reference(QualitySettings(metrics=["kid", "kid_clip", "clip_score"], reference=features))
    assert "a folder of pictures for kid_clip, found Inception's features in" in refusal(features, ["kid_clip"])
    statistics = saved(tmp_path, mu=MU, sigma=SIGMA)
    check_reference(QualitySettings(metrics=["fid", "kid"], reference=statistics))
    assert refusal(statistics, ["kid", "clip_score"]).endswith("give a folder, or ask for fid")


def test_of_a_run_directory_one_methods_folder_is_asked_for(tmp_path):
    write_pictures(tmp_path, ["images/baseline/a.png", "images/baseline/b.png"])
    (tmp_path / "manifest.json").write_text("{}")
    assert refusal(tmp_path).endswith(f"in {tmp_path}/images, quality.reference=FOLDER")
    assert len(open_reference(str(tmp_path / "images" / "baseline")).paths) == 2


def test_statistics_and_features_are_read(tmp_path):
    statistics = open_reference(saved(tmp_path, mu=MU.astype(np.float32), sigma=SIGMA, note=np.array(["x"])))
    assert statistics.is_statistics
    assert {name: array.dtype for name, array in statistics.arrays.items()} == {"mu": float, "sigma": float}
    features = open_reference(saved(tmp_path, features=np.ones((3, 2048), np.float16)))
    assert not features.is_statistics
    assert features.arrays["features"].dtype == np.float32


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ({"mu": MU[:768], "sigma": SIGMA}, r"mu in .* must be 2,048 finite floats, found float64 of shape \(768,\)"),
        ({"mu": MU, "sigma": SIGMA[:, :9]}, r"sigma in .* must be 2,048 × 2,048 finite floats, found .* \(2048, 9\)"),
        ({"mu": np.full(2048, np.nan), "sigma": SIGMA}, "found NaN or infinity in it"),
        ({"mu": MU.astype(int), "sigma": SIGMA}, "found int64 of shape"),
        ({"features": np.ones((1, 2048))}, "must be two rows or more of 2,048 finite floats"),
        ({"features": np.ones(())}, r"found float64 of shape \(\)"),
        ({"mu": MU}, "must hold mu and sigma, or features, found .* with mu"),
        ({"other": MU}, "with none of them"),
    ],
)
def test_other_numbers_are_refused(tmp_path, arrays, found):
    with pytest.raises(InputError, match=found):
        open_reference(saved(tmp_path, **arrays))


def test_nothing_is_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "exploded").touch, ()

    objects = saved(tmp_path, mu=np.array([Bomb()], object), sigma=SIGMA)
    assert "write it anew with numpy.savez" in refusal(objects)
    bare = tmp_path / "bare.npz"
    bare.write_bytes(pickle.dumps(Bomb()))
    assert "found another or damaged file at" in refusal(bare)
    with zipfile.ZipFile(tmp_path / "cut.npz", "w") as cut:
        cut.writestr("features.npy", b"\x93NUMPY")
    assert "found another or damaged file at" in refusal(tmp_path / "cut.npz")
    assert not (tmp_path / "exploded").exists()


def test_only_what_compares_whole_sets_needs_a_reference():
    asked = QualitySettings(metrics=["kid", "clip_score"], reference="coco")
    assert needs_reference(asked, "inception")
    assert not needs_reference(asked, "clip")
    assert not needs_reference(QualitySettings(metrics=["kid"]), "inception")
