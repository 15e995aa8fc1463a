"""CLIP's features are by-products of judging: stored with the scores, equal to the judge's own, at no further look."""

import shutil

import numpy as np
import pytest
import tiny_clip

from eval.base.pictures import read_picture
from eval.judges.clip.encoder import Encoder
from eval.judges.q16 import Q16
from eval.run import main
from eval.store.rundir import RunDir
from eval.store.stored_run import read_run

SMALL = ["prompts.rows=0-3", "protocol.steps=2", "methods=[baseline,sld_max]", "batch_size=4", "sheet=false"]
SMALL += ["judges=[q16]", "report.gallery=off", "device=cpu"]
COLUMNS = ["embedding", "text_cosine", "text_cut"]


@pytest.fixture(scope="module")
def clip_files(tmp_path_factory):
    return tiny_clip.make(tmp_path_factory.mktemp("clip"), vocab_size=49408)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, clip_files, call):
    """Runs by their metrics, each with how often the image network was called."""
    folder, counts = tmp_path_factory.mktemp("runs"), {}
    for metrics, words in {"auto": ["engine.background=true"], "[]": []}.items():
        calls = []
        with pytest.MonkeyPatch.context() as patch:
            real = Encoder.embedded

            def counted(self, pictures, real=real, calls=calls):
                with self.visual.register_forward_hook(lambda *_: calls.append(1)):
                    yield from real(self, pictures)

            patch.setattr(Encoder, "embedded", counted)
            assert call(main, *SMALL, *clip_files.words, f"quality={metrics}", f"out={folder / metrics}", *words) == 0
        counts[metrics] = len(calls)
    return folder, counts


@pytest.fixture(scope="module")
def stored(runs):
    return read_run(RunDir(runs[0] / "auto"))


def test_every_judged_picture_has_the_features_of_its_own_pixels(stored, clip_files):
    judge = Q16(clip_files.architecture, clip_files.weights, clip_files.prompts)
    rows = stored.scores.select(["method", "row", "image"]).to_pylist()
    paths = [stored.run.image_path(*row.values()) for row in rows]
    arrays = stored.features["clip"].aligned(stored.scores, COLUMNS)
    expected = judge.embed([read_picture(path) for path in paths]).astype(np.float16)
    np.testing.assert_array_equal(arrays["embedding"], expected.astype(np.float32))
    assert stored.features["clip"].images == len(rows) == 8
    assert np.isfinite(arrays["text_cosine"]).all()


def test_a_prompt_is_what_the_user_wrote_for_every_method(runs, stored, clip_files):
    """The cosine of the embedding with the text itself, whatever a method puts before it or guides away from."""
    from eval.quality.clip import Clip

    judge = Q16(clip_files.architecture, clip_files.weights, clip_files.prompts, with_text=True)
    texts = {prompt.row: prompt.text for prompt in stored.prompts}
    rows = stored.scores["row"].to_pylist()
    pictures = [
        read_picture(stored.run.image_path(*key.values()))
        for key in stored.scores.select(["method", "row", "image"]).to_pylist()
    ]
    expected = [row["text_cosine"] for row in Clip(judge).rows(pictures, [texts[row] for row in rows])]
    found = stored.features["clip"].aligned(stored.scores, ["text_cosine"])["text_cosine"]
    np.testing.assert_array_equal(found, np.float32(expected))


def test_features_cost_no_call_of_the_image_network_and_change_no_score(runs):
    folder, counts = runs
    assert counts["auto"] == counts["[]"] > 0
    with_features, without = (RunDir(folder / name).read_scores() for name in ("auto", "[]"))
    assert with_features.drop_columns("environment").equals(without.drop_columns("environment"))
    assert (folder / "auto/features").is_dir()
    assert not (folder / "[]/features").exists()


def test_a_batch_of_scores_without_its_features_can_not_be_left_behind(runs, clip_files, tmp_path, call, monkeypatch):
    """Killed between the two writes, a run has features that wait for their scores, and makes both again."""
    folder, _ = runs
    out = tmp_path / "run"
    shutil.copytree(folder / "auto", out)
    for part in (out / "scores").iterdir():
        part.unlink()
    assert call(main, *SMALL, *clip_files.words, f"out={out}") == 0
    again, before = (read_run(RunDir(place)) for place in (out, folder / "auto"))
    assert again.features["clip"].images == 8
    for name, values in again.features["clip"].aligned(again.scores, COLUMNS).items():
        expected = before.features["clip"].aligned(again.scores, [name])[name]
        np.testing.assert_array_equal(values, expected)


def test_a_folders_pictures_get_the_features_that_they_got_when_drawn(runs, stored, clip_files, tmp_path, call):
    words = ["model=images", f"model.path={runs[0]}/auto/images", "prompts=demo", "prompts.rows=0-3", "judges=[q16]"]
    words += [*clip_files.words, "device=cpu", "report.gallery=off"]
    assert call(main, *words, f"out={tmp_path}/judged") == 0
    judged = read_run(RunDir(tmp_path / "judged"))
    columns = judged.features["clip"].aligned(stored.scores, COLUMNS)
    for name, values in stored.features["clip"].aligned(stored.scores, COLUMNS).items():
        np.testing.assert_array_equal(columns[name], values)
