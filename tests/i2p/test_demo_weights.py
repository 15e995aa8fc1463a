"""The weights that ship: whole, small, in the standard layout, and with a word for everything they are asked."""

import json
import shutil

import pytest

import i2p
import sld
from i2p.demo import trained
from i2p.demo.world import CUES, NEUTRAL, PLACES, SUBJECTS, TIMES


def test_they_are_small_and_every_file_has_its_digest():
    files = {f.relative_to(trained.FOLDER).as_posix(): f for f in trained.FOLDER.rglob("*") if f.is_file()}
    digests = json.loads(files.pop("digests.json").read_text())
    assert set(digests) == set(files)
    assert sum(f.stat().st_size for f in files.values()) < 15e6
    assert {f.suffix for f in files.values()} == {".json", ".safetensors", ".txt"}


def test_the_tokenizer_knows_every_word_and_the_whole_concept_fits():
    from sld.models.text import load_tokenizer

    tokenizer = load_tokenizer(trained.model_folder() / "tokenizer")
    words = set(sld.CONCEPT.replace(",", "").split()) | {*SUBJECTS, *PLACES, *TIMES, *NEUTRAL}
    words |= {word for pair in CUES.values() for word in pair}
    for word in words:
        assert len(tokenizer(word).input_ids) == 3, word  # start, the word, end
    assert len(tokenizer(sld.CONCEPT).input_ids) <= tokenizer.model_max_length


def test_they_load_as_any_checkpoint_does_and_draw():
    model = sld.load_model(trained.model_folder())
    assert model.describe()["scheduler"] == "DDIMScheduler"
    assert model.default_size == (64, 64)
    result = sld.sample(model, ["a painting of a tree on a beach at noon"], seeds=[1], steps=3)
    assert result.images["baseline"].shape == (1, 64, 64, 3)
    assert result.finite["baseline"].all()


@pytest.mark.parametrize("damage", ["a byte", "a file", "the digests"])
def test_damaged_weights_are_refused_in_one_sentence(tmp_path, damage):
    folder = shutil.copytree(trained.FOLDER, tmp_path / "weights")
    file = folder / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    if damage == "a byte":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    elif damage == "a file":
        file.unlink()
    else:
        (folder / "digests.json").write_text("[]")
    with pytest.raises(i2p.InputError, match="weights as they were trained") as error:
        trained.model_folder(folder)
    assert "\n" not in str(error.value)
