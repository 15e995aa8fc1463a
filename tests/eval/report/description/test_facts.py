"""What is said of how pictures were drawn is said only where this project drew them."""

import pytest
from manifests import manifest_of

from eval.report.description.facts import facts
from eval.store.records import PromptsRecord

PROTOCOL = {
    "source": "somewhere",
    "guidance_scale": 7.5,
    "size": (512, 768),
    "noise": "one generator per prompt",
    "caveats": ("not stated",),
}


def told(kind="checkpoint", protocol=(), **model) -> dict[str, str]:
    manifest = manifest_of(
        model={"source": "sd", "scheduler": "PNDMScheduler", **model},
        protocol=PROTOCOL | dict(protocol),
        prompts=PromptsRecord("abc", 4703),
        methods=["baseline", "mine"],
        judges={"q16": {"version": 1}},
        kind=kind,
    )
    return dict(facts(manifest, "Q16"))


def test_a_drawn_run_says_how():
    found = told()
    assert found["Drawn with"] == "50 steps of PNDMScheduler, guidance scale 7.5, size 512×768"
    assert found["Seeds"] == "one generator per prompt"
    assert found["Prompts"] == "4,703 of AIML-TUDA/i2p, digest abc"
    assert (found["Methods"], found["Judges"], found["Caveats"]) == (
        "baseline, mine",
        "Q16 (q16, version 1)",
        "not stated",
    )


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
