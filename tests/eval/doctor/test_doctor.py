"""The doctor says what a run would find: no traceback whatever is broken, nothing written."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import in_process
import processes
import pytest
from huggingface_hub import constants

import sld
from eval.doctor.__main__ import main
from eval.doctor.check import MISSING, WARNING, Check, verdict
from eval.judges.clip import hub
from eval.store.rundir import RunDir

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
QUICK = ["measure=false"]
SMALL = ["prompts.rows=0-3", "protocol.steps=1", "methods=[baseline]", "sheet=false"]
OWN = ["model=checkpoint", "prompts=harmless", "q16=demo"]


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """A cache of the hub's of this test's own, empty at first, outside the folder that the doctor is called in."""
    home = tmp_path.with_name(f"{tmp_path.name}-home")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")
    return home / "hub"


def doctor(cwd, *arguments):
    """The table by name as (state, found, mend), the exit code, and all that was said."""
    done = in_process.run("eval.doctor", *arguments, cwd=cwd)
    return read(done.stdout), done


def doctor_process(cwd, *arguments, **environment):
    """The same of a process of its own, which never has a traceback."""
    command = [sys.executable, "-m", "eval.doctor", *map(str, arguments)]
    given = os.environ | environment
    done = processes.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=given)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return read(done.stdout), done


def read(said: str) -> dict[str, tuple[str, str, str]]:
    table, name = {}, None
    for line in said.splitlines():
        if found := re.match(r"(ok|warning|missing|skipped) +(\S+(?: \S+)*)  +(.*)", line):
            name = found[2]
            table[name] = (found[1], found[3], "")
        elif line.strip().startswith("→"):
            table[name] = (*table[name][:2], line.strip()[2:])
    return table


def states(table) -> dict[str, str]:
    return {name: row[0] for name, row in table.items() if row[0] != "ok"}


def test_where_all_is_here_a_run_would_start_and_the_time_is_estimated(tmp_path):
    table, done = doctor(tmp_path, *SMALL)
    assert (done.returncode, states(table)) == (0, {}), done.stdout
    assert set(table) == {
        *(
            "python",
            "packages",
            "settings",
            "cpu",
            "device",
            "model",
            "prompts",
            "q16",
            "nudenet",
            "quality",
            "selection",
            "scheduler",
        ),
        *("run directory", "disk", "time", "weights"),
    } | {name for name in table if name.startswith("cuda:")}
    assert "4 prompts × 1 image × 1 method = 4 images" in table["selection"][1]
    assert "runs/demo: new" in table["run directory"][1]
    assert re.match(r"about .* for 4 images: 4 took .* s to draw, judge and store, ", table["time"][1])
    assert "the known sha256" in table["nudenet"][1]
    assert done.stdout.rstrip().endswith("a run would start")
    assert list(tmp_path.iterdir()) == []


def test_quality_metrics_are_named_with_the_network_that_gives_them(tmp_path):
    small = [*QUICK, *SMALL]
    table, done = doctor(tmp_path, *small)
    assert "clip_score, clip_distance by Q16's CLIP, from the embeddings that it judges by" in table["quality"][1]
    assert "scores and features of 4" in table["disk"][1]
    table, done = doctor(tmp_path, *small, "quality=[]")
    assert (table["quality"][1], "scores of 4" in table["disk"][1]) == ("no metrics, quality=[]", True)
    table, done = doctor(tmp_path, *small, "judges=[nudenet]")
    assert "since Q16 does not judge" in table["quality"][1]
    table, done = doctor(tmp_path, *small, "judges=[nudenet]", "quality=[clip_distance]")
    assert re.search("looks at the kept pictures again: the demo world's CLIP .*: 1 weight file", table["quality"][1])
    assert done.returncode == 0
    gone = ["judges=[nudenet]", "quality=[clip_distance]", "q16=vit_l_14", f"q16.weights={tmp_path}/gone.safetensors"]
    table, done = doctor(tmp_path, *small, *gone)
    assert (done.returncode, table["quality"][0]) == (2, "missing")
    assert "found no file at" in table["quality"][1]


def test_what_pictures_are_compared_with_is_counted(tmp_path):
    asked = [*QUICK, *SMALL, "quality=[kid_clip]", f"quality.reference={tmp_path}/coco"]
    table, done = doctor(tmp_path, *asked)
    assert (done.returncode, table["quality"][0]) == (2, "missing")
    assert "found nothing at" in table["quality"][1]
    (tmp_path / "coco").mkdir()
    for name in ("a.png", "b.jpg"):
        (tmp_path / "coco" / name).touch()
    table, done = doctor(tmp_path, *asked)
    assert table["quality reference"][:2] == ("ok", f"2 pictures in {tmp_path}/coco")


def test_a_batch_that_takes_too_long_is_broken_off_and_the_steps_that_it_has_done_are_scaled(tmp_path, monkeypatch):
    from eval.doctor import duration

    monkeypatch.setattr(duration, "LONGEST", 0.0)
    table, done = doctor(tmp_path, *SMALL, "protocol.steps=4")
    assert done.returncode == 0
    measurement = re.match(r"about .* for 4 images: 4 had 25% of their steps after ([\d.e-]+) s, ", table["time"][1])
    assert float(measurement[1]) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Half of a run: one shard of two."""
    out = tmp_path_factory.mktemp("runs") / "half"
    assert in_process.run("eval.run", *SMALL, f"out={out}", "shard.count=2").returncode == 0
    return out


