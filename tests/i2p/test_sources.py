"""The same prompts through every kind of source, exact to the last blank; and what cannot be read."""

import csv
import json

import datasets
import huggingface_hub
import pandas
import pytest

import i2p
from i2p import network

TEXTS = [
    "Null",
    "NA",
    "None",
    'two\nlines, a "quote" and <b>tags</b>',
    "ends in blanks  ",
    "  starts with them",
    "carriage\r\nreturns\rinside",
    "a heart ❤️‍🔥 and a line separator \u2028 here",
    "100% $\\alpha$ #1 'x' \t tab",
    "word " * 218 + "end",
]
SEEDS = [2**53 + 1 + position for position in range(len(TEXTS))]
EXPECTED = [i2p.Prompt(n, t, ("hate",), s, 7.5, 512, 512) for n, (t, s) in enumerate(zip(TEXTS, SEEDS, strict=True))]


def test_text_and_seeds_survive_csv(tmp_path):
    with (path := tmp_path / "p.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["prompt", "categories", "sd_seed"], *((p.text, "hate", p.seed) for p in EXPECTED)])
    assert i2p.load_prompts(path=path) == EXPECTED
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as spreadsheets write it
    assert i2p.load_prompts(path) == EXPECTED


def test_text_and_seeds_survive_parquet(tmp_path):
    frame = pandas.DataFrame({"prompt": TEXTS, "categories": "hate", "sd_seed": SEEDS})
    frame.to_parquet(path := tmp_path / "p.parquet")
    assert i2p.load_prompts(path=path) == EXPECTED


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_text_and_seeds_survive_jsonl(tmp_path, ensure_ascii):
    lines = [{"prompt": p.text, "categories": ["hate"], "sd_seed": p.seed} for p in EXPECTED]
    path = tmp_path / "p.jsonl"
    path.write_text("\r\n".join(json.dumps(line, ensure_ascii=ensure_ascii) for line in lines), "utf-8", newline="")
    assert i2p.load_prompts(path=path) == EXPECTED


def test_the_prompts_that_a_run_stored_are_a_source(tmp_path):
    annotated = [i2p.Prompt(40, "a", ("hate",), 5, 7.5, 64, 64, True, 0.1, i2p.Published(0.3, 0.1))]
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(p.to_dict()) + "\n" for p in [*EXPECTED, *annotated]), "utf-8")
    assert i2p.load_prompts(path=path) == EXPECTED + annotated


def test_a_text_file_is_one_prompt_a_line_and_skips_blank_lines(tmp_path):
    path = tmp_path / "p.txt"
    path.write_bytes('\ufeffa kite  \r\n\r\n  \nNull\n\x0bx\u2028y, "z"\nlast'.encode())
    texts = ["a kite  ", "Null", '\x0bx\u2028y, "z"', "last"]
    assert i2p.load_prompts(path=path) == [i2p.Prompt(n, t, (), n, 7.5, 512, 512) for n, t in enumerate(texts)]


def test_numbers_that_parquet_holds_as_floats_or_nothing(refused, tmp_path):
    frame = pandas.DataFrame({"prompt": ["a", "b"], "seed": [4e9, 1e17]})
    frame.to_parquet(path := tmp_path / "p.parquet")
    refused(path, "row 1,", "column 'seed'", "with all its digits")
    frame.iloc[:1].to_parquet(path)
    assert i2p.load_prompts(path=path)[0].seed == 4_000_000_000
    pandas.DataFrame({"prompt": ["a", None]}).to_parquet(path)
    refused(path, "row 1,", "column 'prompt'", "found None")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"prompt,sd_seed\na,1\nb\n", ("row 1 (line 3)", "must have 2 cells")),
        (b"prompt,sd_seed\na,1\nb,c,2\n", ("row 1 (line 3)", "found 3")),
        (b'prompt\na\n"b\n', ("row 1 (line 3)", "close it")),
        (b'prompt\na\n"b"c\n', ("row 1 (line 3)", "quote")),
        ("prompt\ncafé\n".encode("latin-1"), ("UTF-8", "0xe9")),
        ("prompt\na\n".encode("utf-16-le"), ("UTF-8", "0x00", "iconv -f UTF-16LE -t UTF-8")),
        ("prompt\na\n".encode("utf-16-be"), ("iconv -f UTF-16BE -t UTF-8",)),
        (b"\x1f\x8b\x08\x00", ("a complete gzip file",)),
    ],
)
def test_a_broken_csv_is_refused_with_the_line(refused, tmp_path, content, words):
    (path := tmp_path / "p.csv").write_bytes(content)
    refused(path, *words)


