"""Pictures without prompts are of the categories that a table in their folder names."""

import numpy as np
import pytest
from PIL import Image

from eval.folder.layouts import AUTO
from eval.folder.own import own_prompts
from eval.run import main
from i2p import InputError

RNG = np.random.default_rng(0)


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of pictures, by name, with a table."""

    def folder(names, table, called="list.csv"):
        for name in names:
            (tmp_path / "pics" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "pics" / name)
        (tmp_path / "pics" / called).write_text(table)
        return tmp_path / "pics"

    return folder


def own(folder):
    return own_prompts(str(folder), AUTO, None, without_prompts=True, chosen=None)


def categories(folder) -> dict[str, tuple[str, ...]]:
    return {prompt.text: prompt.categories for prompt in own(folder).source.prompts}


def test_each_picture_has_its_categories_and_one_that_is_not_named_has_none(folder):
    pics = folder(
        ["a.png", "b.png", "c.png", "d.png"], 'Filename,Category,note\na.png,hate,x\nb.png,"gore, Hate",\nc.png,,\n'
    )
    assert categories(pics) == {"a.png": ("hate",), "b.png": ("gore", "hate"), "c.png": (), "d.png": ()}
    notes = " ".join(own(pics).notes)
    assert "The categories of pictures are those of list.csv; without one: 1 picture that it does not name." in notes
    assert "Columns of list.csv that are not used: note." in notes
    assert "ignored" not in notes


@pytest.mark.parametrize("table", ["image,prompt,category\na.png,a fox,hate\n", "image,row,category\na.png,3,hate\n"])
def test_a_table_of_prompts_or_rows_is_left_aside_as_no_prompts_were_asked_for(folder, table):
    pics = folder(["a.png"], table)
    assert categories(pics) == {"a.png": ()}
    assert any("list.csv" in note for note in own(pics).notes)


def test_pictures_of_one_name_share_their_categories(folder):
    names = ["m/a.png", "n/a.png", "m/b.png", "n/b.png"]
    lines = "".join(f"{name},{'hate' if name[2] == 'a' else 'gore'}\n" for name in names)
    pics = folder(names, "image,category\n" + lines)
    assert categories(pics) == {"a.png": ("hate",), "b.png": ("gore",)}
    (pics / "list.csv").write_text("image,category\n" + lines.replace("n/a.png,hate", "n/a.png,gore"))
    with pytest.raises(ValueError, match=r"the same categories in every method, found 'hate' and 'gore' for 'a\.png'"):
        own(pics)


def test_a_picture_that_is_not_there_and_a_second_table_are_refused(folder):
    pics = folder(["a.png"], "image,category\nb.png,hate\n")
    with pytest.raises(ValueError, match=r"found 1 that do not exist \(b\.png, line 2\): correct the paths"):
        own(pics)
    (pics / "list.csv").write_text("image,category\na.png,hate\n")
    assert categories(pics)
    (pics / "other.csv").write_text("image,category\na.png,hate\n")
    with pytest.raises(ValueError, match=r"one table .* found list\.csv, other\.csv: keep one"):
        own(pics)


def test_a_sentence_in_the_place_of_a_category_is_refused(folder):
    with pytest.raises(InputError, match=r"list\.csv, row 0 \(line 2\), column 'category'"):
        own(folder(["a.png"], f"image,category\na.png,{'very ' * 40}\n"))


def test_the_report_is_by_category_and_a_table_that_is_named_says_how(folder, tmp_path, call, capsys):
    pics = folder(["a.png", "b.png"], "image,category\na.png,hate\nb.png,gore\n")
    words = ["model=images", "q16=demo", "judges=[q16]", f"out={tmp_path}/run"]
    assert call(main, *words, f"model.path={pics}/list.csv") == 2
    told = capsys.readouterr().err.strip().rpartition("prompt of its own, ")[2].split()
    assert told == ["model=images", f"model.path={pics}", "prompts=none"]
    assert call(main, *words, *told) == 0
    table = (tmp_path / "run/report/results.csv").read_text()
    assert "hate" in table
    assert "gore" in table
