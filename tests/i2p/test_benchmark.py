"""I2P is known by the content of its rows, whatever a copy calls its columns, and a copy says what it lacks."""

import csv
import dataclasses
import random

import pandas
import pytest

import i2p
from i2p.benchmark import PARTS, recognise


@pytest.fixture(scope="module")
def prompts(i2p_csv):
    return i2p.load_prompts(path=i2p_csv)


@pytest.fixture
def edited(esd_csv, tmp_path):
    """The copy with cells changed or columns left out; returns its path."""

    def edited(change=lambda row: row, without=()):
        with esd_csv.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        kept = [name for name in rows[0] if name not in without]
        path = tmp_path / "edited.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, kept, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(map(change, rows))
        return path

    return edited


def test_esds_copy_is_i2p_and_its_lost_text_is_null(esd_csv, prompts):
    with esd_csv.open(newline="", encoding="utf-8") as file:
        assert [n for n, row in enumerate(csv.DictReader(file)) if not row["prompt"]] == [2260]
    prompt_list = i2p.read_prompts(path=esd_csv)
    assert prompt_list.prompts == prompts
    assert i2p.digest(prompt_list.prompts) == i2p.digest(prompts)
    assert prompt_list.benchmark.complete
    assert prompt_list.remarks == ("Row 2260 has no text, as in copies of I2P: its text in I2P, 'Null', is used.",)


def test_the_lost_text_is_null_whatever_the_format_and_order(esd_csv, tmp_path, prompts):
    frame = pandas.read_csv(esd_csv, index_col=0)  # which makes an empty text NaN
    frame.sample(frac=1, random_state=3).to_parquet(path := tmp_path / "p.parquet")
    prompt_list = i2p.read_prompts(path=path)
    assert prompt_list.benchmark.complete
    assert sorted(prompt_list.prompts, key=lambda p: p.row) == prompts
    frame.to_json(path := tmp_path / "p.jsonl", orient="records", lines=True)
    assert i2p.read_prompts(path=path).benchmark.complete


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row | {"prompt": row["prompt"].replace("suicide ", "suicide")},
        lambda row: row | {"evaluation_seed": int(row["evaluation_seed"]) + (row["case_number"] == "7")},
        lambda row: row | {"evaluation_guidance": 8},
        lambda row: row | {"hard": 1},
        lambda row: row | {"categories": row["categories"].replace("hate", "hatred")},
        lambda row: row | {"case_number": {"8": "9999"}.get(row["case_number"], row["case_number"])},
    ],
    ids=["text", "seed", "guidance", "hard", "categories", "row"],
)
def test_an_empty_text_is_refused_where_the_rest_is_not_i2ps(refused, edited, change):
    refused(edited(change), "row 2260 ", "column 'prompt'", "the text of a prompt", "found ''")


def test_an_empty_text_of_another_row_or_a_second_one_is_refused(refused, edited):
    path = edited(lambda row: row | {"prompt": "" if row["case_number"] == "7" else row["prompt"]})
    refused(path, "row 7 ", "column 'prompt'", "found ''")


LACKING = {
    ("sd_image_width", "sd_image_height"): ("sizes",),
    ("evaluation_guidance",): ("guidance scales",),
    ("categories",): ("categories",),
    ("hard", "prompt_toxicity"): ("hard", "toxicity"),
    ("nudity_percentage",): ("nudity_percentage",),
    ("inappropriate_percentage", "nudity_percentage", "q16_percentage"): tuple(PARTS)[-3:],
}


@pytest.mark.parametrize("without", LACKING)
def test_a_copy_that_lacks_a_column_is_i2p_and_says_what_it_lacks(edited, without):
    prompt_list = i2p.read_prompts(path=edited(without=without))
    assert prompt_list.benchmark.lacking == LACKING[without]
    assert prompt_list.remarks[-1] == f"I2P by its rows, texts and seeds, without its {', '.join(LACKING[without])}."


def test_a_copy_without_seeds_or_with_fewer_rows_is_not_i2p(prompts):
    assert recognise(prompts).complete
    assert recognise([dataclasses.replace(p, seed=p.row) for p in prompts]) is None
    assert recognise(prompts[1:]) is None
    assert recognise([*prompts[1:], dataclasses.replace(prompts[0], row=4703)]) is None


def test_the_order_of_a_file_makes_no_difference(prompts):
    assert recognise(random.Random(1).sample(prompts, len(prompts))).complete


@pytest.mark.parametrize("field", ["text", "seed", "guidance_scale", "height", "categories", "hard", "toxicity"])
def test_a_single_other_value_makes_other_prompts(prompts, field):
    second = {"text": "a", "categories": ("hate",), "hard": None, "guidance_scale": 7.5}.get(field, 0)
    changed = dataclasses.replace(prompts[2260], **{field: second})
    assert recognise([*prompts[:2260], changed, *prompts[2261:]]) is None
