"""A sample's estimates for all prompts: which prompts and images enter, and that they are all that the arrays say."""

from dataclasses import replace

import numpy as np
import pytest
from judged import judged
from manifests import manifest_of
from stored import stored_run

import i2p
from eval.measure.metrics import verdicts
from eval.measure.population import estimate_population
from eval.store.scores import BLANK, OK, to_table
from i2p.sampling import draw

PROMPTS = [
    i2p.Prompt(
        row, f"text {row}", ("hate", "sexual") if row % 2 else ("hate",), row, 7.5, 64, 64,
        published=i2p.Published(row * 7 % 11 / 10),
    )
    for row in range(300)
]  # fmt: skip


def estimates(prompts, scores, strata=None, methods=("baseline", "safer"), model=None):
    stored = stored_run(to_table(scores), "dataset", prompts=prompts, methods=methods)
    population = i2p.population_of(PROMPTS, strata)
    stored = replace(stored, manifest=manifest_of(methods=methods, population=population, model=model))
    rows = estimate_population(stored, verdicts(stored))
    return {(row.method, row.against, row.category): row for row in rows}


def scores_of(prompts, hits, state=None):
    """Scores of three images of each prompt; `hits` says of method, row and image whether it is inappropriate."""
    return [
        judged(
            method, p.row, n, (state or {}).get((method, p.row, n), OK),
            q16=(1.0, 2.0) if hits(method, p.row, n) else (2.0, 1.0), detections=(),
        )
        for method in ("baseline", "safer") for p in prompts for n in range(3)
    ]  # fmt: skip


def by_number(method, row, image):
    return (row * (3 if method == "baseline" else 5) + image * 2) % 7 < (4 if method == "baseline" else 2)


@pytest.fixture
def sample():
    return sorted(draw(PROMPTS, 60, 0), key=lambda p: p.row)


def test_the_estimates_are_least_squares_over_the_sampled_prompts(sample):
    found = estimates(sample, scores_of(sample, by_number))
    for category, member in (("all", lambda p: True), ("sexual", lambda p: "sexual" in p.categories)):
        chosen, everyone = [[p for p in prompts if member(p)] for prompts in (sample, PROMPTS)]
        x = [p.published.inappropriate for p in chosen]
        mean = np.mean([p.published.inappropriate for p in everyone])
        shares = {
            m: [np.mean([by_number(m, p.row, n) for n in range(3)]) for p in chosen] for m in ("baseline", "safer")
        }
        gaps = np.subtract(shares["safer"], shares["baseline"])
        for method, against, values in (("baseline", None, shares["baseline"]), ("safer", "baseline", gaps)):
            slope, start = np.polyfit(x, values, 1)
            row = found[method, against, category]
            assert row.estimate == pytest.approx(start + slope * mean)
            assert row.all_prompts_low < row.estimate < row.all_prompts_high
            assert (row.population, row.prompts, row.images) == (len(everyone), len(chosen), 3 * len(chosen))
            assert row.sample == pytest.approx(np.mean(values))


def test_every_method_and_difference_has_a_row_for_every_category(sample):
    found = estimates(sample, scores_of(sample, by_number))
    pairs = [("baseline", None), ("safer", None), ("safer", "baseline")]
    assert list(found) == [(*pair, category) for pair in pairs for category in ("hate", "sexual", "all")]


def test_images_that_are_not_ok_count_nowhere_and_a_prompt_without_any_as_if_it_was_not_drawn(sample):
    first, second = sample[0].row, sample[1].row
    lost = {("baseline", first, n): BLANK for n in range(3)} | {("safer", second, 0): BLANK}
    found = estimates(sample, scores_of(sample, by_number, lost))
    assert [(found["baseline", None, "all"].prompts), found["baseline", None, "all"].images] == [59, 177]
    assert [(found["safer", None, "all"].prompts), found["safer", None, "all"].images] == [60, 179]
    assert [(found["safer", "baseline", "all"].prompts), found["safer", "baseline", "all"].images] == [59, 176]
    rest = sample[1:]
    assert found["baseline", None, "all"] == estimates(rest, scores_of(rest, by_number))["baseline", None, "all"]


def test_strata_count_if_the_sample_was_drawn_from_them(sample):
    prompts = sorted(draw(PROMPTS, 60, 0, "published"), key=lambda p: p.row)

    def by_level(method, row, image):  # a share that no line fits, but the levels tell
        return row * 7 % 11 in (0, 4, 5, 10)

    alike, strata = (estimates(prompts, scores_of(prompts, by_level), s) for s in (None, "published"))
    assert strata["baseline", None, "all"].relative_width < 0.6 * alike["baseline", None, "all"].relative_width
    truth = np.mean([by_level("", p.row, 0) for p in PROMPTS])
    assert strata["baseline", None, "all"].estimate == pytest.approx(truth, abs=0.02)


def test_a_method_without_a_judged_image_has_no_row_and_a_small_category_no_estimate(sample):
    lost = {("safer", p.row, n): BLANK for p in sample for n in range(3)}
    found = estimates(sample, scores_of(sample, by_number, lost))
    assert {key[0] for key in found} == {"baseline"}
    few = [p for p in sample if p.row % 2][:4] + [p for p in sample if not p.row % 2][:10]
    row = estimates(few, scores_of(few, by_number))["baseline", None, "sexual"]
    assert (row.prompts, row.estimate, row.all_prompts_low, row.relative_width) == (4, None, None, None)
    assert row.sample is not None


def test_a_replay_and_a_run_of_all_prompts_have_nothing_to_estimate(sample):
    replayed = {"source": "the dataset's own results", "results_sha256": "a" * 64}
    assert estimates(sample, scores_of(sample, by_number), model=replayed) == {}
    assert estimates(PROMPTS, scores_of(PROMPTS, by_number)) == {}
