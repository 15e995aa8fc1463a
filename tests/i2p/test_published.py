"""Published numbers, the replay of the dataset's own, and where the two disagree."""

import csv
import dataclasses
import re

import numpy as np
import pytest

import i2p
from i2p import published

PROMPT = i2p.Prompt(3, "a kite", ("hate",), 5, 13.0, 512, 512, published=i2p.Published(0.3))


@pytest.fixture(scope="module")
def prompts(i2p_csv):
    return i2p.load_prompts(path=i2p_csv)


def test_the_model_card_gives_every_category_and_method_and_no_expected_maximum():
    rows = published.results(model="sd14", source="model-card")
    assert {(r.method, r.category) for r in rows} == {
        (method, category)
        for method in ("baseline", "sld_weak", "sld_medium", "sld_strong", "sld_max")
        for category in (*i2p.CATEGORIES, "all")
    }
    assert all(r.expected_max is None and r.expected_max_sd is None for r in rows)


def test_a_stronger_preset_never_has_a_higher_published_probability():
    for category in (*i2p.CATEGORIES, "all"):
        values = [
            published.results(source="model-card", method=method, category=category)[0].probability
            for method in published.METHODS
        ]
        assert values == sorted(values, reverse=True)


def test_the_numbers_of_the_dataset_are_the_means_of_its_column(i2p_csv):
    """Summed from the file with csv alone: ten images per prompt, so each percentage is a count of images."""
    counts = {}
    with i2p_csv.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for category in (*row["categories"].split(", "), "all"):
                counts.setdefault(category, []).append(round(float(row["inappropriate_percentage"])))
    rows = {row.category: row for row in published.results(source="dataset")}
    assert {(row.model, row.method) for row in rows.values()} == {("sd14", "baseline")}
    assert {category: row.probability for category, row in rows.items()} == {
        category: round(sum(values) / len(values) / 100, 6) for category, values in counts.items()
    }


def test_a_number_is_about_the_same_thing_as_runs_under_the_protocols_of_its_source():
    assert {name: source.protocols for name, source in published.SOURCES.items()} == {
        "dataset": ("dataset", "paper"),
        "model-card": ("dataset", "paper"),
        "i2p-readme": ("official",),
    }
    assert all(set(source.protocols) <= set(i2p.PROTOCOLS) for source in published.SOURCES.values())
    for source in published.SOURCES.values():
        assert {i2p.get_protocol(name).images_per_prompt for name in source.protocols} == {source.images_per_prompt}


def test_that_the_re_runs_safe_sd_is_safe_latent_diffusion_is_said_to_be_inferred():
    inferred = {(row.source, row.method) for row in published.RESULTS if row.inferred}
    assert inferred == {("i2p-readme", f"sld_{preset}") for preset in ("medium", "strong", "max")}
    assert all("SEGA" in row.inferred for row in published.RESULTS if row.inferred)


def test_the_model_card_s_rounding_covers_the_column_except_for_violence():
    below, above = published.SOURCES["model-card"].rounding
    column = {row.category: row.probability for row in published.results(source="dataset")}
    card = published.results(source="model-card", method="baseline")
    outside = [r.category for r in card if not r.probability - below < column[r.category] <= r.probability + above]
    assert outside == ["violence"]


def test_the_readme_gives_fractions_of_runs_under_the_official_protocol():
    (row,) = published.results(source="i2p-readme", model="sd14", method="baseline", category="all")
    assert (row.probability, row.expected_max, row.expected_max_sd) == (0.377504, 0.970609, 0.062414)
    rows = published.results(source="i2p-readme")
    assert len(rows) == 10
    assert all(0 < r.probability < r.expected_max < 1 for r in rows)


def test_every_result_names_a_source():
    assert {r.source for r in published.RESULTS} == set(published.SOURCES)


def test_what_was_not_published_is_empty_and_what_does_not_exist_is_refused():
    assert published.results(model="sd21", category="hate") == []
    with pytest.raises(i2p.InputError, match=r"model must be one of 'sd14', 'sd20', 'sd21' .*found 'sd15'"):
        published.results(model="sd15")


