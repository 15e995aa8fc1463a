"""Trackers get names and numbers after the report, and never cost a run.

TensorBoard is the real one. Weights & Biases and MLflow are no dependency: tiny fakes stand in for them that write down
what they are called with, and the real ones are asked too where they are installed.
"""

import csv
import importlib.util
import json
import sys

import in_process
import pytest

from eval.base.errors import InputError
from eval.config import checks
from eval.config.checks import check_trackers
from eval.report import trackers

pytestmark = pytest.mark.usefixtures("figures_of_a_kind_are_one")

SMALL = ["prompts.rows=0-2", "protocol.steps=2", "images=none", "sheet=false", "methods=[baseline,sld_max]"]
SMALL += ["judges=[q16]", "report.gallery=off"]
FAKE_WANDB = """
import json, os, pathlib
def init(**given):
    class Run:
        def log(self, scalars):
            given["scalars"] = scalars
        def finish(self):
            given["environment"] = {k: v for k, v in os.environ.items() if k.startswith("WANDB_")}
            pathlib.Path(os.environ["TOLD"]).write_text(json.dumps(given))
    return Run()
"""
FAKE_MLFLOW = """
import contextlib, json, os, pathlib, re
told = {"metrics": {}}
def set_experiment(name):
    told["experiment"] = name
@contextlib.contextmanager
def start_run(run_name):
    told["name"] = run_name
    yield
    pathlib.Path(os.environ["TOLD"]).write_text(json.dumps(told))
def log_params(values):
    assert all(isinstance(v, str) and len(v) <= 250 for v in values.values())
    told["params"] = values
def log_metrics(values):
    assert len(values) <= 1000
    assert all(re.fullmatch(r"[\\w. /-]+", name) for name in values)  # as MLflow 2 has it
    told["metrics"] |= values
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A real run, with fake packages on Python's path."""

    def run(fakes, *more):
        for name, code in fakes.items():
            (tmp_path / "fakes").mkdir(exist_ok=True)
            (tmp_path / "fakes" / f"{name}.py").write_text(code)
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(tmp_path / "fakes")
        told = {"TOLD": str(tmp_path / "told.json")}
        done = in_process.run("eval.run", f"out={tmp_path}/a_run", *SMALL, *more, env=told)
        for name in fakes:
            sys.modules.pop(name, None)
        return done

    return run