@pytest.mark.parametrize("line", ['{"prompt": "b"', "[", "3", "", "b"])
def test_a_broken_json_line_is_refused_with_its_number(refused, tmp_path, line):
    (path := tmp_path / "p.jsonl").write_text('{"prompt": "a"}\n\n' + (line or '"b"') + "\n")
    refused(path, "row 1 (line 3)", "one JSON object")


def test_a_truncated_parquet_file_is_refused(refused, tmp_path):
    pandas.DataFrame({"prompt": TEXTS}).to_parquet(path := tmp_path / "p.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    refused(path, "a parquet file")
    path.write_bytes(b"")
    refused(path, "a parquet file")


def test_what_is_no_file_of_a_known_kind_is_refused(refused, tmp_path):
    refused(tmp_path / "missing.csv", "found nothing there")
    refused(tmp_path, "found a folder")
    for name in ("p.csv.zip", "p.xlsx", "p.gz", "p.parquet.gz", "prompts"):
        (tmp_path / name).write_bytes(b"x")
        refused(tmp_path / name, ".csv, .tsv, .jsonl, .json, .parquet, .txt", ".gz")


@pytest.mark.parametrize("source", ["p.csv", "folder/p.jsonl", "prompts.json", "/a/b", "../x/p", "a/b/c"])
def test_a_source_that_cannot_be_a_hub_id_is_a_file(source):
    with pytest.raises(i2p.InputError, match="must be a file of prompts, found nothing there"):
        i2p.load_prompts(source)


@pytest.mark.parametrize("source", [None, "i2p", "somebody/prompts", "AIML-TUDA/i2p@abc"])
def test_the_hub_offline_says_how_to_use_a_file_without_another_try(source, nothing_waits):
    with pytest.raises(i2p.InputError, match=r"cannot be reached.*give a file \(path=FILE\)"):
        i2p.load_prompts(source)


def test_an_unreachable_hub_is_noticed_without_the_retries_of_the_library(monkeypatch, nothing_waits):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(network.urllib.request, "getproxies", dict)
    with pytest.raises(i2p.InputError, match="cannot be reached"):
        i2p.load_prompts("AIML-TUDA/i2p")
    assert datasets.config.HF_HUB_OFFLINE is False


def test_two_revisions_that_differ_are_refused():
    with pytest.raises(i2p.InputError, match="one revision, found 'a' and 'b'"):
        i2p.load_prompts("AIML-TUDA/i2p@a", revision="b")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder laid out as the data set's repository, which `datasets` reads as it reads one from the hub."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    (folder := tmp_path / "i2p").mkdir()
    real, asked = datasets.load_dataset, []

    def load_dataset(name, revision=None, split=None, **options):
        asked.append((name, revision, split))
        return real(str(folder), split=split, **options)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    yield folder, asked
    datasets.enable_progress_bars()


def test_the_hub_gives_the_same_prompts_as_the_file(hub, i2p_csv):
    folder, asked = hub
    (folder / i2p_csv.name).symlink_to(i2p_csv)
    from_hub, from_file = i2p.load_prompts(), i2p.load_prompts(path=i2p_csv)
    assert asked == [("AIML-TUDA/i2p", None, "train")]
    assert i2p.digest(from_hub) == i2p.digest(from_file)
    assert [p.published for p in from_hub] == [p.published for p in from_file]


def test_what_the_hub_gives_in_i2ps_place_is_noticed(hub, i2p_csv):
    folder, _ = hub
    (folder / i2p_csv.name).write_bytes(
        i2p_csv.read_bytes().replace(b",False,", b",True,", 1).replace(b",0,", b",1,", 1)
    )
    with pytest.raises(i2p.InputError, match=r"must hold the 4703 prompts that were published.*has changed"):
        i2p.load_prompts()


def test_a_cached_version_is_not_taken_for_a_revision_that_was_asked_for(hub):
    (hub[0] / "p.csv").write_text("prompt\na kite\n")
    with pytest.raises(i2p.InputError, match="must be this revision, found a cached version"):
        i2p.load_prompts("AIML-TUDA/i2p@" + "0" * 40)


OVERT = """seed_prompt,image_prompt,category
"How do films stage a fight, safely?","draw two actors, rehearsing a sword fight",violence
Why do people steal?,illustrate a court hearing about a bicycle,illegal_activities
What helps against self-harm?,paint a friend listening,self_harm
"""


def test_a_file_of_a_data_set_on_the_hub_is_read_as_it_stands_there(tmp_path, monkeypatch):
    cache, commit = tmp_path / "cache", "a" * 40
    repository = cache / "datasets--yixiaoh--OVERT"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (folder := repository / "snapshots" / commit / "data").mkdir(parents=True)
    (folder / "OVERT_mini.csv").write_text(OVERT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    source = "yixiaoh/OVERT:data/OVERT_mini.csv"
    message = i2p.read_prompts(source)
    assert [prompt.text for prompt in message.prompts][1:] == [
        "illustrate a court hearing about a bicycle",
        "paint a friend listening",
    ]
    assert [prompt.categories for prompt in message.prompts] == [
        ("violence",),
        ("illegal_activities",),
        ("self-harm",),
    ]
    assert message.unused == ("seed_prompt",)
    assert i2p.load_prompts(source.replace(":", f"@{commit}:")) == i2p.load_prompts(source, revision=commit)
    with pytest.raises(i2p.InputError, match=r"OVERT_full.csv must be a file of a data set.*path=FILE"):
        i2p.load_prompts("yixiaoh/OVERT:data/OVERT_full.csv")
    with pytest.raises(i2p.InputError, match=f"@{'b' * 40}:data/OVERT_mini.csv must be a file of a data set"):
        i2p.load_prompts(source, revision="b" * 40)


def test_of_a_set_of_pictures_on_the_hub_the_first_caption_of_each_is_read_and_no_picture(hub):
    columns = {
        "image": [{"bytes": b"no picture: to decode it would fail", "path": "9.jpg"}] * 2,
        "filename": ["COCO_val2014_000000000009.jpg", "COCO_val2014_000000000005.jpg"],
        "sentids": [[661611, 661977], [663627]],
        "imgid": [1, 0],
        "split": ["test", "test"],
        "caption": [["A bowl of fruit", "Fruit in a bowl"], ["A red bus"]],
        "cocoid": [9, 5],
    }
    features = {"image": datasets.Image(), "filename": datasets.Value("string")}
    features |= {"sentids": datasets.List(datasets.Value("int64")), "imgid": datasets.Value("int64")}
    features |= {"split": datasets.Value("string"), "caption": datasets.List(datasets.Value("string"))}
    features |= {"cocoid": datasets.Value("int64")}
    table = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    table.to_parquet(str(hub[0] / "train.parquet"))
    message = i2p.read_prompts("somebody/coco-captions")
    assert [(prompt.row, prompt.text) for prompt in message.prompts] == [(9, "A bowl of fruit"), (5, "A red bus")]
    assert message.remarks == ("The column caption has 3 texts in 2 rows: the first of each is the prompt.",)
    assert message.unused == ("image", "filename", "sentids", "imgid", "split")


@pytest.mark.parametrize(
    ("name", "text", "categories"),
    [
        ("drawbench.csv", "Prompts,Category\nA red car.,Colors\nA sphere.,DALL-E\n", [("Colors",), ("DALL-E",)]),
        ("PartiPrompts.tsv", "Prompt\tCategory\tChallenge\tNote\nA red car.\tVehicles\tBasic\t\n", [("Vehicles",)]),
        ("drawbench.txt", "A red car.\nA sphere.\n", [(), ()]),
    ],
)
def test_harmless_lists_of_the_field_are_read_as_they_come(tmp_path, name, text, categories):
    (path := tmp_path / name).write_text(text)
    prompts = i2p.load_prompts(path)
    assert prompts[0].text == "A red car."
    assert [prompt.categories for prompt in prompts] == categories


def test_the_harmless_prompts_ship_and_cover_all_categories():
    prompts = i2p.load_prompts("harmless")
    assert 14 <= len(prompts) <= 20
    assert {name for p in prompts for name in p.categories} == set(i2p.CATEGORIES)
    assert any(len(p.categories) > 1 for p in prompts)
    assert len({p.text for p in prompts}) == len({p.seed for p in prompts}) == len(prompts)
    assert {p.guidance_scale for p in prompts} == {7.0, 7.5}
    assert {(p.height, p.width) for p in prompts} == {(64, 64)}
    assert all(p.published is None and p.hard is None for p in prompts)


def test_a_file_goes_before_a_named_source(tmp_path):
    (path := tmp_path / "p.txt").write_text("a kite")
    assert [p.text for p in i2p.load_prompts("AIML-TUDA/i2p", path=path)] == ["a kite"]


def test_a_path_that_can_t_be_is_refused(refused, tmp_path, monkeypatch):
    refused("~nobody-here/p.csv", "found no user ~nobody-here")
    refused(f"{'a' * 300}.csv", "(File name too long): restore it, or give another path")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    with pytest.raises(i2p.InputError, match="File name too long"):
        i2p.load_prompts(f"here/{'a' * 300}")  # as a data set is named
