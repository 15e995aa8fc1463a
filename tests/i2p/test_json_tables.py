"""Lists of prompts in JSON, in the forms in which data sets come."""

import gzip
import json

import pandas
import pytest

import i2p

TEXTS, SEEDS = ["a fox", "NA", "two\nlines"], [7, 8, 9]
ROWS = [{"prompt": text, "seed": seed} for text, seed in zip(TEXTS, SEEDS, strict=True)]
FRAME = pandas.DataFrame(ROWS)


def read(path, value) -> i2p.PromptList:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return i2p.read_prompts(path=path)


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        json.dumps(ROWS, indent=2),
        {"version": 1, "data": ROWS, "authors": ["x"], "splits": [{"name": "test"}]},
        FRAME.to_json(orient="records"),
        FRAME.to_json(orient="table"),
        FRAME.to_json(orient="records", lines=True),
    ],
    ids=["list", "indented", "in an object", "records", "table", "lines"],
)
def test_each_form_gives_the_same_prompts(tmp_path, value):
    prompts = read(tmp_path / "list.json", value).prompts
    assert [(prompt.text, prompt.seed) for prompt in prompts] == list(zip(TEXTS, SEEDS, strict=True))


def test_texts_alone_are_prompts(tmp_path):
    assert [prompt.text for prompt in read(tmp_path / "a.json", TEXTS).prompts] == TEXTS
    assert [prompt.text for prompt in read(tmp_path / "b.json", {"prompt": "one"}).prompts] == ["one"]


def test_a_packed_file_is_read_too(tmp_path):
    (tmp_path / "list.json.gz").write_bytes(gzip.compress(json.dumps(ROWS).encode()))
    assert [prompt.text for prompt in i2p.read_prompts(path=tmp_path / "list.json.gz").prompts] == TEXTS


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("pictures", [[9, 5, 5, 7, 9], [9, 5, 7]])
def test_of_cocos_captions_one_a_picture_is_the_prompt_and_the_picture_is_the_row(tmp_path, pictures, wrapped):
    captions = [{"image_id": p, "id": 39 - n, "caption": f"text {39 - n}"} for n, p in enumerate(pictures)]
    info = {"description": "COCO 2017 Dataset", "url": "http://cocodataset.org", "version": "1.0", "year": 2017}
    images = [{"license": 4, "file_name": f"{p:012}.jpg", "height": 427, "width": 640, "id": p} for p in set(pictures)]
    full = {"info": info, "images": images, "licenses": [{"id": 4, "name": "x"}], "annotations": captions}
    message = read(tmp_path / "captions_val2017.json", full if wrapped else captions)
    several = len(pictures) == 5
    expected = {9: 35, 5: 37, 7: 36} if several else {9: 39, 5: 38, 7: 37}  # the lowest id of each picture
    assert {prompt.row: prompt.text for prompt in message.prompts} == {p: f"text {n}" for p, n in expected.items()}
    assert message.unused == ()
    sentence = "COCO's 5 captions are of 3 pictures: the first of each, by `id`, is the prompt."
    assert message.remarks == ((sentence,) if several else ())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1, "b": 2}, "found an object with 'a', 'b': rewrite the file"),
        ({"one": ROWS, "two": ROWS}, "found an object with 'one', 'two': rewrite the file"),
        ({"prompt": TEXTS, "seed": SEEDS}, "found an object with 'prompt', 'seed': rewrite the file"),
        (FRAME.to_json(), r"rewrite the file \(pandas: to_json\(FILE, orient='records'\)\)"),
        ([1, 2], "found a list of other things: rewrite the file"),
        (3, "found a number: rewrite the file"),
        ("{", r"must be JSON, found something else \(.*\): correct"),
        ('[{"prompt": "a", "prompt": "b"}]', r"found something else \(it has 'prompt' twice\): correct"),
        ('{"seed": 1, "prompt": "a", "seed": 2}\n{"prompt": "b"}', r"\(it has 'seed' twice\): correct the line"),
        ([], "must hold at least one prompt"),
        ([{"x": 1}], "must have a column 'prompt'"),
        ([{"prompt": "a"}, {"prompt": 3}], "row 1, column 'prompt' must be the text of a prompt, found 3"),
    ],
)
def test_what_holds_no_prompts_is_refused_with_the_form_that_is_read(tmp_path, value, message):
    with pytest.raises(i2p.InputError, match=message):
        read(tmp_path / "list.json", value)
    assert read(tmp_path / "told.json", [{"prompt": "a fox"}]).prompts  # as the sentence says
