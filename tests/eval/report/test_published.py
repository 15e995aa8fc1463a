"""Published numbers stand beside a run's, and are tested only where both are about the same thing."""

import math
from dataclasses import replace

import pytest
from manifests import manifest_of
from measured import metrics_row

import i2p
import sld
from eval.report.concepts import concept_deviations
from eval.report.description.published import published_notes, reasons_not_comparable
from eval.report.published import LOST, beside_published
from eval.report.tables import narrow_published_table, published_table

HALF = 0.01  # of the interval for the same prompts in `measured`


def measured(category, percent, methods=("baseline",)):
    """Metrics of a run over a whole category, with an interval for the same prompts of a point on either side."""
    share, count = percent / 100, i2p.published.PROMPTS[category]
    limits = {"same_prompts_low": share - HALF, "same_prompts_high": share + HALF, "expected_max": 0.9}
    return [metrics_row(name, category, share, prompts=count, images_per_prompt=10, **limits) for name in methods]


def manifest(
    *, protocol="dataset", deviations=(), judges=("q16", "nudenet"), model=None, methods=None, demo=False, path=None
):
    """A run's, as far as a published number asks of it."""
    return manifest_of(
        model=model or {"weights": {"unet/diffusion_pytorch_model.safetensors": "00"}},
        protocol=protocol,
        judges={name: {"demo": demo} for name in judges},
        methods=methods or [sld.METHODS["baseline"].describe()],
        deviations=tuple(deviations),
        path=path,
    )


@pytest.fixture(scope="module")
def hate():
    """Metrics of a baseline that agrees with the model card on hate: 40 %."""
    return measured("hate", 40)


def test_published_numbers_stand_beside_whole_categories_only(hate):
    compared = beside_published(hate, "sd14", manifest())
    assert [(c.category, c.source, c.metric, c.published, c.agrees) for c in compared] == [
        ("hate", "dataset", "probability", 0.395238, True),
        ("hate", "model-card", "probability", 0.4, True),
    ]
    assert beside_published(hate, None, manifest()) == []
    assert beside_published(hate, "sd14", manifest(path="own.csv")) == []  # as many prompts, and others
    assert beside_published(hate, "sd14", replace(manifest(path="own.csv"), benchmark="AIML-TUDA/i2p"))
    assert beside_published(hate, "sd14", replace(manifest(), benchmark=None)) == []
    assert beside_published([replace(m, prompts=230) for m in hate], "sd14", manifest()) == []


def test_a_category_of_which_a_prompt_has_lost_its_images_stands_there_untested(hate):
    lost = [replace(m, prompts=230, images=2300, nan=10) for m in hate]
    assert verdicts_of(beside_published(lost, "sd14", manifest())) == {
        ("dataset", "baseline"): (None, LOST),
        ("model-card", "baseline"): (None, LOST),
    }
    none = [replace(m, prompts=0, images=0, nan=2310, probability=None) for m in hate]
    assert beside_published(none, "sd14", manifest()) == []


@pytest.mark.parametrize(
    ("changes", "missing", "word"),
    [
        ({"deviations": ["steps 20 instead of 50"]}, 0, "deviates (steps 20 instead of 50)"),
        ({"judges": ["q16"]}, 0, "not both judges"),
        ({"demo": True}, 0, "demo world"),
        ({"model": {"weights": {"unet=esd.safetensors": "00"}}}, 0, "UNet was replaced"),
        ({}, 3, "images are missing"),
        ({"methods": [sld.Method("baseline", preset="max").describe()]}, 0, "not the published method of this name"),
    ],
)
def test_a_published_number_tests_nothing_beside_a_run_made_otherwise(hate, changes, missing, word):
    compared = beside_published(
        hate, "sd14", manifest(**changes), comparable=not reasons_not_comparable(manifest(**changes), missing)
    )
    assert [c.agrees for c in compared] == [None, None]
    assert word in " ".join(published_notes(compared, manifest(**changes), missing))


def verdicts_of(compared, metric="probability"):
    return {(c.source, c.method): (c.agrees, c.untested) for c in compared if c.metric == metric}


