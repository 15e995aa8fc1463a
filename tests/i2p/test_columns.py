"""One table of column names for every source: the field's files mean what they say, and nothing is dropped unsaid."""

import csv
import json
from pathlib import Path

import datasets
import pandas
import pytest

import i2p
from i2p.columns import MEANINGS

# Header, two rows, and what they say: rows, seeds, guidance and categories; as the files of the field have them.
FILES = {
    "ESD's unsafe-prompts4703.csv": (
        ",prompt,categories,hard,inappropriate_percentage,nudity_percentage,q16_percentage,sd_safety_percentage,"
        "prompt_toxicity,lexica_url,evaluation_seed,evaluation_guidance,sd_image_width,sd_image_height,sd_model,"
        "case_number\n"
        '0,a lake,"violence, self-harm",1,50.0,0.0,50.0,20.0,0.17,https://a,4261553411,13,512,512,sd,0\n'
        "1,a tree,self-harm,0,30.0,0.0,30.0,40.0,0.11,https://b,4080709695,7,512,512,sd,1\n",
        ([0, 1], [4261553411, 4080709695], [13, 7], [("violence", "self-harm"), ("self-harm",)]),
        ("sd_safety_percentage", "lexica_url", "sd_model"),
    ),
    "MU-Attack's nudity.csv": (
        "Unnamed: 0,prompt,categories,hard,evaluation_seed,evaluation_guidance,case_number\n"
        "21,a lake,self-harm,1,932309623,7,21\n296,a tree,shocking,1,2868251644,7,296\n",
        ([21, 296], [932309623, 2868251644], [7, 7], [("self-harm",), ("shocking",)]),
        (),
    ),
    "MU-Attack's church.csv": (
        "case_number,prompt,evaluation_seed,evaluation_guidance\n0,a church,69922,7.5\n1,a bell,36416,7.5\n",
        ([0, 1], [69922, 36416], [7.5, 7.5], [(), ()]),
        (),
    ),
    "RECE's validation_inappropriate.csv": (
        "case_number,prompt,class,evaluation_seed\n0,a wall,Hate,1174\n30,a crowd,Suffering,8765\n",
        ([0, 30], [1174, 8765], [7.5, 7.5], [("hate",), ("Suffering",)]),
        (),
    ),
    "RECE's coco_30k_val.csv": (
        "case_number,source,prompt,evaluation_seed,coco_id\n2308,coco-30k,a bus,99949,78748\n"
        "404,coco-30k,a ski,70,2676\n",
        ([2308, 404], [99949, 70], [7.5, 7.5], [(), ()]),
        ("source", "coco_id"),
    ),
    "ESD's coco_30k.csv": (
        "image_id,source,prompt,evaluation_seed\n000000203564,coco-30k,a clock,41337\n"
        "000000016977,coco-30k,a car,19959\n",
        ([203564, 16977], [41337, 19959], [7.5, 7.5], [(), ()]),
        ("source",),
    ),
    "ESD's big_artist_prompts.csv": (
        ",case_number,prompt,evaluation_seed,artist\n0,0,a night,3721,Van Gogh\n1,1,a field,3208,Van Gogh\n",
        ([0, 1], [3721, 3208], [7.5, 7.5], [(), ()]),
        ("artist",),
    ),
    "ESD's small_imagenet_prompts.csv": (
        ",case_number,prompt,evaluation_seed,class\n0,0,a church,987,church\n1,1,a tench,4889,tench\n",
        ([0, 1], [987, 4889], [7.5, 7.5], [("church",), ("tench",)]),
        (),
    ),
    "UCE's profession1000_prompts.csv": (
        "case_number,prompt,evaluation_seed,profession\n0,a doctor,2495,Doctor\n1,a chef,171,Chef\n",
        ([0, 1], [2495, 171], [7.5, 7.5], [(), ()]),
        ("profession",),
    ),
    "SafetyDPO's CoProv2_test.csv": (
        "prompt,image,category\na lake,0000000_0.jpg,Hate\na tree,0000001_0.jpg,Illegal activity\n",
        ([0, 1], [0, 1], [7.5, 7.5], [("hate",), ("illegal activity",)]),
        ("image",),
    ),
    "AdvUnlearn's coco_object_retain.csv": (
        "case_num,source,prompt\n1,coco_object,a photo of chair\n2,coco_object,a photo of fridge\n",
        ([1, 2], [1, 2], [7.5, 7.5], [(), ()]),
        ("source",),
    ),
    "UCE's erased-5artists….csv": (
        ",case_number,prompt,evaluation_seed,artist,type\n0,0,a wall,189,A,erased\n1,1,a field,128,A,preserved\n",
        ([0, 1], [189, 128], [7.5, 7.5], [(), ()]),
        ("artist", "type"),
    ),
    "the settings of Civitai": (
        "prompt,negativePrompt,cfgScale,steps,sampler,seed,clipSkip\na lake,,7,20,Euler a,5,2\na tree,,9,25,DDIM,6,2\n",
        ([0, 1], [5, 6], [7, 9], [(), ()]),
        ("negativePrompt", "steps", "sampler", "clipSkip"),
    ),
    "Six-CD's numbering": (
        "id,prompt\n4,a lake\n2,a tree\n",
        ([4, 2], [4, 2], [7.5, 7.5], [(), ()]),
        (),
    ),
    "DiffusionDB's settings": (
        "image_name,prompt,seed,step,cfg,sampler,width,height\na.png,a lake,38753269,50,7.0,8,512,512\n"
        "b.png,a tree,2378086,50,12.0,8,512,512\n",
        ([0, 1], [38753269, 2378086], [7, 12], [(), ()]),
        ("image_name", "step", "sampler"),
    ),
}


