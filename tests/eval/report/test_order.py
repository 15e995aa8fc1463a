"""A report says the same whichever shard was made first."""

import re
from itertools import product

import in_process
import pyarrow.parquet as pq
import pytest

from eval.store.rundir import RunDir
from eval.store.scores import keyed
from eval.store.stored_run import read_run

WORDS = (
    *("prompts.rows=0-3", "protocol.steps=1", "methods=[baseline,sld_max]", "judges=[q16]", "shard.count=2", "out=run"),
    *("report.images=true", "quality.metrics=[clip_score,clip_distance]"),
)
SUFFIXES = (".csv", ".json", ".md", ".tex", ".bib")
OWN = re.compile(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00|shard\.index=\d")  # of the first process


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The files of a report as text, of a run whose shards were made in either order."""
    made = []
    for order in ((0, 1), (1, 0)):
        folder = tmp_path_factory.mktemp("order")
        codes = [in_process.run("eval.run", *WORDS, f"shard.index={index}", cwd=folder).returncode for index in order]
        assert codes == [0, 0]
        report = folder / "run" / "report"
        texts = {path.name: path.read_bytes().decode() for path in report.iterdir() if path.suffix in SUFFIXES}
        made.append({name: OWN.sub("", text) for name, text in texts.items()})
    return made


def test_a_report_is_the_same_whichever_shard_was_made_first(reports):
    one, other = reports
    assert {"images.csv", "results.csv", "results.json", "results.md"} <= one.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_scores_are_read_by_method_row_and_image_in_whatever_order_a_part_has_them(tmp_path):
    words = ["prompts.rows=0-2", "protocol.steps=1", "protocol.images_per_prompt=2", "methods=[sld_max,baseline]"]
    run = tmp_path / "run"
    assert in_process.run("eval.run", *words, "judges=[q16]", "images=none", f"out={run}").returncode == 0
    scores = read_run(RunDir(run)).scores
    for part in (run / "scores").glob("*.parquet"):
        table = pq.read_table(part)
        pq.write_table(table.take(list(reversed(range(table.num_rows)))), part)
    again = read_run(RunDir(run)).scores
    assert [key for (key,) in keyed(again)] == list(product(["sld_max", "baseline"], range(3), range(2)))
    assert again.equals(scores)
