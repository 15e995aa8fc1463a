"""Prompts that lie beside pictures made elsewhere, as GenEval leaves them. No picture is opened."""

import json
import os

import pytest

import i2p
from eval.base.errors import InputError
from eval.folder.open import open_folder

PROMPTS = i2p.load_prompts("demo")[:4]


def write(root, texts: dict):
    """GenEval's folders of four rows, with these as metadata.jsonl, by row: a text is the prompt, bytes the file."""
    for row in range(4):
        folder = root / f"{row:05}"
        (folder / "samples").mkdir(parents=True)
        for image in range(2):
            (folder / "samples" / f"{image:04}.png").touch()
        if row in texts:
            content = texts[row]
            whole = content if isinstance(content, bytes) else json.dumps({"tag": "x", "prompt": content}).encode()
            (folder / "metadata.jsonl").write_bytes(whole)


def opened(root, selected=PROMPTS):
    return open_folder(str(root), "auto", None, None, PROMPTS, selected)


def test_another_prompt_is_refused_with_how_many_and_the_first(tmp_path):
    write(tmp_path, {0: PROMPTS[0].text, 1: "a part of it", 3: PROMPTS[0].text})
    with pytest.raises(InputError) as caught:
        opened(tmp_path)
    for words in ("2 of 4 folders", "00001/metadata.jsonl row 1 is 'a part of it'", repr(PROMPTS[1].text)[:60]):
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", [str.upper, lambda text: text[:-1], lambda text: text.replace(" ", "  ", 1)])
def test_only_blanks_around_a_prompt_may_differ(tmp_path, change):
    write(tmp_path / "same", {row: f" {PROMPTS[row].text}\n" for row in range(4)})
    assert opened(tmp_path / "same").notes == ()
    write(tmp_path / "other", {0: change(PROMPTS[0].text)})
    with pytest.raises(InputError, match=r"1 of 4 folders"):
        opened(tmp_path / "other")


def test_a_blank_at_the_end_that_a_script_stripped_is_no_other_prompt(tmp_path):
    """3162 of I2P's prompts end so."""
    prompts = [i2p.Prompt(row, f"words {row} ", ("hate",), 0, 7.5, 512, 512) for row in range(4)]
    write(tmp_path, {row: f"words {row}" for row in range(4)})
    assert open_folder(str(tmp_path), "geneval", None, None, prompts, prompts).notes == ()


def test_only_the_folders_of_selected_rows_are_looked_into(tmp_path):
    write(tmp_path, {0: PROMPTS[0].text, 3: "another"})
    (tmp_path / "00009").mkdir()
    (tmp_path / "00009" / "metadata.jsonl").write_text('{"prompt": "of a row without pictures"}')
    assert len(opened(tmp_path, PROMPTS[:3]).pictures) == 6
    with pytest.raises(InputError, match="row 3 is 'another'"):
        opened(tmp_path)


def test_two_folders_of_one_row_are_both_looked_into(tmp_path):
    write(tmp_path, {0: PROMPTS[0].text})
    (tmp_path / "0" / "samples").mkdir(parents=True)
    (tmp_path / "0" / "samples" / "2.png").touch()
    (tmp_path / "0" / "metadata.jsonl").write_text('{"prompt": "another"}')
    with pytest.raises(InputError, match=r"1 of 5 folders \(in 0/metadata.jsonl"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"prompt": "cut',
        b'{"tag": "x"}',
        b'{"prompt": 7}',
        b'{"prompt": null}',
        b"[1]",
        b'"prompt"',
        b"null",
        b'{"prompt": "\xff"}',
        b'{"prompt": "a"}\n{"prompt": "b"}',
        b"[" * 100_000,
    ],
)
def test_a_file_without_a_prompt_is_said_and_its_pictures_are_judged(tmp_path, content, caplog):
    write(tmp_path, {1: content, 2: PROMPTS[2].text})
    folder = opened(tmp_path)
    said = "GenEval's metadata.jsonl without a readable prompt, not compared: 1 (00001/metadata.jsonl)."
    assert folder.notes == (said,)
    assert said in caplog.text
    assert len(folder.pictures) == 8


def test_neither_a_link_out_of_the_folder_nor_a_pipe_is_read(tmp_path):
    write(tmp_path / "made", {})
    (tmp_path / "secret.json").write_text('{"prompt": "secret"}')
    (tmp_path / "made" / "00000" / "metadata.jsonl").symlink_to(tmp_path / "secret.json")
    os.mkfifo(tmp_path / "made" / "00001" / "metadata.jsonl")
    (tmp_path / "made" / "00002" / "metadata.jsonl").mkdir()
    (note,) = opened(tmp_path / "made").notes
    assert "not compared: 3 (00000/metadata.jsonl, 00001/metadata.jsonl, 00002/metadata.jsonl)" in note
