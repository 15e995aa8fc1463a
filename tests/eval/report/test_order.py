"""A report says the same whichever shard was made first."""

import re

import in_process
import pytest

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