@pytest.fixture
def write(tmp_path):
    def write(text, name="prompts.csv"):
        (path := tmp_path / name).write_text(text, encoding="utf-8")
        return path

    return write


def meant(prompts):
    """Rows, seeds, guidance scales and categories."""
    return tuple(zip(*((p.row, p.seed, p.guidance_scale, p.categories) for p in prompts), strict=True))


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_field_means_what_it_says_and_what_is_not_used_is_named(write, name):
    text, expected, unused = FILES[name]
    prompt_list = i2p.read_prompts(path=write(text))
    assert meant(prompt_list.prompts) == tuple(map(tuple, expected))
    assert prompt_list.unused == unused


SOURCES = ("csv", "tsv", "jsonl", "parquet", "hub")


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_knows_the_same_names(tmp_path, monkeypatch, source):
    frame = pandas.DataFrame(
        {"Case_Number": [861, 862], "Prompt ": ["a", "b"], "EVALUATION SEED": [5, 6], "cfg-scale": [9.0, 12.5]}
    )
    frame["harm_category"], frame["Notes"] = ["Drugs", "hate"], ["x", "y"]
    path = tmp_path / f"p.{source}"
    if source in ("csv", "tsv"):
        frame.to_csv(path, sep="\t" if source == "tsv" else ",")  # with an index
    elif source == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_parquet(path)
    if source == "hub":
        present = datasets.load_dataset
        cache = {"cache_dir": str(tmp_path / "cache")}
        monkeypatch.setattr(
            datasets,
            "load_dataset",
            lambda name, split, **_: present("parquet", data_files=str(path), split=split, **cache),
        )
    prompt_list = i2p.read_prompts("somebody/prompts" if source == "hub" else path)
    assert meant(prompt_list.prompts) == ((861, 862), (5, 6), (9.0, 12.5), (("Drugs",), ("hate",)))
    assert prompt_list.unused == ("Notes",)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("row", "case_number"),
        ("case_number", "image_id"),
        ("case_number", "id"),
        ("image_id", "index"),
        ("seed", "evaluation_seed"),
        ("sd_seed", "Seed"),
        ("random_seed", "image_seed"),
        ("guidance", "cfg_scale"),
        ("sd_guidance_scale", "evaluation_guidance"),
        ("category", "categories"),
        ("category", "harm_category"),
        ("height", "image_height"),
        ("Toxicity", "prompt_toxicity"),
    ],
)
def test_two_columns_of_one_meaning_are_refused_and_either_way_out_works(refused, write, first, second):
    path = write(f"prompt,{first},{second}\na,8,16\n")
    refused(path, f"{first} and {second}", "found both", "drop one", f"'unused_{second}'")
    if "tox" not in first.lower():
        assert i2p.load_prompts(path=write(f"prompt,{first}\na,8\n", "dropped.csv"))
        prompt_list = i2p.read_prompts(path=write(f"prompt,{first},unused_{second}\na,8,16\n", "renamed.csv"))
        assert prompt_list.unused == (f"unused_{second}",)


# A column that is in no table, its cells, what it is taken to be, and by what.
UNSAID = [
    ("torch_seed", "9 9", "a seed", "by its name"),
    ("seeds", "9 9", "a seed", "by its name"),
    ("latentseed", "x y", "a seed", "by its name"),
    ("safety_guidance", "9 9", "a guidance scale", "by its name"),
    ("cfg_rescale", "0 0", "a guidance scale", "by its name"),
    ("prompt no.", "8 3", "a row number", "by its name"),
    ("line number", "8 3", "a row number", "by its name"),
    ("nummer", "5 9 11", "a row number", "5, 9, 11"),
    ("n", "2 0 1", "a row number", "2, 0, 1"),
    ("n", "3 1 2 4", "a row number", "3, 1, 2, …"),
    ("zufall", "4188 77 1932", "a seed", "4188, 77, 1932"),
    ("zufall", "4261553411 612304884 4261553410", "a seed", "4261553411"),
    ("zufall", "4261553411", "a seed", "4261553411"),
    ("w", "7.5 7.5", "a guidance scale", "7.5, 7.5"),
    ("w", "9.0 12.0 9.0", "a guidance scale", "9.0, 12.0, 9.0"),
    ("w", "7 7 7 12", "a guidance scale", "7, 7, 7, …"),
]
FIELDS = {"a seed": "seed", "a guidance scale": "guidance_scale", "a row number": "row"}


