"""Names of pictures: each layout as its makers write it, and never one name in two of them."""

import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import i2p
from eval.base.errors import InputError
from eval.folder.layouts import LAYOUTS, METHOD_IS, Match, find_duplicates, is_picture, match_layout, recognise
from eval.folder.open import open_folder
from sld.methods import is_method_name

# As the makers' scripts write them: layout, path, then method, row, image, categories.
WRITTEN = [
    ("own", "baseline/7_0.png", ("baseline", 7, 0, ())),
    ("own", "sld_max.v2+x/0007_012.WEBP", ("sld_max.v2+x", 7, 12, ())),
    ("row_image", "7_3.png", (None, 7, 3, ())),
    ("row_image", "4702_9.JPG", (None, 4702, 9, ())),
    ("row", "7.png", (None, 7, 0, ())),
    ("row", "00012.jpeg", (None, 12, 0, ())),
    ("row_categories", "7_violence.png", (None, 7, 0, ("violence",))),
    ("row_categories", "7_violence, self-harm.png", (None, 7, 0, ("violence", "self-harm"))),
    ("row_categories", "7_illegal activity.png", (None, 7, 0, ("illegal activity",))),
    ("row_categories", "12_Sexual-illegal_activity.png", (None, 12, 0, ("sexual", "illegal activity"))),
    ("geneval", "00007/samples/0000.png", (None, 7, 0, ())),
    ("geneval", "04702/samples/0003.jpg", (None, 4702, 3, ())),
]


@pytest.mark.parametrize(("layout", "path", "place"), WRITTEN)
def test_each_layout_is_read_as_its_makers_write_it_and_recognised(layout, path, place):
    assert match_layout(layout, [path]).placed == (Match(path, *place),)
    assert recognise([path], None, "here").layout == layout


names = st.text("0123456789_-./aeghilmnprsuvxGPN ", min_size=1, max_size=24) | st.sampled_from([w[1] for w in WRITTEN])


@given(names)
def test_no_name_fits_two_layouts(path):
    tried = [match_layout(name, [path]) for name in LAYOUTS]
    assert len([one for one in tried if one.placed or one.misnamed]) <= 1


numbers = st.integers(0, 10**9)


@given(row=numbers, image=numbers, width=st.integers(1, 12), suffix=st.sampled_from(["png", "PNG", "jpg", "webp"]))
def test_padding_and_the_case_of_the_suffix_change_nothing(row, image, width, suffix):
    r, k = f"{row:0{width}}", f"{image:0{width}}"
    for layout, path in (
        ("own", f"m/{r}_{k}.{suffix}"),
        ("row_image", f"{r}_{k}.{suffix}"),
        ("geneval", f"{r}/samples/{k}.{suffix}"),
    ):
        (found,) = match_layout(layout, [path]).placed
        assert (found.row, found.image) == (row, image)
    (found,) = match_layout("row", [f"{r}.{suffix}"]).placed
    assert (found.row, found.image) == (row, 0)


@given(st.lists(st.sampled_from(i2p.CATEGORIES), min_size=1, max_size=4), st.sampled_from([", ", "_", "-", "+", " "]))
def test_categories_come_back_however_they_were_joined(categories, joint):
    (found,) = match_layout("row_categories", [f"3_{joint.join(categories)}.png"]).placed
    assert found.categories == tuple(categories)


@given(st.lists(names, max_size=30))
def test_every_picture_is_found_misnamed_or_strange_and_none_is_two_of_them(paths):
    for name, layout in LAYOUTS.items():
        matches = match_layout(name, paths)
        ignored = [p for p in paths if layout.ignored and layout.ignored.fullmatch(p)]
        found = [m.path for m in matches.placed]
        assert sorted([*found, *matches.misnamed, *matches.unplaced, *ignored]) == sorted(paths)


@pytest.mark.parametrize(
    "path",
    [
        "7_0_1.png",
        "a_0.png",
        "7_nudity.png",
        "7_.png",
        "_7.png",
        "-7_0.png",
        "7_0.gif",
        "x/y/7_0.png",
        "x/7.png",
        "٧.png",
    ],
)
def test_names_of_no_layout_match_nothing(path):
    with pytest.raises(InputError, match=r"found 1 picture named otherwise \(" + re.escape(path)):
        recognise([path], None, "here")


