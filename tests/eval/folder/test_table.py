"""A table says whose pictures are: by rows, or by prompts of its own, whatever its columns are called."""

import csv
import gzip
import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import i2p
from eval import run, status
from eval.base.errors import InputError
from eval.doctor import __main__ as doctor
from eval.folder.layouts import Match, match_table
from eval.folder.open import Folder, MadeElsewhere
from eval.folder.table import find_table
from eval.folder.table_matches import by_prompts, by_rows
from eval.plan.plan import FolderPlan
from eval.report import __main__ as report

RNG = np.random.default_rng(0)
DEMO = ("model=images", "q16=demo", "judges=[q16]", "report.gallery=off", "report.images=true")


@pytest.fixture
def table(tmp_path):
    """Writes list.csv and opens it."""

    def table(text, name="list.csv"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return find_table(tmp_path, tmp_path / name, "auto")

    return table


def test_a_table_names_pictures_of_any_name_and_numbers_them_as_they_come(table):
    found = by_rows(table("row,image\n3,a b.png\n4,x/c.jpg\n3,./d.png\n"))
    assert found == [Match("a b.png", None, 3, 0), Match("x/c.jpg", None, 4, 0), Match("d.png", None, 3, 1)]
    matches = match_table(found, ["a b.png", "d.png", "other.png"])
    assert (len(matches.placed), matches.unplaced, matches.absent) == (2, ("other.png",), ("x/c.jpg, line 3",))


def test_image_and_row_by_these_very_names_need_no_others_and_those_are_named(table):
    opened = table("image,row,path,case_number,prompt,text\na.png,3,/x/b.png,9,x,y\n")
    assert by_rows(opened) == [Match("a.png", None, 3, 0)]
    assert opened.unused(("image", "row", "text")) == [
        "Columns of list.csv that are not used: path, case_number, prompt, text."
    ]


def test_names_in_a_column_for_rows_number_nothing_where_there_are_prompts(table):
    opened = table("filename,prompt,image_id\na.png,a lake,img_a\nb.png,a tree,img_b\n")
    found, prompts = by_prompts(opened)
    assert not opened.has_rows
    assert [(one.path, one.row) for one in found] == [("a.png", 0), ("b.png", 1)]
    assert prompts.unused == ("image_id",)


def test_a_table_may_give_method_and_number(table):
    found = by_rows(table("image,row,k,method\na.png,3,5,mine\nb.png,3,2,base\n"))
    assert found == [Match("a.png", "mine", 3, 5), Match("b.png", "base", 3, 2)]


@pytest.mark.parametrize("image", ["image", "Filename", "FILE", "Path", "file_name", " Image Path"])
@pytest.mark.parametrize("row", ["row", "Row", "case_number"])
def test_columns_are_found_by_any_of_their_names(table, image, row):
    assert by_rows(table(f"{image},{row}\na.png,3\n")) == [Match("a.png", None, 3, 0)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("image,row\n/etc/a.png,1\n", "'/etc/a.png'"),
        ("image,row\n../a.png,1\n", "'../a.png'"),
        ("image,row\nx/../../a.png,1\n", "relative"),
        ("image,row\nC:\\a.png,1\n", "relative"),
        ("image,row\n,1\n", "line 2"),
        ("image,row\na.png,-1\n", "'-1'"),
        ("image,row\na.png,1.5\n", "'1.5'"),
        ("image,row\na.png\n", "must have 2 cells"),
        ("image,row\na.png,\n", "row must be a whole number"),
        ("image,row\na.png,1\na.png,2\n", "line 3"),
        ("image,row,method\na.png,1,../x\n", "'../x'"),
        ("image,row,method\na.png,1,-x\n", "begin with a letter, digit or _, found '-x'"),
        ("image,row,method\na.png,1,\n", "column method"),
        ("image,row,k\na.png,1,\n", "column k"),
        ("photo,row\na,1\n", "found photo, row"),
        ("path,file,row\na.png,a.png,1\n", "path and file, found both"),
        ("", "found none"),
        ('image,row\n"a.png,1\n', "must have comma-separated cells"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_in_one_sentence(table, text, word):
    with pytest.raises((InputError, i2p.InputError)) as caught:
        by_rows(table(text))
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_equal_prompts_are_images_of_one_in_their_order_and_methods_share_them(table):
    lines = [
        "Filename,Prompt,Category,Method,Seed",
        "a/1.png,a fox,hate,base,11",
        "a/2.png,a castle,,base,12",
        "a/3.png,a fox,hate,base,13",
        "b/1.png,a fox,hate,mine,13",
        "b/2.png,a fox,hate,mine,11",
        "b/3.png,a fox,sexual,mine,5",
    ]
    found, source = by_prompts(table("\n".join(lines)))
    assert [(p.row, p.text, p.categories, p.seed) for p in source.prompts] == [
        (0, "a fox", ("hate",), 11),
        (1, "a castle", (), 12),
        (2, "a fox", ("sexual",), 5),
    ]
    assert sorted((m.path, m.method, m.row, m.image) for m in found) == [
        ("a/1.png", "base", 0, 0),
        ("a/2.png", "base", 1, 0),
        ("a/3.png", "base", 0, 1),
        ("b/1.png", "mine", 0, 1),  # by its seed: the second of the other method
        ("b/2.png", "mine", 0, 0),
        ("b/3.png", "mine", 2, 0),
    ]


def test_without_a_column_of_seeds_a_prompt_has_that_of_its_row(table):
    _, source = by_prompts(table("image,prompt\na.png,a castle\nb.png,a castle\nc.png,a boat\n"))
    assert [(p.row, p.seed) for p in source.prompts] == [(0, 0), (1, 1)]


def test_lines_of_one_prompt_with_other_groups_are_refused(table):
    lines = "image,prompt,group\na.png,a castle,x\nb.png,a castle,{}\n"
    assert len(by_prompts(table(lines.format("x")))[1].prompts) == 1
    with pytest.raises(InputError, match=r"line 3 must give all lines of one prompt the same group, found 'x' and 'y'"):
        by_prompts(table(lines.format("y")))


def test_without_the_same_seeds_images_are_numbered_as_they_come(table):
    found, _ = by_prompts(table("image,prompt,method\na.png,x,m\nb.png,x,n\nc.png,x,m\n"))
    assert [(m.path, m.method, m.image) for m in found] == [("a.png", "m", 0), ("c.png", "m", 1), ("b.png", "n", 0)]


FORMS = {
    "list.csv": lambda text: text.encode(),
    "list.tsv": lambda text: text.replace(",", "\t").encode(),
    "semicolons.csv": lambda text: text.replace(",", ";").encode(),
    "utf16.csv": lambda text: text.encode("utf-16"),
    "list.csv.gz": lambda text: gzip.compress(text.encode()),
    "metadata.jsonl": lambda text: "".join(
        json.dumps(line) + "\n" for line in csv.DictReader(text.splitlines())
    ).encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_table_says_the_same(table, tmp_path, name):
    text = "file_name,text\na.png,a fäx\nb.png,NA\n"
    opened = table(FORMS[name](text), name)
    found, source = by_prompts(opened)
    assert [(m.path, m.row) for m in found] == [("a.png", 0), ("b.png", 1)]
    assert [p.text for p in source.prompts] == ["a fäx", "NA"]
    assert find_table(tmp_path, None, "auto").path == opened.path  # it need not be named


def noise(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def judged(tmp_path, call, capsys):
    """Judges tmp_path/pics into tmp_path/run; returns the exit code and what went to stderr."""

    def judged(*more, path="pics", main=run.main):
        code = call(main, *DEMO, f"model.path={tmp_path}/{path}", f"out={tmp_path}/run", *more)
        said = capsys.readouterr()
        return code, said.err + (said.out if main is not run.main else "")

    return judged


def results(out) -> dict:
    return json.loads((out / "report" / "results.json").read_text())


def test_a_table_with_prompts_gives_a_number_in_one_command_and_nothing_is_missing(tmp_path, judged, call):
    """Two prompts of one image and one of two: no image is missing that the table does not name."""
    pics = tmp_path / "pics"
    for name in ("a.png", "b.png", "sub/c.png", "d.png"):
        noise(pics / name)
    lines = ["Filename,Prompt,Category,Artist", "a.png,a fox,violence,x", "b.png,a fox,violence,x"]
    lines += ["sub/c.png,a castle,hate,y", "d.png,a boat,hate,z"]
    (pics / "list.csv").write_text("\n".join(lines) + "\n")
    code, err = judged()
    assert code == 0, err
    found = results(tmp_path / "run")
    counts = {r["category"]: (r["prompts"], r["images"], r["missing"]) for r in found["results"]}
    assert counts == {"hate": (2, 2, 0), "violence": (1, 2, 0), "all": (3, 4, 0)}
    assert (found["images"], found["missing"]) == (4, 0)
    rows = {(r["prompt"], r["image"]) for r in pq.read_table(tmp_path / "run/report/images.parquet").to_pylist()}
    assert rows == {("a fox", 0), ("a fox", 1), ("a castle", 0), ("a boat", 0)}
    assert found["run"]["model"] == {
        "source": "pictures made elsewhere",
        "layout": "csv",
        "prompts": "the folder's own",
    }
    assert any("not used" in note and "Artist" in note for note in found["notes"])
    assert any("prompts of list.csv instead of I2P" in deviation for deviation in found["deviations"])
    assert call(report.main, tmp_path / "run") == 0
    assert call(status.main, tmp_path / "run") == 0
    assert judged()[0] == 0  # again
    for index in (0, 1):
        assert judged(f"out={tmp_path}/sharded", "shard.count=2", f"shard.index={index}", path="pics/list.csv")[0] == 0
    assert results(tmp_path / "sharded")["results"] == found["results"]
    assert judged("measure=false", f"out={tmp_path}/new", main=doctor.main)[0] == 0


def test_a_picture_that_only_the_table_has_is_missing(tmp_path, judged):
    noise(tmp_path / "pics" / "a.png")
    noise(tmp_path / "pics" / "b.png")
    (tmp_path / "pics" / "list.csv").write_text("image,prompt\na.png,x\nb.png,x\nc.png,y\n")
    code, err = judged()
    assert code == 3
    assert "1 of 3 images is missing or unjudged (pics 1_0); add the file not there yet" in err
    noise(tmp_path / "pics" / "c.png")
    assert judged()[0] == 0


def test_a_prompt_that_one_method_lacks_is_not_missing_and_common_ones_are_paired(tmp_path, judged):
    lines = ["image,prompt,method"]
    for method, prompts in (("base", "wxyz"), ("mine", "xyz")):
        for prompt in prompts:
            noise(tmp_path / "pics" / f"{method}_{prompt}.png")
            lines.append(f"{method}_{prompt}.png,{prompt},{method}")
    (tmp_path / "pics" / "list.csv").write_text("\n".join(lines) + "\n")
    code, err = judged()
    assert code == 0, err
    found = results(tmp_path / "run")
    assert {(r["method"], r["prompts"], r["missing"]) for r in found["results"]} == {("base", 4, 0), ("mine", 3, 0)}
    assert [d["prompts"] for d in found["differences"]] == [3]


def test_a_table_of_paths_that_begin_elsewhere_is_refused_with_some_of_them(tmp_path, judged):
    noise(tmp_path / "pics" / "a.png")
    for columns in ("image,prompt", "image,row"):
        (tmp_path / "pics" / "list.csv").write_text(f"{columns}\npics/a.png,7\n")
        code, err = judged(path="pics/list.csv")
        assert code == 2
        assert "found none of its 1 there (pics/a.png, line 2), and 1 others (a.png): correct the paths" in err


def test_prompts_from_two_sources_are_refused(tmp_path, judged):
    noise(tmp_path / "pics" / "a.png")
    (tmp_path / "pics" / "list.csv").write_text("image,prompt\na.png,x\n")
    (tmp_path / "p.txt").write_text("x\n")
    code, err = judged(f"prompts.path={tmp_path}/p.txt", path="pics/list.csv")
    assert code == 2
    assert "must have a column row that says which of the prompts of prompts.path=" in err
    code, err = judged("prompts=none", path="pics/list.csv")
    assert code == 2
    assert "leave prompts=none out" in err


@pytest.mark.parametrize(("name", "layout"), [("{}.png", "row"), ("{}_0.png", "row_image"), ("m/{}_0.png", "own")])
def test_a_table_that_names_every_picture_says_what_they_are_whatever_their_names(tmp_path, judged, name, layout):
    names = [name.format(n) for n in (0, 1)]
    for each in names:
        noise(tmp_path / "pics" / each)
    (tmp_path / "pics" / "list.csv").write_text(f"image,prompt\n{names[1]},first\n{names[0]},second\n")
    code, err = judged()
    assert code == 0, err
    rows = pq.read_table(tmp_path / "run/report/images.parquet").to_pylist()
    assert {(r["prompt"], r["row"]) for r in rows} == {("first", 0), ("second", 1)}
    note = f"({names[0]}, {names[1]}) are not read as rows of I2P or of a list, as model.layout={layout} "
    assert any(note in said for said in results(tmp_path / "run")["notes"])
    (tmp_path / "p.txt").write_text("x\ny\n")
    named = (f"prompts.path={tmp_path}/p.txt", f"out={tmp_path}/named")
    assert judged(*named)[0] == 0  # the prompts are chosen: the names place the pictures
    rows = pq.read_table(tmp_path / "named/report/images.parquet").to_pylist()
    assert {(r["prompt"], r["row"]) for r in rows} == {("x", 0), ("y", 1)}


def test_pictures_that_only_a_layout_places_beside_those_of_a_table_are_not_guessed_between(tmp_path, judged):
    for name in ("0_0.png", "1_0.png"):
        noise(tmp_path / "pics" / name)
    (tmp_path / "pics" / "list.csv").write_text("image,prompt\n0_0.png,x\n")
    code, err = judged()
    assert code == 2
    assert "found row_image (2, 0_0.png, 1_0.png) and csv (1, 0_0.png): name the one that is meant" in err
    assert judged("model.layout=csv")[0] == 0


@pytest.mark.parametrize("cell", [" a b.png ", "sub\\c.png", ".\\sub\\c.png", '" a b.png"'])
def test_blanks_around_a_path_and_backslashes_are_no_part_of_it(table, tmp_path, cell):
    noise(tmp_path / "sub" / "c.png")
    noise(tmp_path / "a b.png")
    ((one,), _) = by_prompts(table(f"prompt,image\nx,{cell}\n"))
    assert one.path == ("sub/c.png" if "c.png" in cell else "a b.png")


def test_a_file_whose_name_has_blanks_and_backslashes_is_found_by_it(table, tmp_path):
    noise(tmp_path / " a\\b.png")
    ((one,), _) = by_prompts(table("prompt,image\nx, a\\b.png\n"))
    assert one.path == " a\\b.png"


@pytest.mark.parametrize("column", ["img", "output", "Generated Image", "id", "image_id", ""])
def test_the_column_that_holds_names_of_pictures_is_theirs_whatever_it_is_called(table, tmp_path, column):
    text = f"{column},prompt,url\na.png,x,https://a.b/1.png\nb.JPG,y,https://a.b/2.png\n"
    found, source = by_prompts(table(text))
    assert [(m.path, m.row) for m in found] == [("a.png", 0), ("b.JPG", 1)]
    assert source.unused == ("url",)


def test_two_columns_of_pictures_are_not_guessed_between(table):
    with pytest.raises(InputError, match="found before, after, prompt: add them"):
        table("before,after,prompt\na.png,b.png,x\n")


def test_utf_16_without_its_mark_is_refused_with_its_conversion(tmp_path, judged):
    noise(tmp_path / "pics" / "a.png")
    (tmp_path / "pics" / "list.csv").write_bytes("prompt,image\nx,a.png\n".encode("utf-16-le"))
    code, err = judged()
    assert code == 2
    assert "iconv -f UTF-16LE -t UTF-8" in err


@pytest.mark.parametrize("name", ["list.csv", "list.xlsx", "metadata.json"])
def test_tables_that_are_not_used_are_named_where_no_picture_has_a_place(tmp_path, judged, name):
    noise(tmp_path / "pics" / "a.png")
    (tmp_path / "pics" / name).write_text("image|prompt\na.png|x\n")
    code, err = judged()
    assert code == 2
    assert (
        f"and tables without such columns or of another format ({name}): rename the pictures, write such a CSV" in err
    )


def test_a_prompt_of_many_images_takes_no_time_of_the_others(table):
    """A number of images for each prompt, and not the largest for all, is what a run goes through."""
    lines = [f"{n}.png,{'one' if n < 3_000 else n},{n}\n" for n in range(6_000)]
    found, source = by_prompts(table("image,prompt,seed\n" + "".join(lines)))
    assert len(source.prompts) == 3_001
    planned = frozenset(("m", one.row, one.image) for one in found)
    folder = Folder(None, "csv", (MadeElsewhere("m"),), 3_000, (), (), True, planned)
    protocol = replace(i2p.get_protocol("dataset"), images_per_prompt=3_000)
    plan = FolderPlan(tuple(source.prompts), folder.methods, protocol, (), folder=folder)
    assert len(plan.units()) == len(plan.shard_images.missing(())) == len(plan.images) == 6_000
    assert plan.shard_images.missing(planned) == []


def test_a_table_of_rows_names_what_it_does_not_use_and_must_give_the_rows_prompts(tmp_path, judged):
    noise(tmp_path / "pics" / "a.png")
    (tmp_path / "p.txt").write_text("a fox\na castle\n")
    table = tmp_path / "pics" / "list.csv"
    table.write_text("image,case_number,prompt,seed\na.png,1,a castle ,7\n")
    chosen = (f"prompts.path={tmp_path}/p.txt", "prompts.rows=1")
    code, err = judged(*chosen)
    assert code == 0, err
    assert "Columns of list.csv that are not used: seed." in results(tmp_path / "run")["notes"]
    table.write_text("image,case_number,prompt,seed\na.png,1,a boat,7\n")
    code, err = judged(*chosen)
    assert code == 2
    assert "(a.png: row 1 is 'a boat' in the table and 'a castle' in the chosen prompts)" in err
    table.write_text("image,unused_row,prompt,seed\na.png,1,a boat,7\n")
    assert judged(f"out={tmp_path}/own")[0] == 0


def test_other_tables_in_the_folder_are_let_alone(tmp_path, judged):
    noise(tmp_path / "pics" / "0.png")
    (tmp_path / "pics" / "others.csv").write_bytes("name,größe\n1\n".encode("latin-1"))
    (tmp_path / "pics" / "prompts.csv").write_text("case_number,prompt\n0,a fox\n")
    (tmp_path / "p.txt").write_text("a fox\n")
    assert judged(f"prompts.path={tmp_path}/p.txt")[0] == 0
    (tmp_path / "pics" / "torn.csv").write_text('image,prompt\n"0.png,x\n')
    code, err = judged(f"prompts.path={tmp_path}/p.txt")
    assert code == 2
    assert "torn.csv" in err