@pytest.mark.parametrize(("name", "cells", "what", "why"), UNSAID)
def test_what_looks_like_a_seed_guidance_or_row_and_is_not_used_is_refused(refused, write, name, cells, what, why):
    def lines(column):
        return f"prompt,{column}\n" + "".join(f"a,{cell}\n" for cell in cells.split())

    field = FIELDS[what]
    refused(write(lines(name)), what, repr(name), why, f"rename it to '{field}'", f"'unused_{name}'", "drop it")
    prompt_list = i2p.read_prompts(path=write(lines(f"unused_{name}"), "aside.csv"))
    assert prompt_list.unused == (f"unused_{name}",)
    if "x" not in cells:
        renamed = i2p.read_prompts(
            path=write(lines(field) if len(set(cells.split())) > 1 or field != "row" else "", "r.csv")
        )
        assert [getattr(p, field) for p in renamed.prompts] == [float(cell) for cell in cells.split()]
        assert renamed.unused == ()


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("nudity_label", "0 1 1 0"),
        ("nsfw", "1 0"),
        ("hard_one", "0 1"),
        ("sexual_percentage", "10.0 20.0 70.0"),
        ("share", "10.0 20.0 30.0"),
        ("toxicity_score", "0.1 0.9"),
        ("aesthetic", "5.83 6.12 6.5"),
        ("stars", "4.5 3.0 5.0"),
        ("word_count", "7 12 13"),
        ("num_tokens", "12 14 77"),
        ("user_id", "17 17 4"),
        ("id", "x1 x2"),
        ("id", "4 x2"),
        ("scale", "small large"),
        ("scale", "-1 2"),
        ("image_id_text", "x y"),
        ("artist", "Monet Monet"),
        ("weight", "1 1"),
        ("image_url", "u v"),
        ("concept", "church tench"),
        ("votes", "18611 75606"),
        ("downloads", "797926 471325 22533"),
        ("created", "1660000000 1660000077"),
        ("published_at", "2022 2023"),
        ("author_id", "464680097 652231581"),
        ("lexicaId", "897395948 418554019"),
        ("tweet_id", "897395948 418554019"),
        ("class_id", "0 1 2"),
        ("epoch", "0 1 2"),
        ("steps", "20 25"),
        ("generation_steps", "20 20"),
        ("rank", "3 1 2"),
        ("num_queries", "10 11"),
        ("text length", "40 47"),
        ("aesthetic_pred", "7.5 5.5"),
        ("perplexity", "7.5 12.5"),
        ("seconds", "7.5 8.0"),
        ("negative", "0 1"),
        ("class", "dog;cat dog"),
    ],
)
def test_what_measures_or_names_is_left_unused_and_named(write, name, cells):
    prompt_list = i2p.read_prompts(path=write(f"prompt,{name}\n" + "".join(f"a,{cell}\n" for cell in cells.split())))
    assert prompt_list.unused == (name,)
    assert prompt_list.sentences() == [f"Columns that are not used: {name}."]


def test_what_another_column_says_makes_a_column_no_row_seed_or_guidance(write):
    text = "case_number,seed,guidance,prompt,stamp,n,w\n5,1,7.5,a,4261553411,1,7.5\n3,2,9,b,612304884,2,9\n"
    assert i2p.read_prompts(path=write(text)).unused == ("stamp", "n", "w")


@pytest.mark.parametrize("name", ["case_number", "image_id", "case", "row_id"])
def test_names_in_a_column_for_the_rows_number_nothing_and_one_name_among_numbers_is_refused(refused, write, name):
    prompt_list = i2p.read_prompts(path=write(f"{name},prompt\n6f-1,a\nimg_7,b\n"))
    assert ([p.row for p in prompt_list.prompts], prompt_list.unused) == ([0, 1], (name,))
    refused(write(f"{name},prompt\n4,a\nimg_7,b\n"), f"column '{name}'", "'img_7'", f"'unused_{name}'")


@pytest.mark.parametrize("name", ["toxicity", "height", "seed", "category"])
def test_a_bad_cell_of_a_column_that_is_not_needed_says_how_to_leave_the_column_out(refused, write, name):
    refused(write(f"prompt,{name}\na,=x\n"), f"call the column 'unused_{name}' to leave it out")
    assert i2p.read_prompts(path=write(f"prompt,unused_{name}\na,=x\n", "aside.csv")).unused == (f"unused_{name}",)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__", "level_0"])
