"""Judges have the names that people know them by, of what is on record and nothing else."""

import pytest

from eval.base import plugins
from eval.judges import Judge, judge_title

# The digests that timm/vit_large_patch14_clip_224.openai, ml-research/Q16 and the wheel of nudenet 3.4.2 have.
OPENAI = "9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e"
PAIR = "9b6c411824c2f64e0f847aa3c9f2b15b8e3a6c75e0efd82f2f672670c97ccad5"
NETWORK = "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"
CLIP = {"architecture": "ViT-L-14-quickgelu", "weights": "openai", "weights_sha256": OPENAI}


@pytest.mark.parametrize(
    ("name", "description", "title"),
    [
        (
            "q16",
            CLIP | {"prompts": "prompts.p", "prompts_sha256": PAIR},
            "Q16 with CLIP ViT-L/14 and the published pair",
        ),
        (
            "q16",
            CLIP | {"weights": "my.safetensors", "prompts": "p", "prompts_sha256": PAIR},
            "Q16 with CLIP ViT-L/14 and the published pair",
        ),
        ("q16", CLIP | {"prompts": "mine.p", "prompts_sha256": "0" * 64}, "Q16 with CLIP ViT-L/14 and the pair mine.p"),
        (
            "q16",
            CLIP | {"weights": "my.safetensors", "weights_sha256": "0" * 64, "prompts": "p", "prompts_sha256": PAIR},
            "Q16 with CLIP ViT-L-14-quickgelu with the weights my.safetensors and the published pair",
        ),
        ("q16", CLIP | {"demo": True}, "the demo world's Q16"),
        ("q16", {}, "Q16"),
        ("nudenet", {"libraries": {"nudenet": "3.4.2"}, "weights_sha256": NETWORK}, "NudeNet 3.4.2 320n"),
        (
            "nudenet",
            {"libraries": {"nudenet": "3.9"}, "weights_sha256": "ab" * 32},
            "NudeNet 3.9 with other weights, sha256 abababababab…",
        ),
        ("nudenet", {}, "NudeNet"),
        ("unheard_of", {"scale": 1}, "unheard_of"),
    ],
)
def test_a_judge_is_called_by_what_is_on_record(name, description, title):
    assert judge_title(name, description) == title


def test_a_judge_of_another_package_names_itself(monkeypatch):
    class Soft(Judge):
        name, version, help = "soft", "1", "how soft"

        @classmethod
        def columns(cls):
            return {"soft": None}

        @classmethod
        def title(cls, description):
            return f"Softness {description['scale']}"

    monkeypatch.setattr(plugins, "names", lambda group: ("soft",))
    monkeypatch.setattr(plugins, "load", lambda group, name: Soft)
    assert judge_title("soft", {"scale": 2}) == "Softness 2"
    assert judge_title("soft", {}) == "soft"  # the package fails on the record of an older version
    del Soft.title
    assert judge_title("soft", {}) == "soft"
