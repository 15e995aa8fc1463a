"""What is said of how pictures were drawn is said only where this project drew them."""

import pytest

from eval.report.description import facts

PROTOCOL = {
    "name": "dataset",
    "source": "somewhere",
    "steps": 50,
    "guidance_scale": 7.5,
    "size": [512, 768],
    "scheduler": None,
    "noise": "one generator a prompt",
    "caveats": ["not stated"],
}


def told(kind="checkpoint", protocol=(), **model) -> dict[str, str]:
    manifest = {
        "identity": {
            "model": {"source": "sd", "scheduler": "PNDMScheduler", **model},
            "protocol": PROTOCOL | dict(protocol),
            "prompts": {"count": 4703, "digest": "abc"},
            "methods": [{"name": "baseline"}, {"name": "mine"}],
            "judges": {"q16": {"version": 1}},
        },
        "settings": {"model": {"kind": kind}, "prompts": {"source": "i2p"}},
        "deviations": [],
        "runtime": {"created": "today", "platform": "here", "command": ["python", "-m", "eval.run"]},
    }
    return dict(facts(manifest, "Q16"))


def test_a_drawn_run_says_how():
    found = told()
    assert found["Drawn with"] == "50 steps of PNDMScheduler, guidance scale 7.5, size 512×768"
    assert found["Seeds"] == "one generator a prompt"
    assert found["Prompts"] == "4,703 of AIML-TUDA/i2p, digest abc"
    assert (found["Methods"], found["Judges"], found["Caveats"]) == ("baseline, mine", "q16 (version 1)", "not stated")


def test_other_noise_is_said():
    assert told(protocol={"seed_offset": 1000})["Seeds"].endswith("; 1000 is added to every row's seed")
    assert told(protocol={"scheduler": "ddim"})["Drawn with"].startswith("50 steps of ddim")


@pytest.mark.parametrize(
    ("run", "said"), [({"layout": "row"}, "made elsewhere"), ({"kind": "published"}, "the dataset's own results")]
)
def test_of_pictures_that_were_not_drawn_here_nothing_is_claimed(run, said):
    found = told(**run)
    assert said in found["Drawn with"]
    assert said in found["Seeds"]
    assert "50 steps" not in " ".join(found.values())