def test_an_index_of_pandas_is_nothing_where_it_counts_the_rows(refused, write, name):
    assert i2p.read_prompts(path=write(f"{name},prompt\n0,a\n1,b\n")).unused == ()
    assert i2p.read_prompts(path=write(f"{name},prompt,case_number\n7,a,3\n9,b,2\n")).unused == ()
    refused(write(f"{name},prompt\n21,a\n296,b\n"), "an index that counts the rows from 0", "21, 296", "call it 'row'")
    assert i2p.read_prompts(path=write(f"{name},prompt\nx,a\ny,b\n")).unused == (name or "Unnamed: 0",)


def test_an_index_that_was_saved_twice_and_empty_columns_of_a_spreadsheet_are_nothing(write):
    assert i2p.read_prompts(path=write(",Unnamed: 0,prompt\n0,0,a\n1,1,b\n")).unused == ()
    assert i2p.read_prompts(path=write("prompt,seed,,\na,1,,\nb,2,,\n")).unused == ()


def test_a_column_that_may_number_rows_and_repeats_their_numbers_is_no_second_one(write):
    prompt_list = i2p.read_prompts(path=write("case_number,index,prompt\n5,5,a\n3,3,b\n"))
    assert ([p.row for p in prompt_list.prompts], prompt_list.unused) == ([5, 3], ("index",))


def test_a_negative_prompt_of_its_own_is_refused_and_an_empty_one_is_named(refused, write):
    refused(write("prompt,negative_prompt\na,\nb,ugly\n"), "negative_prompt", "'ugly'", "methods=[{name: NAME")
    assert i2p.read_prompts(path=write("prompt,Negative Prompt\na,\nb,\n")).unused == ("Negative Prompt",)


def test_the_real_file_loads_without_complaint_and_names_what_is_not_used(i2p_csv):
    prompt_list = i2p.read_prompts(path=i2p_csv)
    assert prompt_list.sentences() == ["Columns that are not used: sd_safety_percentage, lexica_url, sd_model."]


def test_who_loads_prompts_in_a_script_is_told_too(write, caplog):
    i2p.load_prompts(path=write("prompt,notes\na,x\n"))
    assert [record.message for record in caplog.records] == ["Columns that are not used: notes."]


@pytest.mark.parametrize("text", ["NA", "null", "None", "nan", "N/A", "NULL", "#N/A"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_text_and_a_category_that_pandas_takes_for_nothing_stay_what_they_are(tmp_path, monkeypatch, source, text):
    rows = [{"prompt": text, "seed": 4, "category": text}, {"prompt": "a fox", "seed": 5, "category": "hate"}]
    path = tmp_path / f"p.{source}"
    if source == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif source == "parquet":
        pandas.DataFrame(rows).to_parquet(path)
    else:
        with path.open("w", newline="") as file:
            lines = csv.DictWriter(file, list(rows[0]), delimiter="\t" if source == "tsv" else ",")
            lines.writeheader()
            lines.writerows(rows)
    if source == "hub":  # a CSV there, which `datasets` reads with pandas
        present, cache = datasets.load_dataset, str(tmp_path / "cache")

        def load_dataset(name, revision, split, **options):
            return present("csv", data_files=str(path), split=split, cache_dir=cache, **options)

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    prompt_list = i2p.read_prompts("somebody/prompts" if source == "hub" else path).prompts
    assert [(p.text, p.seed, p.categories) for p in prompt_list] == [(text, 4, (text,)), ("a fox", 5, ("hate",))]


@pytest.mark.parametrize(
    ("column", "text"), [("prompt", "prompt\nNA\na fox\n"), ("class", "prompt,class\na fox,NA\nb,x\n")]
)
def test_a_copy_in_the_cache_that_has_lost_texts_is_refused_with_the_reason(tmp_path, monkeypatch, column, text):
    (path := tmp_path / "p.csv").write_text(text)
    present, cache = datasets.load_dataset, str(tmp_path / "cache")

    def load_dataset(name, revision, split, **options):
        if options:
            raise ValueError("Couldn't find a cache for this config")
        return present("csv", data_files=str(path), split=split, cache_dir=cache)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(i2p.InputError, match=rf"row 0, column '{column}' must be a text, .*pandas does.*download"):
        i2p.load_prompts("somebody/prompts")


def test_the_page_on_lists_of_prompts_has_every_name():
    page = (Path(__file__).resolve().parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
    names = [name for meaning in MEANINGS.values() for name in (*meaning.names, *meaning.loose, *meaning.spare)]
    assert [name for name in names if f"`{name}`" not in page] == []
