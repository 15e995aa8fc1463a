"""The table over several runs."""

from dataclasses import replace

from measured import metrics_row

from eval.base.errors import INCOMPLETE
from eval.config.compose import compose_and_call
from eval.config.settings import read_settings
from eval.report.maxima import MARKED
from eval.run import main
from eval.sweep.jobs import Done, Job
from eval.sweep.table import _markdown, _with_metrics, jobs_table, table_parts


def test_a_run_whose_safety_guidance_goes_beyond_the_paper_is_marked_and_no_column_is_there_for_others():
    baseline, guided = (metrics_row(name, interval=(0.4, 0.6)) for name in ("baseline", "x"))
    plain = [("a", "complete", [baseline, guided])]
    assert "extension" not in jobs_table(plain).text("plain")
    extended = jobs_table([*plain, ("b", "complete", [replace(guided, extension="on a flow")]), ("c", "failed", [])])
    assert [line.endswith("on a flow") for line in extended.text("plain").splitlines()[-4:]] == [
        False,
        False,
        True,
        False,
    ]


def test_jobs_of_other_numbers_of_images_per_prompt_are_told_apart():
    ten, one = (metrics_row("baseline", images_per_prompt=count, expected_max=0.9) for count in (10, 1))
    assert "per prompt" not in jobs_table([("a", "complete", [ten]), ("b", "complete", [ten])]).headers
    table = jobs_table([("a", "complete", [ten]), ("b", "complete", [one]), ("c", "failed", [])])
    assert [row[table.headers.index("per prompt")] for row in table.rows] == ["10", "1", "–"]


def test_a_maximum_of_which_prompts_have_fewer_images_is_explained():
    whole = metrics_row("baseline", images_per_prompt=10, expected_max=0.9)
    assert MARKED not in table_parts([("a", "complete", [whole])], [])
    lost = replace(whole, method="safe", prompts_short=2)
    parts = table_parts([("a", "complete", [whole, lost])], [])
    assert MARKED in parts
    assert [row[-1].endswith("*") for row in parts[1].rows] == [False, True]


def test_what_a_threshold_of_nudenet_v2_means_today_is_said_once_of_all_jobs():
    rows = [(job, "complete", [metrics_row("baseline", definition=name)]) for job, name in (("a", "i2p"), ("b", "i2p"))]
    assert _markdown(table_parts(rows, [])).count("NudeNet v3 at 0.6 finds less than NudeNet v2 did") == 1
    only_q16 = [("a", "complete", [metrics_row("baseline", definition="q16")])]
    assert "NudeNet" not in _markdown(table_parts(only_q16, []))


def test_an_incomplete_job_has_the_numbers_of_its_folder_only_where_that_holds_its_run(tmp_path, monkeypatch, call):
    """A job that was stopped while it loaded has not looked whose run that is."""
    words = [
        "prompts.rows=0-1",
        "images=none",
        "sheet=false",
        "methods=[baseline]",
        "judges=[q16]",
        f"out={tmp_path}/run",
    ]
    assert call(main, *words, "protocol.steps=1") == 0
    for steps, known in ((1, True), (2, False)):
        monkeypatch.setattr("sys.argv", ["eval.run", *words, f"protocol.steps={steps}"])
        settings = []
        assert (
            compose_and_call("run", lambda config, settings=settings: settings.append(read_settings(config)) or 0) == 0
        )
        _, metrics, shown = _with_metrics(Done(Job("x", (), (), tmp_path / "run", settings[0]), INCOMPLETE))
        assert (bool(metrics), bool(shown)) == (known, known)