def test_what_is_hidden_or_no_picture_is_none():
    named = ["7_0.png", "a.JPEG", ".7_0.png", "._7_0.png", "Thumbs.db", "notes.txt", "png", ".png"]
    assert [name for name in named if is_picture(name)] == ["7_0.png", "a.JPEG"]


def test_genevals_grids_are_not_strange_and_other_pictures_are():
    matches = match_layout("geneval", ["00000/grid.png", "00000/samples/0000.png", "overview.png"])
    assert [m.path for m in matches.placed] == ["00000/samples/0000.png"]
    assert matches.unplaced == ("overview.png",)


@given(st.text("ab7_.+=- ü\n", min_size=1, max_size=3) | st.sampled_from(["a" * 100, "a" * 101]))
def test_a_folder_is_a_method_or_misnamed_as_methods_are_named(name):
    matches = match_layout("own", [f"{name}/7_0.png"])
    assert (bool(matches.placed), bool(matches.misnamed)) == (is_method_name(name), not is_method_name(name))


def test_only_pictures_that_a_methods_folder_holds_are_misnamed():
    paths = ["base line/a.png", "base line/7.png", "x/base line/7_0.png", "base line/x/7_0.png", "7_0.png"]
    assert match_layout("own", paths).misnamed == ()
    assert match_layout("row_image", ["base line/7_0.png"]).unplaced == ("base line/7_0.png",)


def test_a_misnamed_method_beside_another_layout_is_as_ambiguous_as_one_that_is_named_well():
    for name in ("base line", "baseline"):
        with pytest.raises(InputError, match=rf"own \(1, {name}/7_0.png\) and row_image \(1, 8_0.png\)"):
            recognise(["8_0.png", f"{name}/7_0.png"], None, "here")


def test_a_csv_places_pictures_in_folders_of_any_name():
    table = [Match("base line/7_0.png", "x", 7, 0)]
    assert recognise(["base line/7_0.png"], table, "here").layout == "csv"
    with pytest.raises(InputError, match="own"):
        recognise(["base line/7_0.png", "-x/7_0.png"], table, "here")


@pytest.mark.parametrize("layout", ["auto", "own"])
def test_no_method_vanishes_for_its_name(tmp_path, layout):
    for name in ("baseline", "base line", "-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0_0.png").touch()
    prompts = i2p.load_prompts("demo")[:1]
    for _ in range(2):  # beside a method that is named well, and alone
        with pytest.raises(InputError) as caught:
            open_folder(str(tmp_path), layout, None, None, prompts, prompts)
        for words in (METHOD_IS, "'-x', 'base line' (2 pictures): rename or remove them"):
            assert words in str(caught.value)
        shutil.rmtree(tmp_path / "baseline", ignore_errors=True)
    for name in ("base line", "-x"):
        (tmp_path / name).rename(tmp_path / name.strip("-").replace(" ", ""))
    assert [m.name for m in open_folder(str(tmp_path), layout, None, None, prompts, prompts).methods] == [
        "baseline",
        "x",
    ]


def test_two_layouts_in_one_folder_are_ambiguous_until_one_is_named():
    paths = ["3_1.png", "4_1.png", "5_hate.png"]
    with pytest.raises(InputError) as caught:
        recognise(paths, None, "here")
    for word in ("row_image (2, 3_1.png, 4_1.png)", "row_categories (1, 5_hate.png)", "model.layout="):
        assert word in str(caught.value)
    assert match_layout("row_image", paths).unplaced == ("5_hate.png",)


def test_at_most_five_examples_are_shown():
    with pytest.raises(InputError) as caught:
        recognise([f"picture{n}.png" for n in range(400)], None, "here")
    assert "400 pictures" in str(caught.value)
    assert len(re.findall(r"picture[0-9]", str(caught.value))) == 5


def test_an_empty_folder_has_no_picture():
    with pytest.raises(InputError, match="found no picture"):
        recognise([], None, "here")


def test_two_files_of_one_image_are_doubles():
    found = match_layout("row_image", ["7_0.png", "7_0.jpg", "7_1.png", "007_0.png"]).placed
    assert find_duplicates(found) == [("7_0.png", "7_0.jpg"), ("7_0.png", "007_0.png")]
