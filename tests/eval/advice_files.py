"""Files that are right or wrong in one way each, for the trials of `advice`; by the names that stand there in {}."""

import json
import runpy
import shutil
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file, save_file

import sld
from eval.run import main as run
from i2p.demo import trained

SMALL = ["prompts.rows=[0,1]", "protocol.steps=1", "judges=[q16]", "images=none", "sheet=false"]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((32, 32), 90).convert("RGB").save(path)  # what shows nothing is not judged


def texts(folder: Path) -> dict[str, Path]:
    """Lists of prompts, tables and folders of pictures, by name."""
    lines = [f"text {n},hate,{n},0.{n % 10}\n" for n in range(300)]
    (folder / "list.csv").write_text("prompt,categories,sd_seed,prompt_toxicity\n" + "".join(lines))
    pictures = {
        "flat": ["0.png"], "beyond": ["250.png"], "two_layouts": ["0.png", "0_0.png"], "numbered": ["0.png"],
        "unused_row": ["0.png"], "geneval": ["00000/samples/0000.png"], "tables": ["0.png"],
        "uneven": ["m/a.png", "m/b.png", "n/b.png", "n/c.png"],
        "judged_pictures": ["0.png", "1.png"],
    }  # fmt: skip
    for name, paths in pictures.items():
        for path in paths:
            picture(folder / name / path)
    (folder / "geneval/00000/metadata.jsonl").write_text('{"prompt": "text 0"}')
    for name, header in (("numbered", "row"), ("unused_row", "unused_row")):
        (folder / name / "table.csv").write_text(f"image,{header},prompt\n0.png,0,text 0\n")
    for name in ("a", "b"):
        (folder / "tables" / f"{name}.csv").write_text("image,prompt\n0.png,text 0\n")
    (folder / "empty").mkdir()
    return {"list": folder / "list.csv"} | {name: folder / name for name in pictures}


def checkpoints(folder: Path) -> dict[str, Path]:
    """Small checkpoints of the real architecture, as folders and as single files with marks, by name."""
    model = sld.write_tiny_checkpoint(folder / "model", width=8, text_width=16)
    v = sld.write_tiny_checkpoint(folder / "v", prediction_type="v_prediction", width=8, text_width=16)
    other = sld.write_tiny_checkpoint(folder / "other", seed=1, width=8, text_width=16)
    sld.write_tiny_checkpoint(folder / "flow", family="stable-diffusion-3", width=24, text_width=16)
    UNet2DConditionModel.from_pretrained(other / "unet").save_pretrained(folder / "shards", max_shard_size="200KB")
    scheduler = shutil.copytree(v, folder / "zero_folder") / "scheduler/scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"rescale_betas_zero_snr": True}))
    index = shutil.copytree(model, folder / "without_betas") / "model_index.json"
    scheduler = ["diffusers", "EDMEulerScheduler"]
    index.write_text(json.dumps(json.loads(index.read_text()) | {"scheduler": scheduler}))
    (folder / "without_betas/scheduler/scheduler_config.json").write_text("{}")
    unet = shutil.copytree(model, folder / "pickle") / "unet/diffusion_pytorch_model.safetensors"
    torch.save(load_file(unet), unet.with_suffix(".bin"))
    unet.unlink()
    large = shutil.copytree(other, folder / "large") / "unet/diffusion_pytorch_model.safetensors"
    save_file({key: value * 1e7 for key, value in load_file(large).items()}, large)
    original_layout = runpy.run_path(str(Path(__file__).parents[1] / "sld/original_layout.py"))["original_layout"]
    one, marks = original_layout(model, False), {name: {name: torch.zeros(0)} for name in ("v_pred", "ztsnr")}
    singles = {
        "one": one, "marked": one | marks["v_pred"], "zero": one | marks["ztsnr"],
        "zero_v": one | marks["v_pred"] | marks["ztsnr"], "second": original_layout(v, True),
        "no_vae": {name: value for name, value in one.items() if not name.startswith("first_stage_model.")},
    }  # fmt: skip
    for name, weights in singles.items():
        save_file(weights, folder / f"{name}.safetensors")
    folders = ("model", "flow", "large", "shards", "without_betas", "zero_folder", "pickle")
    places = {name: folder / name for name in folders} | {name: folder / f"{name}.safetensors" for name in singles}
    lora_layouts = runpy.run_path(str(Path(__file__).parents[1] / "sld/lora_layouts.py"))
    pairs = lora_layouts["pairs"](UNet2DConditionModel.from_pretrained(model / "unet"))
    save_file(lora_layouts["kohya"](pairs), folder / "lora.safetensors")
    return places | {"unet": other / "unet", "lora": folder / "lora.safetensors"}


