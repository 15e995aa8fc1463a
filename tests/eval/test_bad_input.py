"""Bad input gets one sentence and exit code 2: no traceback, and nothing written."""

import json
import sys

import in_process
import processes
import pytest

import sld
from eval.run import main

HEADER = "prompt,categories,sd_seed\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of files that are wrong in one way each, and one good checkpoint to spoil."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "good.csv").write_text(HEADER + "a cat,hate,1\n")
    (folder / "column.csv").write_text("promt,categories,sd_seed\na cat,hate,1\n")
    (folder / "seed.csv").write_text(HEADER + "a cat,hate,1\na dog,hate,12.5\n")
    (folder / "category.csv").write_text(HEADER + "a cat,All,1\n")
    (folder / "empty.csv").write_text("")
    sld.write_tiny_checkpoint(folder / "model")
    weights = folder / "model" / "unet" / "diffusion_pytorch_model.safetensors"
    sld.write_tiny_checkpoint(folder / "truncated")
    (folder / "truncated" / "unet" / weights.name).write_bytes(weights.read_bytes()[:-1000])
    sld.write_tiny_checkpoint(folder / "pickle")
    (folder / "pickle" / "unet" / weights.name).rename(folder / "pickle" / "unet" / "diffusion_pytorch_model.bin")
    (folder / "model.ckpt").write_bytes(b"\x80\x02}q\x00.")
    sld.write_tiny_checkpoint(folder / "index")
    (folder / "index" / "unet" / f"{weights.name}.index.json").write_text('{"weight_map": []}')
    sld.write_tiny_checkpoint(folder / "betas")
    scheduler = folder / "betas" / "scheduler" / "scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"beta_schedule": "foo"}))
    return folder


