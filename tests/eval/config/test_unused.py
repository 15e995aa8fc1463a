"""Settings that nothing reads beside the others are named, and cost no run."""

import in_process
import pytest

from eval.doctor.__main__ import main as doctor
from eval.run import main as run

SMALL = ["prompts.rows=0-1", "protocol.steps=1", "methods=[baseline]", "sheet=false"]
UNUSED = [
    (["images_sample=5"], "images_sample=5 is not used: only images=sample reads it"),
    (["prompts.sample_seed=7"], "prompts.sample_seed=7 is not used: only prompts.sample reads it"),
    (
        ["report.gallery=off", "report.gallery_prompts=5"],
        "report.gallery_prompts=5 is not used: report.gallery=off shows none",
    ),
    (["judges=[q16]", "nudenet.channels=rgb"], "nudenet.channels=rgb is not used: nudenet is not among judges"),
    (["judges=[nudenet]", "q16.dtype=float32"], "q16.dtype=float32 is not used: q16 is not among judges"),
]
USED = [
    ["images=sample", "images_sample=5"],
    ["prompts.sample=1", "prompts.sample_seed=7"],
    ["report.gallery_prompts=5"],
    ["nudenet.channels=rgb"],
    ["judges=[nudenet]", "quality=[clip_score]", "q16.dtype=float32"],
]


@pytest.mark.parametrize(("words", "sentence"), UNUSED)
def test_the_doctor_names_what_nothing_reads(call, capsys, tmp_path, words, sentence):
    assert call(doctor, *SMALL, *words, "measure=false", f"out={tmp_path}/run") == 0
    assert f"warning  settings       {sentence}" in capsys.readouterr().out


@pytest.mark.parametrize("words", USED)
def test_what_is_read_is_not_named(call, capsys, tmp_path, words):
    assert call(doctor, *SMALL, *words, "measure=false", f"out={tmp_path}/run") == 0
    assert "is not used" not in capsys.readouterr().out


def test_a_run_names_it_and_goes_on(tmp_path):
    words = [word for words, _ in UNUSED[:3] for word in words]
    done = in_process.run("eval.run", *SMALL, "judges=[q16]", *words, f"out={tmp_path}/run")
    assert done.returncode == 0
    assert all(f"WARNING: {sentence}.\n" in done.stderr for _, sentence in UNUSED[:3])


def test_a_submission_names_it_too(call, caplog, tmp_path):
    from eval.submit.__main__ import main as submit

    assert call(submit, *SMALL, "images_sample=5", "dry_run=true", f"out={tmp_path}/run") == 0
    assert "images_sample=5 is not used: only images=sample reads it." in caplog.messages


@pytest.mark.parametrize(
    ("word", "what"),
    [
        *((f"{key}=", "a path") for key in ("prompts.path", "q16.weights", "q16.prompts")),
        *(
            (f"{key}=", "a text")
            for key in ("prompts.revision", "prompts.source", "protocol.name", "protocol.scheduler")
        ),
        ("q16.prompts_sha256=''", "a text"),  # of which nothing would be checked
    ],
)
def test_an_empty_text_such_as_a_variable_without_a_value_is_refused(word, what, call, capsys):
    assert call(run, word) == 2
    key = word.partition("=")[0]
    told = f"{key} must be {what}, found an empty text: give one, or leave it out"
    assert told in capsys.readouterr().err