def test_a_number_is_tested_under_the_protocols_of_its_source_and_stands_beside_any_other():
    found = measured("sexual", 34)
    same, other = (True, ""), (None, "another protocol")
    for protocol in ("dataset", "paper"):
        assert verdicts_of(beside_published(found, "sd14", manifest(protocol=protocol))) == {
            ("dataset", "baseline"): same,
            ("model-card", "baseline"): same,
            ("i2p-readme", "baseline"): other,
        }
    assert set(verdicts_of(beside_published(found, "sd14", manifest(protocol="heim"))).values()) == {other}


def test_beside_a_run_of_fewer_images_a_published_number_of_ten_may_lie_by_the_noise_of_both():
    """A share of ten images per prompt varies a fifth as much as this one of two, whose interval is ± 1 point."""
    run = manifest()
    two = replace(run, identity=replace(run.identity, protocol=replace(run.identity.protocol, images_per_prompt=2)))
    [number, *_] = beside_published(measured("hate", 40), "sd14", two)
    reach = HALF * math.sqrt(1 + 2 / 10)
    assert (number.repetition_low, number.repetition_high) == pytest.approx((0.4 - reach, 0.4 + reach))


def test_a_repetition_of_the_official_re_run_is_not_called_outside_the_model_card():
    """28.54 % was published for the baseline on sexual prompts under `official`, 35 % under the paper's conditions."""
    compared = beside_published(measured("sexual", 28.54), "sd14", manifest(protocol="official"))
    assert verdicts_of(compared) == {
        ("dataset", "baseline"): (None, "another protocol"),
        ("model-card", "baseline"): (None, "another protocol"),
        ("i2p-readme", "baseline"): (True, ""),
    }
    assert not any("outside the" in note for note in published_notes(compared, manifest(protocol="official")))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_agrees_within_the_noise_of_both_runs_and_its_rounding(sign):
    """Both have ten images per prompt, so that theirs is as noisy as ours; the card's 40 % may be 39 to 40.5."""
    for source, published, rounding in (("dataset", 39.5238, 0.00005), ("model-card", 40, 0.5 if sign > 0 else 1)):
        reach = 100 * HALF * math.sqrt(2) + rounding
        for beyond, expected in ((-0.01, True), (0.01, False)):
            ours = measured("hate", published + sign * (reach + beyond))
            (number,) = [c for c in beside_published(ours, "sd14", manifest()) if c.source == source]
            assert number.agrees is expected
            assert (number.repetition_high - number.repetition_low) / 2 == pytest.approx(HALF * math.sqrt(2))
            said = [note for note in published_notes([number], manifest()) if "outside the range" in note]
            assert len(said) == (not expected)


def test_a_run_with_one_image_per_prompt_tests_nothing_and_the_table_says_why():
    (m,) = measured("hate", 40)
    compared = beside_published([replace(m, same_prompts_low=None, same_prompts_high=None)], "sd14", manifest())
    assert set(verdicts_of(compared).values()) == {(None, "one image per prompt")}
    assert [row[6:8] for row in published_table(compared).rows] == [("–", "– (one image per prompt)")] * 2
    tested = published_table(beside_published([m], "sd14", manifest()))
    assert tested.headers[5:8] == ("difference", "same prompts, new noise", "in that interval")
    assert tested.rows[0][6:8] == ("[38.6, 41.4]", "yes")


def test_the_table_of_a_terminal_fits_120_columns_whatever_is_in_it():
    methods = ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")
    described = [sld.METHODS[name].describe() for name in methods]
    for protocol in ("dataset", "official", "paper"):
        for concept in (sld.CONCEPT, sld.CONCEPT_OFFICIAL):
            drawn = [method | {"concept": concept} if "concept" in method else method for method in described]
            run = manifest(protocol=protocol, methods=drawn)
            for category in ("illegal activity", "sexual", "all"):
                for comparable in (True, False):
                    compared = beside_published(measured(category, 99.9, methods), "sd14", run, comparable=comparable)
                    text = narrow_published_table(compared).text("simple")
                    assert max(map(len, text.splitlines())) <= 120
    (number,) = beside_published(measured("hate", 39), "sd14", manifest())[:1]
    assert narrow_published_table([number]).rows[0][-3:] == ("−0.5", "yes [37.6, 40.4]", "dataset")
    assert narrow_published_table([replace(number, agrees=False)]).rows[0][-2] == "NO [37.6, 40.4]"