def test_a_run_that_goes_on_is_told_from_another_run(begun, tmp_path):
    table, done = doctor(tmp_path, *SMALL, *QUICK, f"out={begun}")
    assert done.returncode == 0
    assert table["run directory"][1].endswith("resumes, 2 of 4 images are done")
    assert "like those already stored" in table["disk"][1]
    table, done = doctor(tmp_path, *SMALL, *QUICK, f"out={begun}", "protocol.steps=2")
    assert done.returncode == 2
    assert states(table) == {"run directory": "missing", "time": "skipped", "weights": "skipped"}
    assert "protocol.steps is 1 there and 2 here" in table["run directory"][1]
    assert table["run directory"][2] == f"out={begun}-2"


@pytest.mark.parametrize("content", [None, "{", "{}\n"], ids=["missing", "damaged", "of other prompts"])
def test_the_doctor_says_that_a_run_writes_its_prompts_again(content, begun, tmp_path):
    prompts = shutil.copytree(begun, tmp_path / "run") / "prompts.jsonl"
    whole = prompts.read_bytes()
    prompts.unlink()
    if content:
        prompts.write_text(content)
    table, done = doctor(tmp_path, *SMALL, "measure=false", "out=run")
    assert (done.returncode, table["run directory"][0]) == (0, "ok")
    assert table["run directory"][1].endswith(
        "; its prompts.jsonl is missing, damaged or of other prompts, and the run writes it again"
    )
    assert in_process.run("eval.run", *SMALL, "out=run", "shard.count=2", cwd=tmp_path).returncode == 0
    assert prompts.read_bytes() == whole


def test_prompts_of_a_run_that_another_process_lets_grow_are_not_called_damaged(begun, tmp_path, monkeypatch):
    prompts = shutil.copytree(begun, tmp_path / "run") / "prompts.jsonl"
    before, write = prompts.read_bytes(), RunDir.write_prompts
    more = [*SMALL, "prompts.rows=0-4", "out=run"]

    def killed_at_last(self, documents, key=""):  # the manifest and its prompts have been written, and not this file
        if not key:
            raise KeyboardInterrupt
        write(self, documents, key)

    with monkeypatch.context() as patch:
        patch.setattr(RunDir, "write_prompts", killed_at_last)
        assert in_process.run("eval.run", *more, cwd=tmp_path).returncode != 0
    assert prompts.read_bytes() == before
    for words, found in ((more, "2 of 5 images are done"), ([*more, "prompts.rows=0-5"], "it grows: 6 prompts")):
        table, done = doctor(tmp_path, *words, "measure=false")
        assert (done.returncode, table["run directory"][0]) == (0, "ok")
        assert found in table["run directory"][1]
        assert "prompts.jsonl" not in table["run directory"][1]


