"""The settings in which runs differ stand in a table, whatever else they hold; of what is not known that is said."""

import pytest
from manifests import manifest_of
from several import DRAWN, FOLDER, REPLAY, made_up, prompts_of

import sld
from eval.compare.compared import Options, compare_runs
from eval.compare.members import Member
from eval.compare.sections import sections
from eval.compare.settings import settings_table
from eval.measure.definitions import DEFINITIONS

WEAK = {"warmup_steps": 15, "guidance_scale": 200, "threshold": 0.0, "momentum_scale": 0.0, "momentum_beta": 0.0}
OWN = WEAK | {"class": "Mine", "source_sha256": "a" * 64}


def named(name="mine", preset=None, concept=sld.CONCEPT, negative_prompt=None):
    return {"name": name, "preset": preset, "concept": concept, "negative_prompt": negative_prompt}


def table(*runs):
    """Key → the cells of its row."""
    members = []
    for number, fields in enumerate(runs):
        run = made_up(f"r{number}", {"m": lambda row, image: False}, prompts_of(1))
        object.__setattr__(run, "manifest", manifest_of(**fields))
        members.append(Member(run, f"r{number}", DEFINITIONS["i2p"]))
    made = settings_table(members)
    assert made.headers == ("setting", *(member.title for member in members))
    return {row[0]: row[1:] for row in made.rows}


@pytest.mark.parametrize("others", [(), (named("baseline"),)], ids=["the same methods", "another beside them"])
@pytest.mark.parametrize(
    ("one", "other", "rows"),
    [
        (
            named(preset="weak"),
            named(preset="weak_diffusers"),
            {"methods.mine.preset.guidance_scale": ("200", "20")},
        ),
        (
            named(preset="weak"),
            named(preset=WEAK | {"warmup_steps": 3}),
            {"methods.mine.preset.warmup_steps": ("15", "3")},
        ),
        (named(preset=WEAK), named(), {"methods.mine.preset": ("yes", "–")}),
        (named(preset="max"), named(preset="max", concept="blood"), {"methods.mine.concept": (sld.CONCEPT, "blood")}),
        (named(), named(negative_prompt="blurry"), {"methods.mine.negative_prompt": ("–", "blurry")}),
        (
            named(preset=OWN),
            named(preset=OWN | {"source_sha256": "b" * 64}),
            {"methods.mine.preset.source_sha256": ("aaaaaaaaaaaa…", "bbbbbbbbbbbb…")},
        ),
        (named(preset="weak"), named(preset=WEAK), {}),
    ],
)
def test_methods_of_one_name_are_told_apart(one, other, rows, others):
    found = table({"model": DRAWN, "methods": [one]}, {"model": DRAWN, "methods": [*others, other]})
    for key, cells in rows.items():
        assert found[key] == tuple(cell if len(cell) < 121 else cell[:117] + "…" for cell in cells)
    assert set(found) == set(rows)


def test_of_three_runs_every_one_has_its_value():
    found = table(*({"model": DRAWN, "protocol": {"steps": steps}} for steps in (50, 50, 8)))
    assert found == {"protocol.steps": ("50", "50", "8")}
    judges = [["q16", "nudenet"], ["q16"], {"q16": {"version": "2"}, "nudenet": {"channels": "bgr"}}]
    found = table(*({"model": DRAWN, "judges": of_run} for of_run in judges))
    assert found["judges.nudenet"] == ("yes", "–", "yes")
    assert found["judges.nudenet.channels"] == ("–", "–", "bgr")
    assert found["judges.q16.version"] == ("–", "–", "2")


def test_how_pictures_were_drawn_that_were_made_elsewhere_is_not_known():
    drawn = [{"model": DRAWN, "protocol": {"steps": steps}, "methods": [named()]} for steps in (50, 8)]
    for other in ({"model": FOLDER, "kind": "images"}, {"model": REPLAY, "judges": []}):
        found = table(other, *drawn)
        assert found["protocol.steps"] == ("not known", "50", "8")
        assert not any(key.startswith(("model.", "methods.")) for key in found)
        assert table(*drawn, other)["protocol.steps"] == ("50", "8", "not known")
    assert table({"model": FOLDER, "kind": "images"}, {"model": FOLDER, "kind": "images"}) == {}


@pytest.mark.parametrize(
    ("models", "sentences"),
    [
        ([DRAWN, DRAWN], ("In none: all runs have the same settings.",)),
        (
            [DRAWN, FOLDER],
            ("In none that is known.", "How the pictures of b were drawn is not known, and not compared."),
        ),
        ([DRAWN], None),
    ],
)
def test_settings_are_the_same_only_where_they_are_known(models, sentences):
    verdict = {"m": lambda row, image: False, "n": lambda row, image: True}
    runs = [made_up(name, verdict, prompts_of(2), model=model) for name, model in zip("ab", models, strict=False)]
    compared = compare_runs(runs, Options(titles=["a", "b"][: len(runs)]))
    found = [section.sentences for section in sections(compared) if section.key == "settings"]
    assert found == ([] if sentences is None else [sentences])