def judges(folder: Path) -> dict[str, Path]:
    """The demo's CLIP, as files that are good or wrong in one way each, by name."""
    clip = trained.clip_files()
    torch.save(load_file(clip.weights), folder / "clip.bin")
    transformers_name = "vision_model.embeddings.class_embedding"
    save_file({transformers_name: torch.zeros(8)}, folder / "clip_transformers.safetensors")
    save_file({"prompts": torch.ones(2, 768) * torch.tensor([[1.0], [-1.0]])}, folder / "long_pair.safetensors")
    config = json.loads(clip.config.read_text())
    config["model_cfg"]["vision_cfg"]["width"] *= 2
    (folder / "other.json").write_text(json.dumps(config))
    ours = {"clip_config": clip.config, "clip": clip.weights, "pair": clip.prompts, "clip_pickle": folder / "clip.bin"}
    ours["clip_transformers"] = folder / "clip_transformers.safetensors"
    return ours | {"long_pair": folder / "long_pair.safetensors", "other_config": folder / "other.json"}


def runs(folder: Path, call) -> dict[str, Path]:
    """Runs that are whole, and copies of one whose manifest is wrong in one way each, by name."""
    for name, words in {
        "run": ["methods=[baseline]"],
        "weak": ["methods=[sld_weak]"],
        "pilot": ["methods=[baseline]", "prompts.rows=0-7"],
        "kept": ["methods=[baseline]", "images=all"],
        "seeds": ["methods=[baseline]", "protocol.seed_offset=1"],
    }.items():
        assert call(run, *SMALL, *words, f"out={folder / name}") == 0
    words = ["prompts=none", "judges=[q16]", "model=images", "q16=demo", f"model.path={folder / 'judged_pictures'}"]
    assert call(run, *words, f"out={folder / 'judged'}") == 0
    (folder / "judged_pictures/1.png").write_bytes((folder / "judged_pictures/0.png").read_bytes() + b"\0")
    shutil.copy(folder / "kept/images/baseline/0_0.png", folder / "kept/images/baseline/1_0.png")
    manifest = json.loads((folder / "run/manifest.json").read_text())
    identity = manifest["identity"]
    later = identity | {"protocol": identity["protocol"] | {"flow_shift": 3.0}}
    texts = {
        "unread": "{",
        "later": json.dumps(manifest | {"identity": later}),
        "format": json.dumps(manifest | {"format": 0}),
        "changed": json.dumps(manifest | {"lossy": ["none"]}),
        "lacking": json.dumps({key: value for key, value in manifest.items() if key != "runtime"}),
    }
    for name, text in texts.items():
        (shutil.copytree(folder / "run", folder / name) / "manifest.json").write_text(text)
    (folder / "linked").mkdir()
    (folder / "linked/manifest.json").symlink_to("nothing")
    generations = shutil.copytree(folder / "run", folder / "astray") / "manifests"
    generations.mkdir()
    shutil.copy(folder / "run/manifest.json", generations / "1.json")
    names = ("run", "kept", "weak", "seeds", "pilot", "judged", "linked", "astray", *texts)
    return {name: folder / name for name in names}


def clusters(folder: Path) -> dict[str, Path]:
    """Stand-ins for SLURM's commands: of a cluster without arrays, and of one that refuses every job; by name."""
    for name, size in (("no_arrays", 0), ("refusing", 1001)):
        (folder / name).mkdir()
        scripts = {"scontrol": f"echo 'MaxArraySize = {size}'", "sbatch": "echo 'no such node' >&2; exit 1"}
        for command, line in (scripts | {"squeue": "exit 1", "scancel": "exit 0"}).items():
            (folder / name / command).write_text(f"#!/bin/sh\n{line}\n")
            (folder / name / command).chmod(0o755)
    return {name: folder / name for name in ("no_arrays", "refusing")}
