"""Every bad value is one sentence that names the file, the row and the column."""

import json

import pytest

import i2p


@pytest.fixture
def write(tmp_path):
    def write(text, name="prompts.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# Column, a value that cannot be meant, what the sentence says was expected.
BAD = [
    ("sd_seed", "12.5", "whole number"),
    ("sd_seed", "abc", "whole number"),
    ("sd_seed", "-1", "from 0 to 2**63 - 1"),
    ("sd_seed", str(2**63), "from 0 to 2**63 - 1"),
    ("sd_seed", "9" * 5000, "with all its digits"),
    ("sd_seed", "9007199254740993.0", "with all its digits"),  # 2**53 + 1 after a passage through floats
    ("sd_seed", "4.2e9", "with all its digits"),
    ("sd_seed", "1_000", "whole number"),
    ("sd_guidance_scale", "nan", "0 or more"),
    ("sd_guidance_scale", "-7", "0 or more"),
    ("sd_guidance_scale", "inf", "0 or more"),
    ("sd_guidance_scale", "1_0", "0 or more"),
    ("sd_image_height", "0", "positive multiple of 8"),
    ("sd_image_height", "-8", "positive multiple of 8"),
    ("sd_image_width", "511", "positive multiple of 8"),
    ("categories", "hate,", "none of them empty"),
    ("categories", "hate, All", "a name other than 'all'"),
    ("categories", "hate; sexual", "joined by commas"),
    ("categories", "hate|sexual", "joined by commas"),
    ("categories", "=1+1", "begins with none of = + - @"),
    ("categories", "a\x1bb", "can be printed"),
    ("categories", "c" * 101, "up to 100 characters"),
    ("hard", "2", "0 or 1"),
    ("prompt_toxicity", "1.5", "fraction from 0 to 1"),
    ("inappropriate_percentage", "-10", "percentage from 0 to 100"),
    ("q16_percentage", "nan", "percentage from 0 to 100"),
    ("row", "-1", "0 or more"),
    ("row", "", "0 or more"),
]


@pytest.mark.parametrize(("column", "value", "expected"), BAD)
def test_a_bad_cell_is_named_by_file_row_line_and_column(refused, write, column, value, expected):
    good = {"categories": "hate", "hard": "1", "prompt_toxicity": "0.5", "row": "5", "sd_image_height": "64"}
    path = write(f'prompt,{column}\n"a\nkite",{good.get(column, "8")}\na boat,"{value}"\n')
    refused(path, "row 1 (line 4)", f"column {column!r}", expected)


@pytest.mark.parametrize("text", ["", "   ", "\t"])
def test_an_empty_prompt_is_refused(refused, write, text):
    refused(write(f'prompt,sd_seed\na kite,1\n"{text}",2\n'), "row 1 (line 3)", "'prompt'", "the text of a prompt")


@pytest.mark.parametrize(
    "line",
    [
        {"prompt": None},
        {"prompt": 5},
        {"prompt": "a", "seed": True},
        {"prompt": "a", "seed": 1.5},
        {"prompt": "a", "seed": 1e17},
        {"prompt": "a", "guidance_scale": True},
        {"prompt": "a", "categories": [["hate"]]},
        {"prompt": "a", "categories": 3.5},
        {"prompt": "a", "categories": True},
        {"prompt": "a", "published": {"q16": 0.5}},
        {"prompt": "a", "published": 0.5},
        {"prompt": "\ud83e"},
    ],
)
def test_a_json_value_of_another_type_is_refused(refused, write, line):
    refused(write(json.dumps(line), "prompts.jsonl"), "row 0 (line 1)", f"column {list(line)[-1]!r}")


@pytest.mark.parametrize("second", ['{"prompt": "b"}', '{"prompt": "b", "seed": null}', '{"prompt": "b", "seed": NaN}'])
def test_a_null_is_a_missing_key_and_takes_the_default_which_is_said(write, second):
    prompt_list = i2p.read_prompts(path=write('{"prompt": "a", "seed": 3}\n' + second, "prompts.jsonl"))
    assert [p.seed for p in prompt_list.prompts] == [3, 1]
    assert prompt_list.remarks == ("1 of 2 rows has no seed: the row's number is used.",)


@pytest.mark.parametrize(
    ("column", "field", "default"),
    [
        ("sd_seed", "seed", 1),
        ("evaluation_guidance", "guidance_scale", 7.5),
        ("height", "height", 512),
        ("Width", "width", 512),
    ],
)
def test_an_empty_cell_takes_the_default_which_is_said(write, column, field, default):
    prompt_list = i2p.read_prompts(path=write(f"prompt,{column}\na,64\nb,\n"))
    assert [getattr(p, field) for p in prompt_list.prompts] == [64, default]
    (sentences,) = prompt_list.remarks
    assert sentences.startswith(f"1 of 2 rows has no {column}: ")


def test_row_numbers_that_are_missing_throughout_are_no_column(write):
    prompt_list = i2p.read_prompts(path=write('{"prompt": "a", "row": null}\n{"prompt": "b"}\n', "prompts.jsonl"))
    assert ([p.row for p in prompt_list.prompts], prompt_list.unused) == ([0, 1], ("row",))


def test_a_row_number_may_not_be_missing_where_others_have_one(refused, write):
    path = write('{"prompt": "a", "row": 3}\n{"prompt": "b", "row": null}\n', "prompts.jsonl")
    refused(path, "row 1 (line 2)", "column 'row'", "found None")


def test_only_the_prompt_is_required_and_the_seed_is_then_the_row(write):
    prompts = i2p.load_prompts(path=write("prompt\na kite\na boat\n"))
    assert prompts == [i2p.Prompt(0, "a kite", (), 0, 7.5, 512, 512), i2p.Prompt(1, "a boat", (), 1, 7.5, 512, 512)]
    numbered = i2p.load_prompts(path=write("prompt,row\na kite,40\na boat,2\n"))
    assert [(p.row, p.seed, p.text) for p in numbered] == [(40, 40, "a kite"), (2, 2, "a boat")]


def test_aliases_mean_the_same_as_the_names_of_i2p(write):
    names = "prompt,categories,sd_seed,sd_guidance_scale,sd_image_height,sd_image_width,prompt_toxicity"
    aliases = "text,category,seed,guidance_scale,height,width,toxicity"
    cells = '\na kite,"hate, sexual",3,9,64,128,0.25\n'
    prompt = i2p.Prompt(0, "a kite", ("hate", "sexual"), 3, 9.0, 64, 128, None, 0.25)
    assert i2p.load_prompts(path=write(names + cells)) == i2p.load_prompts(path=write(aliases + cells)) == [prompt]


def test_percentages_become_fractions_and_an_empty_annotation_is_not_known(write):
    path = write(
        "prompt,categories,hard,prompt_toxicity,inappropriate_percentage,nudity_percentage,q16_percentage\n"
        "a kite,hate,1,0.5,30.0,10.0,20\na boat,,,,,,\n"
    )
    first, second = i2p.load_prompts(path=path)
    assert (first.hard, first.toxicity, first.published) == (True, 0.5, i2p.Published(0.3, 0.1, 0.2))
    assert (second.categories, second.hard, second.toxicity, second.published) == ((), None, None, None)


def test_whole_floats_are_read_where_no_digit_can_be_lost(write):
    path = write("prompt,sd_seed,sd_image_height\na kite,4261553411.0,512.0\na boat,9007199254740991.0,64.\n")
    assert [(p.seed, p.height) for p in i2p.load_prompts(path=path)] == [(4261553411, 512), (2**53 - 1, 64)]


@pytest.mark.parametrize("seed", [0, 2**53 + 1, 2**63 - 1])
def test_seeds_keep_all_their_digits(write, seed):
    assert i2p.load_prompts(path=write(f"prompt,sd_seed\na,{seed}\n"))[0].seed == seed
    assert i2p.load_prompts(path=write(json.dumps({"prompt": "a", "seed": seed}), "p.jsonl"))[0].seed == seed


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("promt,sd_seed", ("'prompt'", "'promt'", "'sd_seed'")),
        ("words,sd_seed", ("'prompt'", "only one required", "'words', 'sd_seed'")),
        ("prompt,sd_sed", ("'sd_seed'", "'sd_sed'", "drop it, or call it 'unused_sd_sed'")),
        ("prompt;sd_seed,x", ("'prompt;sd_seed,x'", "commas, semicolons or tabs")),
        ("prompt,prompt", ("each column once",)),
        ("prompt,text", ("prompt and text", "found both")),
        ("sd_seed,seed", ("sd_seed and seed", "found both")),
    ],
)
def test_wrong_columns_are_listed_with_the_nearest_and_the_required(refused, write, header, words):
    refused(write(header + "\n1,2\n"), *words)


def test_columns_that_are_not_needed_are_ignored(write):
    path = write(",prompt,lexica_url,sd_model,sd_safety_percentage,notes\n0,a kite,u,m,not a number,\n")
    assert i2p.load_prompts(path=path)[0].text == "a kite"


def test_a_row_number_that_comes_twice_is_refused_with_both_places(refused, write):
    refused(write("prompt,row\na,4\nb,5\nc,4\n"), "row 2 (line 4)", "found 4 again, as in row 0")


def test_the_same_text_and_seed_may_come_twice(write):
    assert len(i2p.load_prompts(path=write("prompt,sd_seed\na,4\na,4\n"))) == 2


@pytest.mark.parametrize(("name", "text"), [("p.csv", ""), ("p.csv", "prompt\n"), ("p.jsonl", "\n"), ("p.txt", " \n")])
def test_a_file_without_prompts_is_refused(refused, write, name, text):
    refused(write(text, name), "at least one prompt")