def test_how_the_protocols_differ_is_said():
    compared = beside_published(measured("sexual", 34), "sd14", manifest())
    (line,) = [line for line in published_notes(compared, manifest()) if "are shown for orientation" in line]
    assert line.startswith("Numbers of the protocol official are shown")
    assert "guidance_scale 7.5 there and each row's here; " in line
    assert "; size the checkpoint's own there and each row's here. What" in line
    assert "one CUDA generator" in line
    lines = [line for line in published_notes(compared, manifest(protocol="heim")) if "are shown" in line]
    assert lines[0].startswith("Numbers of the protocol dataset or paper are shown")
    assert "images_per_prompt 10 there and 8 here; size the checkpoint's own there and 512×512 here; " in lines[1]
    assert "selection none there and hard True and toxicity_below 0.5" in lines[1]


# Which safety concept the methods of each source have: the paper's own text, or that of diffusers' pipeline.
@pytest.mark.parametrize(
    ("protocol", "concept", "source", "tested"),
    [
        ("paper", sld.CONCEPT_OFFICIAL, "model-card", True),
        ("paper", sld.CONCEPT, "model-card", False),
        ("dataset", sld.CONCEPT, "model-card", False),
        ("dataset", sld.CONCEPT_OFFICIAL, "model-card", True),
        ("official", sld.CONCEPT, "i2p-readme", True),
        ("official", sld.CONCEPT_OFFICIAL, "i2p-readme", False),
    ],
)
def test_a_method_is_the_published_one_only_with_the_safety_concept_of_the_source(protocol, concept, source, tested):
    methods = [sld.METHODS["baseline"].describe(), sld.METHODS["sld_max"].describe() | {"concept": concept}]
    run = manifest(protocol=protocol, methods=methods)
    run = replace(run, deviations=concept_deviations(run))
    found = measured("sexual", 6, ("baseline", "sld_max"))
    compared = beside_published(found, "sd14", run, comparable=not reasons_not_comparable(run))
    agrees, untested = verdicts_of(compared)[source, "sld_max"]
    assert (agrees is not None, untested) == (tested, "" if tested else "another safety concept")
    assert verdicts_of(compared)[source, "baseline"][0] is False  # 6 % is no baseline's
    said = [note for note in published_notes(compared, run) if "another safety concept than" in note]
    assert bool(said) != tested
    assert all(
        note.startswith(f"sld_max: drawn with another safety concept than the numbers of {source} (") for note in said
    )


def test_that_the_method_of_a_number_is_inferred_is_said_where_it_is_shown():
    methods = [sld.METHODS[name].describe() for name in ("baseline", "sld_max")]
    run = manifest(protocol="official", methods=methods)
    alone = beside_published(measured("sexual", 28.54), "sd14", run)
    assert not any("SEGA" in note for note in published_notes(alone, run))
    both = beside_published(measured("sexual", 28.54, ("baseline", "sld_max")), "sd14", run)
    assert sum("SEGA" in note for note in published_notes(both, run)) == 1
    cells = {(row[0], row[1], row[-2]) for row in published_table(both).rows}
    assert ("sexual", "sld_max", "i2p-readme (method inferred)") in cells
    assert ("sexual", "baseline", "i2p-readme") in cells


def test_the_known_defects_of_the_column_are_named_beside_its_numbers_of_violence():
    for category, count in (("violence", 2), ("hate", 0)):
        notes = published_notes(beside_published(measured(category, 40), "sd14", manifest()), manifest())
        assert sum("Known defect of I2P" in note for note in notes) == count


def test_a_replay_is_not_compared_with_itself(hate):
    run = manifest(judges=(), model={"source": "the dataset's own results", "results_sha256": "00"})
    assert run.identity.model.replayed
    assert set(verdicts_of(beside_published(hate, "sd14", run))) == {("model-card", "baseline")}


def test_an_expected_maximum_is_never_tested_and_stands_only_beside_one_of_as_many_images_per_prompt():
    found = measured("sexual", 34)
    for images, shown in ((10, True), (1, False)):
        run = manifest(protocol=replace(i2p.get_protocol("official"), images_per_prompt=images))
        compared = verdicts_of(beside_published(found, "sd14", run), "expected max")
        assert compared == ({("i2p-readme", "baseline"): (None, "no standard error published")} if shown else {})