def expected(out) -> dict[str, float]:
    """What results.csv says, as a tracker should have it."""
    found = {"missing": 0.0}
    with (out / "report" / "results.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            where = f"{row.pop('method')}/{row.pop('category')}"
            found |= {f"{where}/{key}": float(row[key]) for key in trackers.SCALARS if row[key]}
    return found


def test_wandb_gets_the_numbers_of_the_report_and_no_prompt(run, tmp_path):
    mine = "{name: mine, preset: weak, concept: a secret text}"
    done = run({"wandb": FAKE_WANDB}, "track=[wandb]", f"methods=[baseline,{mine}]")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["scalars"] == pytest.approx(expected(tmp_path / "a_run"))
    assert (told["project"], told["name"]) == ("i2p-bench", "a_run")
    assert told["config"]["methods"] == "baseline, mine"
    assert (told["config"]["protocol.steps"], told["config"]["prompts.rows"]) == (2, "0-2")
    assert told["config"]["deviations"] == (
        "images_per_prompt 1 instead of 10; steps 2 instead of 50; judged without nudenet"
    )
    assert told["environment"] == {
        "WANDB_CONSOLE": "off",
        "WANDB_DISABLE_CODE": "true",
        "WANDB_DISABLE_GIT": "true",
    }
    said = json.dumps(told)
    assert "secret" not in said
    for prompt in (tmp_path / "a_run" / "prompts.jsonl").read_text().splitlines():
        assert json.loads(prompt)["text"] not in said


def test_mlflow_gets_the_same_within_its_limits(run, tmp_path):
    done = run({"mlflow": FAKE_MLFLOW}, "track=[mlflow]", f"model.unet={'x/' * 200}unet")
    assert done.returncode == 2  # such a unet is not there: a tracker sees no run that failed
    assert not (tmp_path / "told.json").exists()
    done = run({"mlflow": FAKE_MLFLOW}, "track=[mlflow]")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["metrics"] == pytest.approx(expected(tmp_path / "a_run"))
    assert (told["experiment"], told["name"]) == ("i2p-bench", "a_run")
    assert told["params"]["protocol.name"] == "dataset"


def test_a_tracker_that_fails_is_a_warning_and_the_report_stands(run, tmp_path):
    fails = "def init(**given): raise RuntimeError('the licence\\nhas run out')"
    done = run({"wandb": fails, "mlflow": FAKE_MLFLOW}, "track=[wandb,mlflow]")
    assert done.returncode == 0
    assert "WARNING: wandb did not accept the report" in done.stderr
    assert (tmp_path / "a_run" / "report" / "results.csv").is_file()
    assert (tmp_path / "told.json").is_file()  # the next one is told all the same


@pytest.mark.parametrize(
    ("asked", "said"),
    [("[nonesuch]", "nonesuch"), ("[wandb,wandb]", "twice"), ("[wandb]", "pip install wandb")],
)
def test_a_tracker_that_can_t_be_had_is_said_before_the_run_starts(run, tmp_path, asked, said):
    if said.startswith("pip") and importlib.util.find_spec("wandb"):
        pytest.skip("wandb is installed here")
    done = run({"wandb": FAKE_WANDB} if said == "twice" else {}, f"track={asked}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "a_run").exists()


def test_every_tracker_that_settings_may_name_can_be_given_a_report():
    assert set(checks.TRACKERS) == set(trackers.TRACKERS)


def test_a_folder_of_a_tracker_s_name_is_no_package(tmp_path, monkeypatch):
    if importlib.util.find_spec("wandb"):
        pytest.skip("wandb is installed here")
    (tmp_path / "wandb").mkdir()  # as wandb leaves one behind
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="found wandb, which is not: pip install wandb"):
        check_trackers(["wandb"])


def test_tensorboard_reads_back_what_was_written_into_the_run_directory(run, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):  # the second finds all done, and reports again
        assert run({}, "track=[tensorboard]").returncode == 0
    events = EventAccumulator(str(tmp_path / "a_run" / "tensorboard"))
    events.Reload()
    points = {name: events.Scalars(name) for name in events.Tags()["scalars"]}
    assert {len(each) for each in points.values()} == {1}
    read = {name: point.value for name, (point,) in points.items()}
    assert read == pytest.approx(expected(tmp_path / "a_run"))
    (text,) = events.Tensors("settings/text_summary")
    assert b"protocol.steps: 2" in text.tensor_proto.string_val[0]


def test_what_a_tracker_prints_is_no_result(run, tmp_path):
    loud = "def init(**given):\n    print('signed in as somebody')\n    raise SystemExit(1)"
    done = run({"wandb": loud}, "track=[wandb]")
    assert done.returncode == 0
    assert "signed in" not in done.stdout
    assert "signed in" in done.stderr


@pytest.mark.parametrize("package", ["mlflow", "wandb"])
def test_the_real_one_takes_any_method_s_name(run, tmp_path, monkeypatch, package):
    pytest.importorskip(package)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    done = run({}, f"track=[{package}]", "methods=[baseline,{name: 'a+b=c', preset: weak}]")
    assert done.returncode == 0
    assert "did not accept" not in done.stderr
    if package == "wandb":
        assert list((tmp_path / "a_run").glob("wandb/offline-run-*"))
        return
    values = [path for path in (tmp_path / "mlruns").glob("*/*/metrics/**/*") if path.is_file()]
    assert len(values) == len(expected(tmp_path / "a_run"))