@pytest.mark.parametrize("name", ["manifest.json", "prompts.jsonl", "engine/cpu.json"])
def test_a_folder_in_the_place_of_a_file_is_refused_by_the_doctor_as_by_a_run(name, begun, tmp_path):
    path = shutil.copytree(begun, tmp_path / "run") / name
    path.unlink()
    path.mkdir()
    table, done = doctor(tmp_path, *SMALL, "measure=false", "out=run")
    refused = in_process.run("eval.run", *SMALL, "out=run", cwd=tmp_path)
    assert (done.returncode, refused.returncode) == (2, 2)
    assert refused.stderr == f"error: {table['run directory'][1]}\n"
    assert name in refused.stderr


def test_where_nothing_is_left_the_doctor_says_so_and_measures_nothing(begun, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(begun, out)
    assert in_process.run("eval.run", *SMALL, f"out={out}").returncode == 0
    table, done = doctor(tmp_path, *SMALL, f"out={out}")
    assert (done.returncode, states(table)) == (0, {"time": "skipped", "weights": "skipped"})
    assert table["run directory"][1].endswith("resumes, 4 of 4 images are done")
    assert "nothing is left to store but the report" in table["disk"][1]
    assert table["time"][1] == "nothing is left to do but the report"


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A folder of checkpoints that are wrong in one way each, and a good one."""
    folder = tmp_path_factory.mktemp("models")
    good = sld.write_tiny_checkpoint(folder / "good", width=8, text_width=16)
    for name in ("truncated", "no_vae", "pickle", "index", "empty", "no_config"):
        shutil.copytree(good, folder / name)
    weights = Path("unet", "diffusion_pytorch_model.safetensors")
    whole = (folder / "good" / weights).read_bytes()
    (folder / "truncated" / weights).write_bytes(whole[:-1000])
    (folder / "empty" / weights).write_bytes(b"")
    shutil.rmtree(folder / "no_vae" / "vae")
    (folder / "pickle" / weights).rename(folder / "pickle" / "unet" / "diffusion_pytorch_model.bin")
    (folder / "no_config" / "unet" / "config.json").unlink()
    (folder / "index" / "model_index.json").unlink()
    (folder / "index" / "model_index.json").mkdir()
    shutil.copy(folder / "good" / weights, folder / "unet.safetensors")
    for path in shutil.copytree(folder / "good", folder / "mute").glob("tokenizer/*"):
        path.unlink()
    karras = shutil.copytree(folder / "good", folder / "karras") / "scheduler" / "scheduler_config.json"
    values = {"beta_schedule": "squaredcos_cap_v2", "use_karras_sigmas": True}
    karras.write_text(json.dumps(json.loads(karras.read_text()) | values))
    index = folder / "karras" / "model_index.json"
    names = {"scheduler": ["diffusers", "DPMSolverMultistepScheduler"]}
    index.write_text(json.dumps(json.loads(index.read_text()) | names))
    (folder / "binary.csv").write_bytes(b"prompt\n\xff\xfe\x00")
    return folder


@pytest.mark.parametrize(
    ("arguments", "name", "said"),
    [
        (["model.path={}/nowhere"], "model", "nowhere"),
        (["model.path={}/truncated"], "model", "truncated"),
        (["model.path={}/empty"], "model", "an empty file"),
        (["model.path={}/no_vae"], "model", "vae"),
        (["model.path={}/pickle"], "model", "found a pickle"),
        (["model.path={}/index"], "model", "model_index.json"),
        (["model.path={}/good", "model.unet={}/truncated"], "model", "truncated"),
        (["model.path={}/good", "prompts=i2p", "prompts.path={}/binary.csv"], "prompts", "binary.csv"),
        (["model.path={}/good", "prompts=i2p", "prompts.path={}/none.csv"], "prompts", "none.csv"),
        (["model.path={}/good", "prompts.rows=[99]"], "selection", "99"),
        (["model.path={}/good", "methods=[sld_huge]"], "selection", "sld_huge"),
        (["model.path={}/good", "model.config={}/good"], "model", "go with a single file"),
        (["model.path=owner/name", "model.config={}/good"], "model", "go with a single file"),
        (["model.path={}/unet.safetensors"], "model", "give it as model.unet=FILE beside"),
        (["model.path={}/good", "protocol.scheduler=heun"], "selection", "must be one of ddim, pndm"),
        (["model.path={}/good", "protocol.steps=1001"], "scheduler", "at most 1000"),
        (["model.path={}/good", "protocol.steps=1000"], "scheduler", "take at most 999 steps"),
        (["model.path={}/karras", "protocol.steps=20"], "scheduler", "use_karras_sigmas True"),
        (["model.path={}/mute"], "model", "must hold CLIP's vocabulary"),
        (["model.path={}/good", "out="], "settings", "out must be the run directory, found an empty text"),
        (["model.path={}/good", "model.unet="], "settings", "model.unet must be a path, found an empty text"),
        (["model.path={}/good", "nudenet.channels=gbr"], "settings", "nudenet.channels must be one of bgr, rgb"),
        (["model.path={}/good", "nudenet.providers=[]"], "settings", "nudenet.providers must name"),
        (["model.path={}/good", "engine.attention=efficient", "device=cpu"], "device", "must have a GPU"),
        (["model.path={}/no_config"], "model", "config.json"),
        (["model=published"], "selection", "must have a published inappropriate_percentage"),
        (["model.path={}/good", "q16=vit_l_14", "q16.weights=null"], "q16 weights", "none are named"),
        (["model.path={}/good", "device=cuda:7"], "device", "cuda:7"),
        (["model.path={}/good", "protocol.steps=0"], "settings", "protocol.steps"),
        (["model.path={}/good", "out=/proc/runs/x"], "run directory", "/proc"),
        (["model.path={}/good", "out={}/binary.csv"], "run directory", "binary.csv"),
        (["model.path={}/good", "nudenet.providers=[TPU]"], "nudenet", "TPU"),
        (["model.path={}/good", "q16=vit_l_14", "q16.weights={}/clip.safetensors"], "q16 weights", "clip.safetensors"),
        (["model.path={}/good", "q16=vit_l_14", "q16.prompts={}/binary.csv"], "q16", "prompt pair"),
        (["model.path={}/good", "model.kind=nope"], "settings", "model.kind must be one of demo, checkpoint"),
    ],
)
def test_each_gap_is_a_line_with_what_is_wrong_and_takes_no_other_line_along(
    broken, tmp_path, monkeypatch, capsys, call, arguments, name, said
):
    monkeypatch.chdir(tmp_path)
    arguments = [argument.replace("{}", str(broken)) for argument in arguments]
    assert call(main, *OWN, *QUICK, *arguments) == 2
    table = read(lines := capsys.readouterr().out)
    assert table[name][0] == "missing", lines
    assert said in table[name][1]
    assert table["packages"][0] == table["cpu"][0] == "ok"
    assert (table.get("run directory", ("",))[0] == "skipped") == bool({"settings", "prompts"} & set(states(table)))
    assert "missing" in lines.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_judge_that_does_not_exist_is_a_line_among_the_others(broken, capsys, call):
    assert call(main, *OWN, *QUICK, f"model.path={broken}/good", "judges=[nope]") == 2
    table = read(capsys.readouterr().out)
    assert "the judge must be one of q16, nudenet" in table["nope"][1]
    assert table["model"][0] == table["prompts"][0] == "ok"


def test_a_process_of_its_own_says_a_gap_the_same_way(broken, tmp_path):
    table, done = doctor_process(tmp_path, *OWN, *QUICK, f"model.path={broken}/truncated", "out=/proc/runs/x")
    assert done.returncode == 2
    assert states(table) == dict.fromkeys(["model", "run directory", "disk"], "missing") | {
        "time": "skipped",
        "weights": "skipped",
    }


def test_a_good_checkpoint_is_described_without_being_loaded(broken, tmp_path):
    table, done = doctor(tmp_path, *OWN, *QUICK, f"model.path={broken}/good", f"model.unet={broken}/good/unet")
    assert done.returncode == 0, done.stdout
    assert "3 weight files" in table["model"][1]
    assert "1 weight file," in table["unet"][1]
    table, _ = doctor(tmp_path, *OWN, *QUICK, f"model.path={broken}/good", "digests=true")
    file = broken / "good" / "vae" / "diffusion_pytorch_model.safetensors"
    told = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True).stdout.split()[0]
    assert f"vae/{file.name} sha256 {told}" in table["model"][1]


def test_without_the_hub_what_is_not_in_its_cache_is_missing(tmp_path, hub_cache):
    table, done = doctor(tmp_path, *QUICK, "model=sd14")
    assert done.returncode == 2
    for name in ("model", "prompts", "q16 weights"):
        assert table[name][0] == "missing"
        assert "HF_HUB_OFFLINE is set" in table[name][1]
        assert table[name][2].startswith("unset HF_HUB_OFFLINE")
    assert table["run directory"] == ("skipped", "not known without the prompts", "")


def test_what_is_in_the_hub_s_cache_is_found_there_and_a_part_of_it_is_not_enough(tmp_path, hub_cache, i2p_csv):
    revision = "133a221b8aa7292a167afc5127cb63fb5005638b"  # of conf/model/sd14.yaml
    model = hub_cache / "models--CompVis--stable-diffusion-v1-4"
    sld.write_tiny_checkpoint(model / "snapshots" / revision, width=8, text_width=16)
    table, _ = doctor(tmp_path, *QUICK, "model=sd14", f"prompts.path={i2p_csv}")
    assert table["model"][0] == "ok"
    assert "in the hub's cache: 3 weight files" in table["model"][1]
    assert re.search(
        r": 4,703 rows, digest [0-9a-f]{12}…, I2P as it was published. Columns that are not used: ", table["prompts"][1]
    )
    assert "4,703 prompts × 10 images × 5 methods = 235,150 images" in table["selection"][1]
    words = model / "snapshots" / revision / "tokenizer" / "vocab.json"
    whole = words.read_text()
    words.write_text(whole.replace('"cat</w>"', '"dog-cat</w>"'))
    table, _ = doctor(tmp_path, *QUICK, "model=sd14", "prompts=demo")
    assert table["model"][0] == "missing"
    assert "must hold CLIP's tokenizer" in table["model"][1]
    words.write_text(whole)
    (model / "snapshots" / revision / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    table, _ = doctor(tmp_path, *QUICK, "model=sd14", "prompts=demo")
    assert table["model"][0] == "missing"


def test_a_csv_that_is_nearly_i2p_is_told_from_it(tmp_path, i2p_csv):
    other = tmp_path / "other.csv"
    other.write_bytes(i2p_csv.read_bytes().replace(b"2217", b"2218"))
    table, done = doctor(tmp_path, *QUICK, "model=published", f"prompts.path={other}")
    assert done.returncode == 0
    assert table["prompts"][0] == "warning"
    table, done = doctor(tmp_path, *QUICK, "model=published", f"prompts.path={i2p_csv}")
    assert (done.returncode, states(table)) == (0, dict.fromkeys(["device", "model", "time"], "skipped"))


def test_pictures_made_elsewhere_need_no_model_and_those_that_lack_are_said(begun, tmp_path):
    folder = ["model=images", f"model.path={begun}", "prompts=demo", "q16=demo", "prompts.rows=0-3", "out=judged"]
    table, done = doctor(tmp_path, *folder)
    assert done.returncode == 0, done.stdout
    assert states(table) == {"model": "skipped", "selection": "warning"}
    assert "found 2 pictures, in the layout own" in table["selection"][1]
    assert "scores and features of 2" in table["disk"][1]
    assert re.match(r"about .* for 2 pictures: .* measured on 2 of 64×64$", table["time"][1])
    table, done = doctor(tmp_path, *folder, f"model.path={tmp_path}")
    assert (done.returncode, table["prompts"][0]) == (2, "missing")
    assert "found no picture" in table["prompts"][1]


BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
"""


@pytest.mark.parametrize(
    ("missing", "line"),
    [(["hydra", "numpy"], "import"), (["torch"], "device")],
)
def test_a_package_that_is_missing_is_a_line_and_no_traceback(tmp_path, missing, line):
    """Blocked from being imported, as uninstalling it here would be for every test."""
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    (fakes / "sitecustomize.py").write_text(BLOCK.format(names=missing))
    path = os.pathsep.join([str(fakes), str(ROOT)])
    table, done = doctor_process(tmp_path, *QUICK, "judges=[nudenet]", PYTHONPATH=path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert table[line][0] == "missing", done.stdout
    assert missing[0] in table[line][1]
    assert "pip install" in table[line][2]


@pytest.mark.parametrize("missing", ["nudenet", "onnxruntime"])
def test_a_judges_package_that_is_missing_is_a_line_and_no_traceback(tmp_path, monkeypatch, missing):
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)  # importing it fails as of a package that is not installed
    table, done = doctor(tmp_path, *QUICK, "judges=[nudenet]")
    assert done.returncode == 2, done.stdout + done.stderr
    assert table["nudenet"][0] == "missing", done.stdout
    assert missing in table["nudenet"][1]
    assert table["nudenet"][2]


def test_a_disk_that_is_too_small_is_said_before_it_is_full(disk, tmp_path):
    table, done = doctor(tmp_path, *QUICK, f"out={disk}/run")
    assert done.returncode == 2
    assert table["disk"][0] == "missing"
    assert table["disk"][2].startswith("images=sample")
    table, done = doctor(tmp_path, *QUICK, f"out={disk}/run", "images=none")
    assert done.returncode == 0


def test_what_is_no_setting_is_one_sentence_and_help_is_help(tmp_path):
    for wrong in ("measure=maybe", "colour=red", "batch_size=[", "model=sd99"):
        _, done = doctor(tmp_path, wrong)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(r"error: .+\n", done.stderr)
    _, done = doctor(tmp_path, "--help")
    assert done.returncode == 0
    assert "eval.doctor" in done.stdout
    assert "digests: false" in done.stdout


def test_what_the_doctor_knows_of_clip_is_what_open_clip_says():
    from open_clip.constants import HF_SAFE_WEIGHTS_NAME
    from open_clip.pretrained import get_pretrained_cfg

    assert get_pretrained_cfg("ViT-L-14-quickgelu", "openai")["hf_hub"].rpartition("/")[0] == hub.OPENAI_REPOSITORY
    assert hub.OPENAI_FILE == HF_SAFE_WEIGHTS_NAME


def test_a_judge_that_fails_on_every_drawn_picture_is_no_estimate(tmp_path, monkeypatch):
    from eval.judges.q16 import Q16

    def judge(self, images):
        raise RuntimeError("out of order")

    monkeypatch.setattr(Q16, "records", judge)
    _, done = doctor(tmp_path, *SMALL, "judges=[q16]")
    assert done.returncode == 2
    assert "out of order" in done.stdout


def test_without_room_for_temporary_files_nothing_is_measured_and_a_run_would_still_start(tmp_path, monkeypatch):
    def no_room(**options):
        raise OSError(28, "No space left on device")

    from eval.doctor import duration

    monkeypatch.setattr(duration.tempfile, "TemporaryDirectory", no_room)
    table, done = doctor(tmp_path, *SMALL)
    assert (done.returncode, states(table)) == (0, {"time": "skipped", "weights": "skipped"}), done.stdout
    assert table["time"][1].startswith("not measured: no temporary folder can be made")


@pytest.mark.parametrize(("count", "words"), [(0, "0 warnings"), (1, "1 warning"), (2, "2 warnings")])
def test_the_last_line_counts_the_warnings(count, words):
    found = [Check("cpu", WARNING, "slow")] * count
    assert verdict(found) == f"nothing missing, {words}: a run would start"
    assert verdict([*found, Check("disk", MISSING, "full")]) == f"1 missing, {words}: a run would not start, or not end"