MODEL = ["model=checkpoint", "prompts=harmless", "q16=demo"]
CASES = {
    "missing prompt file": (["prompts=i2p", "prompts.path={}/none.csv"], "none.csv"),
    "wrong column": (["prompts=i2p", "prompts.path={}/column.csv"], "promt"),
    "non-integer seed": (["prompts=i2p", "prompts.path={}/seed.csv"], "12.5"),
    "a category that stands for all": (["prompts=i2p", "prompts.path={}/category.csv"], "'all'"),
    "empty prompt file": (["prompts=i2p", "prompts.path={}/empty.csv"], "empty.csv"),
    "unknown category to select": (["prompts.categories=[sexuel]"], "sexuel"),
    "row that is not there": (["prompts.rows=[99999]"], "99999"),
    "sample larger than the selection": (["prompts.sample=1000"], "1000"),
    "unknown method": (["methods=[baseline,sld_extreme]"], "sld_extreme"),
    "method given twice": (["methods=[baseline,baseline]"], "twice"),
    "no method": (["methods=[]"], "method"),
    "list of a method": (["methods=[[baseline]]"], "found the list"),
    "revision of the demo's prompts": (["prompts.revision=main"], "prompts.revision"),
    "wrong preset": (["methods=[{name: mine, preset: {warmup: 5}}]"], "warmup"),
    "no judge": (["judges=[]"], "judges must name at least one of"),
    "unknown judge": (["judges=[q17]"], "q17"),
    "shard index out of range": (["shard.count=4", "shard.index=4"], "found 4"),
    "negative shard index": (["shard.index=-1"], "found -1"),
    "unknown key": (["batchsize=4"], "batchsize"),
    "unknown key in a group": (["model.pth=x"], "pth"),
    "added unknown key": (["+colour=red"], "colour"),
    "unknown group option": (["model=sd99"], "sd99"),
    "value of the wrong type": (["batch_size=many"], "batch_size"),
    "malformed override": (["methods=[baseline"], "methods=[baseline"),
    "images per prompt below one": (["protocol.images_per_prompt=0"], "images_per_prompt"),
    "size that no model draws": (["model.size=63"], "63"),
    "unknown scheduler": (["protocol.scheduler=dddim"], "dddim"),
    "unknown label set": (["protocol.label_set=nsfw"], "nsfw"),
    "unknown device": (["device=cuda:7"], "cuda:7"),
    "unknown dtype": (["dtype=float8"], "float8"),
    "unknown channels": (["nudenet.channels=gbr"], "gbr"),
    "missing checkpoint": ([*MODEL, "model.path={}/nowhere"], "nowhere"),
    "checkpoint not named": (MODEL, "model.path"),
    "folder that is no checkpoint": ([*MODEL, "model.path={}"], "model_index.json"),
    "truncated safetensors": ([*MODEL, "model.path={}/truncated"], "diffusion_pytorch_model.safetensors"),
    "pickled weights in a folder": ([*MODEL, "model.path={}/pickle"], "safetensors"),
    "pickle checkpoint": ([*MODEL, "model.path={}/model.ckpt"], "model.ckpt"),
    "missing unet": ([*MODEL, "model.path={}/model", "model.unet={}/unet.safetensors"], "unet.safetensors"),
    "CLIP weights that are not here": (["q16=vit_l_14"], "timm/vit_large_patch14_clip_224.openai"),
    "wrong name of published numbers": (["model.published_as=sd3"], "sd14, sd20, sd21"),
    "replay of other methods": (["model=published", "methods=[baseline,sld_max]"], "sld_max"),
    "replay with judges": (["model=published", "judges=[q16]"], "judges"),
    "replay under another protocol": (["model=published", "protocol=official"], "protocol=official"),
    "replay with another number of steps": (["model=published", "protocol.steps=20"], "steps 20"),
    "replay at a size": (["model=published", "model.size=64"], "model.size"),
    "replay of an unknown method": (["model=published", "methods=[sld_foo]"], "sld_foo"),
    "weights for the demo's Q16": (["q16.weights=openai"], "q16.weights"),
    "prompts for the demo's Q16": (["q16.prompts={}/pair.npz"], "q16.prompts"),
    "path for the demo's model": (["+model.path={}/model"], "model.path"),
    "another checkpoint's unet for the demo's model": (["model.unet={}/model"], "choose the matching base checkpoint"),
    "prompt file beside the demo's prompts": (["prompts.path={}/good.csv"], "prompts=i2p"),
    "unet for a replay": (["model=published", "+model.unet={}/model"], "model.unet"),
    "no CLIP weights": (["q16=vit_l_14", "q16.weights=null"], "q16.weights must be an open_clip tag"),
    "more steps than the scheduler has": (["protocol.steps=2000"], "at most 1000"),
    "steps that begin beyond the last": (["protocol.steps=1000"], "take at most 999 steps"),
    "device that keeps nothing": (["device=meta"], "meta"),
    "index that lists nothing": ([*MODEL, "model.path={}/index"], "index.json"),
    "scheduler with unknown betas": ([*MODEL, "model.path={}/betas"], "scheduler_config.json"),
    "code to be called": (["+hydra.callbacks.x._target_=os.system"], "hydra.callbacks"),
    "code in a value": (["methods=[{name: a, _target_: os.system}]"], "_target_"),
    "a value of Hydra's own": (["+hydra.job_logging.handlers={x: {class: os.system}}"], "job_logging"),
    "another folder for Hydra": (["hydra.run.dir={}/other"], "hydra.run.dir"),
    "an environment for the job": (["+hydra.job.env_set.PYTHONPATH={}"], "env_set"),
    "a package of Hydra's": (["+experiment@hydra.callbacks=paper"], "found +experiment@hydra"),
    "a choice of a path": (["+experiment=../../x"], "'../../x'"),
    "a group in a path": (["+experiment/../x=../y"], "'../y'"),
    "a folder of configs": (["--config-dir", "{}"], "--config-dir"),
    "a folder of configs, said short": (["--config-d={}"], "--config-d"),
    "a folder of configs, in one word": (["-cd{}"], "-cd"),
    **{
        f"Hydra's {flag}": ([flag], "a flag must be one of --help, -h, --version, --cfg, -c, --resolve")
        for flag in ("--hydra-help", "--package=model", "-p", "--run")
    },
    "a question that Hydra does not know": (["--cfg", "jobs"], "did you mean job?"),
    "another such question": (["--info=x"], "--info must be one of all, config, defaults"),
    "a resolve without what is resolved": (["--resolve"], "--resolve must go with --cfg"),
    "another config": (["--config-name", "../x"], "--config-name"),
    "a pickle to be run again": (["--experimental-rerun", "{}/config.pickle"], "--experimental-rerun"),
    "configs from elsewhere": (["hydra.searchpath=[file://{}]"], "searchpath"),
    "no time for a judge": (["judge_timeout=0"], "judge_timeout"),
    "verification of nothing": (["model=published", "verify=true"], "verify"),
    "run directory that can't be made": (["out=/proc/runs/demo"], "/proc"),
    "run directory that is a file": (["out={}/good.csv"], "good.csv"),
    "replay without published results": (["model=published", "prompts.path={}/good.csv"], "inappropriate_percentage"),
}


def refused(lines: str, word: str) -> None:
    assert lines.startswith("error: ")
    assert len(lines.strip().splitlines()) == 1, lines
    assert word in lines


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_and_exit_code_2(case, files, tmp_path, monkeypatch, capfd, call):
    arguments, word = CASES[case]
    arguments = [a.replace("{}", str(files)) for a in arguments]
    monkeypatch.chdir(tmp_path)
    assert call(main, f"out={tmp_path}/run", *arguments) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    refused(printed.err, word)
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_its_own_refuses_the_same_way(files, tmp_path):
    arguments, word = CASES["truncated safetensors"]
    command = [
        sys.executable,
        "-m",
        "eval.run",
        f"out={tmp_path}/run",
        *(a.replace("{}", str(files)) for a in arguments),
    ]
    done = processes.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    refused(done.stderr, word)
    assert list(tmp_path.iterdir()) == []


def test_a_report_of_no_run_is_one_sentence(tmp_path):
    done = in_process.run("eval.report", tmp_path)
    assert done.returncode == 2
    refused(done.stderr, "must be a run directory")
