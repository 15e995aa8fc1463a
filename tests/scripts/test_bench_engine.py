"""The bench of the engine runs by its one command and writes its table."""

from pathlib import Path

import in_process
import pytest

pytestmark = pytest.mark.long
BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench_engine.py"


def cells(text: str) -> dict[str, dict[str, str]]:
    """The table's rows by their name, each by its headers."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[1:]}


def test_the_references_and_our_rows_draw_judge_and_store_the_same_images(tmp_path):
    out = tmp_path / "table.md"
    words = ["--device", "cpu", "--out", out, "--threads", "1", "--rounds", "1"]
    words += ["--batch", "2", "--images", "2", "--steps", "9", "--no-compile"]
    done = in_process.run(BENCH, *words, "--rows", "R2", "unshared", "shared", "reuse")
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    rows = cells(text)
    assert "has not been run on a GPU" in text
    evaluations = {name: row["evaluations per five"] for name, row in rows.items()}
    naive, shared = "ours, nothing shared, batch 2", "+ trajectories and states shared"
    assert (evaluations["R2: diffusers, ten images per prompt"], evaluations[naive]) == ("126", "126")
    # All together; then max on its own; in the last call strong too, and who has not acted by then needs no concept.
    assert evaluations[shared] == str(3 + 7 * (3 + 3) + (2 + 3 + 3))
    assert int(evaluations["+ reuse 2"]) < 53
    assert rows["+ reuse 2"]["kind"] == "lossy"
    # Two images of one prompt under five methods; the arithmetic is the same but for rounding.
    same, of = rows[shared]["labels as R2's"].split(" of ")
    assert int(of) == 10
    assert int(same) >= 9
