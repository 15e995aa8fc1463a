"""The features of a reference: made once, kept in the run by the content of its pictures, and found changed."""

import functools
import shutil

import numpy as np
import pytest
import tiny_clip
from quality_weights import expect_inception, random_inception

from eval.base.pictures import encode_png
from eval.generate import reference as stage
from eval.quality.clip import Clip
from eval.quality.inception import Inception
from eval.quality.settings import QualitySettings
from eval.run import main
from eval.store.features import read_features
from eval.store.reference import read_reference
from eval.store.rundir import RunDir

SMALL = ["prompts.rows=0-1", "protocol.steps=1", "methods=[baseline]", "sheet=false", "batch_size=4"]
SMALL += ["judges=[nudenet]", "report.gallery=off", "device=cpu"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip.make(tmp_path_factory.mktemp("clip"), vocab_size=49408)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, clip, call):
    out = tmp_path_factory.mktemp("runs") / "finished"
    assert call(main, *SMALL, "quality=[]", f"out={out}") == 0
    return out


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    return RunDir(tmp_path / "run")


@pytest.fixture
def folder(tmp_path):
    """Seven pictures, two of them equal, and a file that is none; of two sizes."""
    rng = np.random.default_rng(0)
    root = tmp_path / "coco"
    (root / "more").mkdir(parents=True)
    for n in range(6):
        name = f"more/{n}.png" if n > 3 else f"{n}.png"
        (root / name).write_bytes(encode_png(rng.integers(0, 256, (40 + 8 * (n % 2), 40, 3), dtype=np.uint8)))
    shutil.copy(root / "0.png", root / "again.png")
    (root / "broken.jpg").write_bytes(b"no picture")
    return root


@pytest.fixture
def looked_at(monkeypatch):
    """The size of each batch of the reference's pictures."""
    sizes, real = [], stage.rows_of
    monkeypatch.setattr(stage, "rows_of", lambda *given: sizes.append(len(given[1])) or real(*given))
    return sizes


@pytest.fixture
def asked(call, clip, run, folder):
    words = [*SMALL, *clip.words, "quality=[kid_clip]", f"quality.reference={folder}", f"out={run.root}"]
    return lambda *more: call(main, *words, *more)


def stored(run, folder, name="clip"):
    return read_reference(run, str(folder), name, read_features(run, run.read_scores())[name].description)


def test_its_pictures_are_looked_at_once_and_the_unreadable_are_named(asked, run, folder, clip, looked_at, caplog):
    assert asked() == 0
    assert (
        "quality.reference: without 1 picture that can't be read: broken.jpg (no PNG, JPEG, WEBP picture)."
        in caplog.text
    )
    assert sum(looked_at) == 6  # two of the seven are equal
    reference = stored(run, folder)
    assert reference.count == 7
    assert reference.words == f"the 7 pictures in {folder} (without 1 that can't be read: broken.jpg)"
    assert reference.features.shape == (7, reference.features.shape[1])
    assert len(np.unique(reference.features, axis=0)) == 6
    assert np.linalg.norm(reference.features, axis=1) == pytest.approx(1, abs=1e-2)
    looked_at.clear()
    assert asked() == 0
    assert looked_at == []
    # By its content: it may be elsewhere under another name, but a report asks for the one that was named.
    assert stored(run, "elsewhere") is None


def test_a_changed_folder_is_noticed_and_only_new_pictures_are_looked_at(asked, run, folder, looked_at):
    assert asked() == 0
    before = stored(run, folder)
    (folder / "1.png").unlink()
    (folder / "broken.jpg").write_bytes(encode_png(np.zeros((40, 40, 3), np.uint8)))
    looked_at.clear()
    assert asked() == 0
    assert looked_at == [1]
    after = stored(run, folder)
    assert (after.count, after.words) == (7, f"the 7 pictures in {folder}")
    assert after.sha256 != before.sha256


def test_a_damaged_part_is_made_again(asked, run, folder, looked_at):
    assert asked() == 0
    (part,) = run.root.glob("features/reference-*/*.parquet")
    part.write_bytes(part.read_bytes()[:-40])
    assert stored(run, folder) is None
    looked_at.clear()
    assert asked() == 0
    assert sum(looked_at) == 6
    assert stored(run, folder).count == 7


def test_one_readable_picture_is_no_reference(asked, folder, capsys):
    for n in (1, 2, 3, 4, 5):
        next(folder.rglob(f"{n}.png")).write_bytes(b"")
    (folder / "again.png").unlink()
    assert asked() == 2
    assert "must be a folder of two readable pictures or more, found 1 in" in capsys.readouterr().err


def test_of_inception_pictures_and_numbers_are_kept(run, folder, tmp_path, call, monkeypatch, capsys):
    weights = random_inception(tmp_path / "inception.pth")
    expect_inception(monkeypatch, weights)
    load = Inception.load
    once = functools.lru_cache(lambda inception, device: load(QualitySettings([], inception=inception), device))
    monkeypatch.setattr(Inception, "load", lambda settings, device: once(settings.inception, device))
    for n in (1, 3, 5):  # those of the other size, which would be a batch of their own
        next(folder.rglob(f"{n}.png")).unlink()
    words = [*SMALL, "quality=[kid,fid]", f"quality.inception={weights}", f"out={run.root}"]
    assert call(main, *words, f"quality.reference={folder}") == 0
    described = read_features(run, run.read_scores())["inception"].description
    reference = stored(run, folder, "inception")
    assert reference.features.shape == (4, 2048)
    monkeypatch.setattr(
        Inception, "features", None
    )  # numbers need no look at a picture, and all of the run's are there
    np.savez(tmp_path / "features.npz", features=reference.features)
    np.savez(tmp_path / "statistics.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    for name in ("features", "statistics"):
        source = tmp_path / f"{name}.npz"
        assert call(main, *words, f"quality.reference={source}") == 0
        found = read_reference(run, str(source), "inception", described)
        if name == "features":
            assert np.array_equal(found.features, reference.features)
            assert found.words == f"the 4 pictures whose features are in {source}"
            assert call(main, *words, "quality=[kid,kid_clip]", f"quality.reference={source}", "q16=demo") == 0
            assert read_features(run, run.read_scores())["clip"].images == 2
            by_clip = read_reference(run, str(source), "clip", {})
            assert (by_clip.features, by_clip.words) == (None, f"Inception's numbers in {source}")
        else:
            assert (found.count, found.features) == (None, None)
            assert (found.mean.shape, found.covariance.trace()) == ((2048,), 2048)
        source.unlink()
        assert read_reference(run, str(source), "inception", described).words == found.words  # it has its own copy
    assert call(main, *words, f"quality.reference={source}") == 2
    assert "found nothing at" in capsys.readouterr().err


def test_a_killed_stage_goes_on_where_it_was(asked, run, folder, looked_at, monkeypatch):
    class Killed(Exception):
        pass

    monkeypatch.setattr(stage, "PART", 2)
    monkeypatch.setattr(stage, "BATCH", 2)
    real, calls = Clip.rows, []

    def rows(self, pictures, *more):
        calls.append(len(pictures))
        if len(calls) > 3:  # the run's own pictures are looked at in one or two calls
            raise Killed
        return real(self, pictures, *more)

    monkeypatch.setattr(Clip, "rows", rows)
    with pytest.raises(Killed):
        asked()
    monkeypatch.setattr(Clip, "rows", real)
    before = sum(looked_at)
    looked_at.clear()
    assert asked() == 0
    assert 0 < sum(looked_at) < 6
    assert before > 0
    assert stored(run, folder).count == 7
