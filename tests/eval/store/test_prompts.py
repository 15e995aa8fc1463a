"""Where a run has lost its prompts or scores, the command that is said to bring them back does so, typed as printed."""

import json
import re
import shlex
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eval.compare.__main__ import main as compare
from eval.report.__main__ import main as report
from eval.run import main as run
from eval.status import main as status

WORDS = ["prompts.rows=[0,1]", "protocol.steps=1", "methods=[baseline]", "judges=[q16]", "images=none", "sheet=false"]
DAMAGES = {
    "gone": lambda path: path.unlink(),
    "cut": lambda path: path.write_text(path.read_text().splitlines(keepends=True)[0]),
    "torn": lambda path: path.write_text(path.read_text()[:-20]),
    "of other fields": lambda path: path.write_text('{"x": 1}\n'),
    "no objects": lambda path: path.write_text("3\n"),
    "another text": lambda path: path.write_text(
        json.dumps(json.loads(path.read_text().splitlines()[0]) | {"text": "b"})
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, call):
    folder = tmp_path_factory.mktemp("run")
    assert call(run, *WORDS, f"out={folder}/run") == 0
    return folder / "run"


@pytest.fixture
def moved(whole, tmp_path):
    """A copy of the run, where the shell would take a path apart."""
    return shutil.copytree(whole, tmp_path / "a $run's")


def printed(err: str, what: str) -> list[str]:
    """The words behind the program's name of the command that a sentence ends with."""
    command = re.search(rf"(?<=: ).* run (.*) {what}$", err.strip().splitlines()[-1])[1]
    return shlex.split(command)


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_every_command_says_to_restore_the_prompts_restores_them(moved, whole, call, capsys, damage):
    before = (moved / "prompts.jsonl").read_bytes()
    DAMAGES[damage](moved / "prompts.jsonl")
    sentences = []
    for command, *runs in ((report, moved), (status, moved), (compare, moved, whole)):
        capsys.readouterr()
        assert call(command, *runs) == 2
        sentences.append(printed(capsys.readouterr().err, "restores it"))
    words = sentences[0]
    assert sentences == [words] * 3
    assert call(run, *words) == 0
    assert (moved / "prompts.jsonl").read_bytes() == before
    for command in (report, status):  # compare takes no run and itself
        assert call(command, moved) == 0


def test_what_is_said_to_make_scores_makes_them(moved, call, capsys):
    shutil.rmtree(moved / "scores")
    assert call(report, moved) == 2
    assert call(run, *printed(capsys.readouterr().err, "makes them")) == 0
    assert call(report, moved) == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [("row", 99), ("method", "sld_max"), ("image", 10), ("image", -1), ("state", "fine"), ("state", None)],
)
def test_a_score_that_no_number_could_count_is_refused(moved, call, capsys, column, value):
    (path,) = (moved / "scores").glob("*.parquet")
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[-1][column] = value
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    assert call(report, f"{moved}") == 2
    found = {name: rows[-1][name] for name in ("method", "row", "image", "state")}
    place = "the first {method} row {row} image {image} in state {state}: its score part".format(**found)
    assert f"found 1 otherwise, {place}" in capsys.readouterr().err
    path.unlink()  # as is said
    assert call(run, *WORDS, f"out={moved}") == 0
