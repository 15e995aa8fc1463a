import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.base.errors import InputError
from eval.config.config_dir import CONF
from eval.judges import JUDGES, judge_class


def test_every_judge_is_found_by_its_own_name():
    for name in JUDGES:
        found = judge_class(name)
        assert found.name == name
        assert found.version
        assert callable(found.judge)
        assert callable(found.describe)


def test_the_help_says_of_its_settings_what_the_judge_says():
    text = (CONF / "hydra" / "help" / "i2p_bench.yaml").read_text(encoding="utf-8")
    for name in JUDGES:
        assert f"  {name:<14}{judge_class(name).help}\n" in text


def test_an_unknown_judge_is_answered_with_the_names():
    with pytest.raises(InputError, match=f"{', '.join(JUDGES)}, found 'nudnet'"):
        judge_class("nudnet")


def test_the_registry_and_the_flags_import_no_heavy_library():
    heavy = "{'torch', 'onnxruntime', 'cv2', 'open_clip', 'nudenet', 'PIL', 'safetensors'}"
    program = f"import sys, eval.judges, eval.measure.flags; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


ROOT = Path(__file__).resolve().parents[3]
MODULE = """
from dataclasses import dataclass

from eval.judges import Judge, Rule


@dataclass(frozen=True)
class BrightnessSettings:
    scale: float = 1.0


class Brightness(Judge):
    name, version, help = "brightness", "1", "how bright pictures are"
    settings, expects = BrightnessSettings, "a brightness"
    rules = (Rule("bright", "brightness above 0", "this test", lambda table: table["brightness"].to_numpy() > 0),)

    def __init__(self, scale):
        self.scale = scale

    @classmethod
    def columns(cls):
        import pyarrow as pa

        return {"brightness": pa.float64()}

    @classmethod
    def cells(cls, record):
        return {"brightness": record}

    @classmethod
    def is_record(cls, record):
        return record >= 0

    @classmethod
    def load(cls, settings, device, threads=None):
        return cls(settings.scale)

    def describe(self):
        return {"scale": self.scale}

    def judge(self, images):
        return [float(image.mean()) * self.scale for image in images]


JUDGE = Brightness
"""


def test_a_new_judge_is_one_module(tmp_path):
    """In a copy of the repository, of which nothing else is changed: its settings and its definition are in it."""
    for name in ("eval", "i2p", "sld", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    (tmp_path / "eval/judges/brightness.py").write_text(MODULE)
    (tmp_path / "pictures").mkdir()
    for row in range(2):
        noise = np.random.default_rng(row).integers(1, 256, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"pictures/{row}_0.png")
    words = ["model=images", "model.path=pictures", "prompts=demo", "prompts.rows=0-1", "sheet=false", "out=run"]
    done = subprocess.run(
        [sys.executable, "-m", "eval.run", *words, "judges=[nudenet,brightness]", "brightness.scale=2"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "\nbright,pictures,all,2,2,1.0," in (tmp_path / "run/report/definitions.csv").read_text()
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["identity"]["judges"]["brightness"] == {"name": "brightness", "version": "1", "scale": 2.0}
