import subprocess
import sys

import pytest

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
    with pytest.raises(InputError, match="q16, nudenet, found 'nudnet'"):
        judge_class("nudnet")


def test_the_registry_and_the_flags_import_no_heavy_library():
    heavy = "{'torch', 'onnxruntime', 'cv2', 'open_clip', 'nudenet', 'PIL', 'safetensors'}"
    program = f"import sys, eval.judges, eval.measure.flags; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