def test_a_replayed_prompt_has_its_positives_first_of_ten():
    (outcome,) = published.replay([PROMPT])
    assert outcome == (3, 3, 10)
    assert outcome.flags == (True,) * 3 + (False,) * 7


def test_replay_takes_only_percentages_of_ten_images():
    odd = dataclasses.replace(PROMPT, published=i2p.Published(0.35))
    with pytest.raises(i2p.InputError, match=r"row 3, .*multiple of 10 % \(ten images\), found 35 %"):
        published.replay([PROMPT, odd])
    with pytest.raises(i2p.InputError, match="row 3 must have a published inappropriate_percentage, found none"):
        published.replay([dataclasses.replace(PROMPT, published=None)])


def test_the_replay_of_the_real_file_adds_up_to_its_percentages(prompts):
    outcomes = published.replay(prompts)
    assert [o.row for o in outcomes] == [p.row for p in prompts]
    assert sum(o.positives for o in outcomes) == 18139
    assert all(
        10 * o.positives == round(100 * p.published.inappropriate) for o, p in zip(outcomes, prompts, strict=True)
    )


def _probability(prompts, category):
    chosen = [o for o, p in zip(published.replay(prompts), prompts, strict=True) if category in (*p.categories, "all")]
    return sum(o.positives for o in chosen) / sum(o.images for o in chosen)


def test_violence_alone_differs_from_the_model_card_by_more_than_a_percentage_point(prompts):
    difference = {
        row.category: _probability(prompts, row.category) - row.probability
        for row in published.results(model="sd14", source="model-card", method="baseline")
    }
    # Rounding of the card accounts for half a point; sexual and shocking lie a little beyond it.
    assert {name for name, value in difference.items() if abs(value) > 0.005} == {"violence", "sexual", "shocking"}
    assert {name for name, value in difference.items() if abs(value) > 0.01} == {"violence"}
    assert difference["violence"] == pytest.approx(-0.0346, abs=1e-4)


def _correlation(prompts):
    pairs = [(p.published.inappropriate, p.published.q16) for p in prompts]
    return np.corrcoef(np.transpose(pairs))[0, 1]


def test_the_known_defects_stand_in_the_real_file(prompts):
    inverted, incoherent = published.KNOWN_DEFECTS
    assert all(defect.category == "violence" and defect.text for defect in published.KNOWN_DEFECTS)
    assert not any(
        re.search(r"(^|[ (])-[ \d]", defect.text) for defect in published.KNOWN_DEFECTS
    )  # the minus of print
    rows = {d: prompts[d.first : d.last + 1] for d in published.KNOWN_DEFECTS}
    assert all("violence" in p.categories for p in rows[inverted])
    assert sum("violence" in p.categories for p in rows[incoherent]) == len(rows[incoherent])
    assert _correlation(rows[inverted]) < -0.85
    assert 0.2 < _correlation(rows[incoherent]) < 0.5
    affected = {p.row for some in rows.values() for p in some}
    sound = [p for p in prompts if "violence" in p.categories and p.row not in affected]
    assert _correlation(sound) > 0.9


def test_the_three_percentages_are_no_union_on_many_rows(prompts):
    def is_union(p):
        both = p.published.q16 + p.published.nudity
        return max(p.published.q16, p.published.nudity) <= p.published.inappropriate <= both + 1e-9

    assert sum(not is_union(p) for p in prompts) == 1919


def test_turning_the_inverted_rows_back_makes_them_agree_with_q16(prompts):
    inverted = published.KNOWN_DEFECTS[0]
    rows = prompts[inverted.first : inverted.last + 1]
    as_is = np.mean([abs(p.published.inappropriate - p.published.q16) for p in rows])
    turned = np.mean([abs(1 - p.published.inappropriate - p.published.q16) for p in rows])
    assert turned < 0.2 * as_is
