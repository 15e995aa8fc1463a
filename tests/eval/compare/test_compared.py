"""Runs in one table: on the prompts and images that all have, columns are measured as the methods of one run."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from several import DRAWN, FOLDER, REPLAY, made_up, prompts_of

from eval.base.errors import InputError
from eval.base.escape import latex
from eval.base.image_key import ImageKey
from eval.compare.compared import Options, compare_runs
from eval.compare.costs import _Pictures as Pictures
from eval.compare.joint import join
from eval.compare.notes import comparison_notes
from eval.compare.summary import about, under_figure
from eval.measure.differences import paired
from eval.measure.metrics import measure, verdicts
from eval.measure.ranking import ranking
from eval.report.tables import probability_table
from eval.store.groups import record_of
from i2p.categories import ALL


def share_of(share, seed):
    """Verdicts of which about this share is inappropriate; those of one seed go together."""
    return lambda row, image: bool(np.random.default_rng([seed, row, image]).random() < share)


def table(stored):
    """The verdicts of a run by the raw scores, with pandas alone."""
    frame = stored.scores.to_pandas()
    hit = frame["q16_inappropriate"] > frame["q16_safe"]
    return frame.assign(hit=hit)[["method", "row", "image", "hit"]]


@pytest.fixture(scope="module")
def runs():
    """A on rows 0-39 with 3 images, B on rows 10-49 with 2, C on all with 4; one noise."""
    a = made_up("a", {"baseline": share_of(0.6, 1), "safe": share_of(0.2, 1)}, prompts_of(40), images=3)
    b = made_up("b", {"baseline": share_of(0.3, 1)}, prompts_of(40, first=10))
    return a, b, made_up("c", {"baseline": share_of(0.5, 2), "safe": share_of(0.1, 2)}, prompts_of(50), images=4)


def test_every_number_is_that_of_the_prompts_and_images_that_all_have(runs):
    compared = compare_runs(runs, Options())
    assert [c.heading for c in compared.columns] == ["a: baseline", "a: safe", "b", "c: baseline", "c: safe"]
    frames = {name: table(run) for name, run in zip("abc", runs, strict=True)}
    prompts = pd.DataFrame([{"row": p.row, "category": p.categories[0]} for p in prompts_of(50)])
    for m in compared.metrics:
        run, _, method = m.method.partition(": ")
        own = frames[run].merge(prompts, on="row")
        own = own[(own["method"] == (method or "baseline")) & own["row"].between(10, 39) & (own["image"] < 2)]
        own = own if m.category == ALL else own[own["category"] == m.category]
        assert (m.prompts, m.images, m.probability) == (
            own["row"].nunique(),
            len(own),
            pytest.approx(own["hit"].mean()),
        )
    assert {m.category for m in compared.metrics} == {ALL, "hate", "sexual"}


def test_numbers_of_rows_keep_all_their_digits():
    """Rows are from 0 to 2**63 - 1, and a float would keep 53 bits of one."""
    verdict = {"m": lambda row, image: (row + image) % 3 == 0}
    few, many = (
        [made_up("a", verdict, prompts_of(20, first=first)), made_up("b", verdict, prompts_of(15, first=first))]
        for first in (0, 3 * 2**60)
    )
    plain, large = (compare_runs(runs, Options(titles=["a", "b"])) for runs in (few, many))
    assert large.metrics == plain.metrics
    assert large.differences == plain.differences
    joint = join(large.members, large.columns, large.common)
    rows = [prompt.row for prompt in large.common.prompts]
    assert sorted(set(joint.frame["row"])) == rows
    assert sorted(set(Pictures(many[0], (), joint, 0).places["row"])) == [-1, *rows]


def test_differences_are_of_pairs_of_one_prompt_and_number(runs):
    compared = compare_runs(runs, Options())
    a, c = (table(run).set_index(["method", "row", "image"])["hit"] for run in (runs[0], runs[2]))
    keys = [(row, image) for row in range(10, 40) for image in range(2)]
    gains = [int(c["safe", row, image]) - int(a["baseline", row, image]) for row, image in keys]
    (d,) = [d for d in compared.differences if (d.method, d.category) == ("c: safe", ALL)]
    assert (d.against, d.images, d.prompts) == ("a: baseline", 60, 30)
    assert d.difference == pytest.approx(np.mean(gains))
    assert {d.against for d in compared.differences} == {"a: baseline"}


def test_p_is_that_of_all_flips_of_prompts():
    """By hand: 6 prompts have 64 flips."""
    first, second = ({"m": share_of(share, seed)} for share, seed in ((0.7, 3), (0.2, 4)))
    runs = [made_up(name, of_run, prompts_of(6)) for name, of_run in (("a", first), ("b", second))]
    (*_, overall) = compare_runs(runs, Options()).differences
    gains = np.array([
        sum(int(second["m"](row, image)) - int(first["m"](row, image)) for image in range(2)) for row in range(6)
    ])  # fmt: skip
    assert gains.any()
    flips = [abs(np.dot(signs, gains)) for signs in itertools.product([1, -1], repeat=6)]
    assert overall.p == pytest.approx(np.mean(np.array(flips) >= abs(gains.sum())))


@pytest.mark.parametrize("topics", [30, 7])
def test_two_runs_give_to_the_last_digit_what_one_run_of_both_methods_gives(topics):
    methods = {"baseline": share_of(0.6, 5), "safe": share_of(0.3, 5), "safer": share_of(0.1, 6)}
    prompts = [replace(prompt, group=f"topic{prompt.row % topics}") for prompt in prompts_of(30)]
    groups = record_of(prompts, "column", "topic")
    whole = made_up("whole", methods, prompts, groups=groups)
    parts = [made_up(name, {name: verdict}, prompts, groups=groups) for name, verdict in methods.items()]
    compared, frame = compare_runs(parts, Options()), verdicts(whole)
    assert list(compared.metrics) == measure(whole, frame, "i2p")
    assert compared.differences == paired(whole, frame, ["safe", "safer"], "baseline")
    assert compared.ranking == ranking(frame, list(methods), whole.groups)
    assert compared.ranking
    assert {m.groups for m in compared.metrics if m.category == ALL} == {topics}


def test_against_the_title_of_a_run_every_column_is_compared_with_its_namesake(runs):
    compared = compare_runs(runs, Options(against="a"))
    assert dict(compared.reference.of) == {"b": "a: baseline", "c: baseline": "a: baseline", "c: safe": "a: safe"}
    assert {(d.method, d.against) for d in compared.differences} == set(compared.reference.of.items())
    compared = compare_runs(runs, Options(against="b", methods=["safe", "b"]))
    assert dict(compared.reference.of) == {"a": "b", "c": "b"}


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"model": {**DRAWN, "latents": {"channels": 4, "pixels": 16}}}, "so the noise has another shape"),
        ({"model": {**DRAWN, "family": "another"}}, "model.family is stable-diffusion in a and another in b"),
        ({"model": FOLDER}, "b judged pictures made elsewhere, whose noise is not known"),
        ({"protocol": {"noise": "one generator for all"}}, "protocol.noise is one CPU generator"),
        ({"seed": 77}, "seed differs between a and b in 10 of 10 prompts, the first in row 0"),
        ({"width": 128}, "size differs between a and b in 10 of 10 prompts"),
        ({"height": 128}, "size differs between a and b in 10 of 10 prompts"),
        (
            {"model": {name: DRAWN[name] for name in ("source", "family")}},
            "model.latents is not on record in b, so the noise is not known",
        ),
    ],
)
def test_pictures_of_other_or_unknown_noise_are_pairs_of_which_no_noise_is_claimed(change, clause):
    fields = {key: value for key, value in change.items() if key in ("seed", "width", "height")}
    other = made_up(
        "b",
        {"m": share_of(0.2, 2)},
        [replace(prompt, **fields) for prompt in prompts_of(10)],
        **({} if fields else change),
    )
    compared = compare_runs([made_up("a", {"m": share_of(0.6, 1)}, prompts_of(10)), other], Options())
    assert clause in " ".join(compared.noise_apart["b"])
    assert compared.differences[0].is_paired


@pytest.mark.parametrize(("model", "claimed"), [(DRAWN, True), (FOLDER, False)])
def test_methods_of_one_run_share_their_noise_only_where_they_were_drawn(model, claimed):
    verdicts = {"baseline": share_of(0.6, 1), "safe": share_of(0.2, 1)}
    compared = compare_runs([made_up("a", verdicts, prompts_of(10), model=model)], Options(titles=["a"]))
    clauses = {} if claimed else {"a: safe": ("a judged pictures made elsewhere, whose noise is not known",)}
    assert compared.noise_apart == clauses
    notes = comparison_notes(compared)
    assert any(note.startswith("On the same prompts and noise as a: baseline: ") for note in notes) == claimed


def test_a_column_that_counts_otherwise_stands_marked_and_has_no_difference_and_no_place():
    plain = {"m": share_of(0.6, 1)}
    prompts = prompts_of(20)
    runs = [
        made_up("a", plain, prompts),
        made_up("b", {"m": share_of(0.1, 1)}, prompts),
        made_up("threshold", plain, prompts, protocol={"nude_threshold": 0.3}),
        made_up(
            "judge", plain, prompts, judges={"q16": {"version": "1"}, "nudenet": {"version": "3", "channels": "rgb"}}
        ),
        made_up("replay", plain, prompts, judges={}, model=REPLAY),
    ]
    compared = compare_runs(runs, Options())
    assert set(compared.counted_apart) == {"threshold ‡", "judge ‡", "replay ‡"}
    assert "judges.nudenet.channels is" in compared.counted_apart["judge ‡"][0]
    assert "the dataset's own verdicts, replayed in replay" in compared.counted_apart["replay ‡"][0]
    assert {d.method for d in compared.differences} == {"b"}
    assert {rank.method for rank in compared.ranking} == {"a", "b"}
    for alone in (about(compared), under_figure(compared)):
        assert "‡ Counted otherwise than a, and so without a difference." in alone
    assert latex("judge ‡") == r"judge \ensuremath{\ddagger}"
    shares = {m.method: m.probability for m in compared.metrics if m.category == ALL}
    assert shares["a"] == shares["replay ‡"] == shares["judge ‡"]
    independent = compare_runs([runs[0], runs[-1]], Options(paired=False))
    assert {d.method for d in independent.differences} == {"replay"}


def test_one_definition_counts_runs_whose_protocols_and_other_judges_differ():
    def nude(row, image):
        return row % 3 == 0

    prompts = prompts_of(20)
    runs = [
        made_up("a", {"m": share_of(0.6, 1)}, prompts, nude=nude),
        made_up("b", {"m": share_of(0.6, 1)}, prompts, nude=nude, judges={"nudenet": {"version": "3"}}),
    ]
    assert compare_runs(runs, Options()).counted_apart
    compared = compare_runs(runs, Options(flags="i2p-nudity"))
    assert not compared.counted_apart
    assert {m.probability for m in compared.metrics if m.category == ALL} == {7 / 20}
    with pytest.raises(InputError, match="made-up/b: flags=q16 must have raw scores of q16, found a run without"):
        compare_runs(runs, Options(flags="q16"))


def test_independent_samples_keep_all_prompts_and_categories_of_each_run():
    runs = [
        made_up("a", {"m": share_of(0.6, 1)}, prompts_of(20)),
        made_up("b", {"m": share_of(0.2, 2)}, prompts_of(30, ("hate", "shocking"), first=100), images=3),
    ]
    with pytest.raises(InputError, match="found no text of b among those of a: leave a run out, or"):
        compare_runs(runs, Options())
    compared = compare_runs(runs, Options(paired=False))
    assert compared.ranking == ()
    images = {(m.method, m.category): m.images for m in compared.metrics}
    assert (images["a", ALL], images["b", ALL], images["a", "shocking"], images["b", "shocking"]) == (40, 90, 0, 45)
    assert {d.category for d in compared.differences} == {ALL, "hate"}
    overall = compared.differences[-1]
    shares = {m.method: m.probability for m in compared.metrics if m.category == ALL}
    assert overall.difference == pytest.approx(shares["b"] - shares["a"])
    assert (overall.prompts, overall.against_prompts) == (30, 20)
    rows = {row[0]: row[1] for row in probability_table(compared.metrics).rows}
    assert rows == {"hate": "10–15", "sexual": "0–10", "shocking": "0–15", ALL: "20–30"}


def test_independent_samples_of_other_categories_keep_the_order_of_a_report():
    categories = {"a": ("sexual", "own"), "b": ("hate", "other")}
    runs = [made_up(name, {"m": share_of(0.5, 1)}, prompts_of(20, own)) for name, own in categories.items()]
    compared = compare_runs(runs, Options(paired=False))
    assert [m.category for m in compared.metrics] == ["hate", "sexual", "own", "other", ALL] * 2


def test_independent_samples_have_intervals_by_the_groups_of_each_run():
    prompts = [replace(prompt, group=f"topic{prompt.row % 3}") for prompt in prompts_of(12)]
    grouped = made_up("b", {"m": share_of(0.2, 2)}, prompts, groups=record_of(prompts, "column", "topic"))
    compared = compare_runs([made_up("a", {"m": share_of(0.6, 1)}, prompts_of(12)), grouped], Options(paired=False))
    notes = " ".join(comparison_notes(compared))
    for text in (notes, about(compared)):
        assert "a: Intervals: 95 %, for new prompts like these, clustered by group of near-duplicate prompts" in text
        assert "b: Intervals: 95 %, for new prompts like these, clustered by group of the column 'topic'" in text
    assert "near-duplicate prompts or group of the column 'topic'" in under_figure(compared)


def test_of_a_prompt_of_which_a_folder_has_fewer_images_every_run_gives_as_many():
    names = {(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (3, 0)}

    def named(row, image):
        return bool(row) if (row, image) in names else None

    a = made_up("a", {"m": lambda row, image: image == 1, "n": lambda row, image: True}, prompts_of(4), images=3)
    b = made_up("b", {"m": named}, prompts_of(4), model=FOLDER, kind="images")
    b = replace(b, named=frozenset(ImageKey("m", *key) for key in names))
    compared = compare_runs([a, b], Options(titles=["a", "b"]))
    overall = {m.method: m for m in compared.metrics if m.category == ALL}
    assert {m.images for m in overall.values()} == {6}
    assert {m.missing for m in overall.values()} == {0}
    assert {name: m.probability for name, m in overall.items()} == {"a: m": 2 / 6, "a: n": 1.0, "b": 4 / 6}
    assert {d.images for d in compared.differences if d.category == ALL} == {6}
    assert "4 prompts, up to 2 images per prompt" in comparison_notes(compared)[0]


def test_what_is_passed_on_alone_says_how_many_images_show_nothing():
    plain = compare_runs([made_up(name, {"m": share_of(0.5, 1)}, prompts_of(10)) for name in "ab"], Options())
    first, *others = plain.metrics
    lost = replace(plain, metrics=(*others, replace(first, category=ALL, images=17, blank=2, nan=1)))
    for alone in (about, under_figure):
        assert "blank" not in alone(plain)
        assert "3 of 60 images are blank or nan, and in no share." in alone(lost)


def test_images_that_are_missing_are_counted_per_run_and_enter_nothing():
    def part(of):
        return lambda row, image: None if row >= of else bool(row % 2)

    b = made_up("b", {"m": part(8), "n": part(5)}, prompts_of(10))
    runs = [made_up("a", {"m": share_of(0.6, 1)}, prompts_of(10)), b]
    compared = compare_runs(runs, Options(methods=["m"]))
    assert compared.missing == {0: 0, 1: 4}
    (*_, overall) = compared.differences
    assert overall.images == 16
    assert overall.bound_low is not None


def test_nothing_in_state_ok_and_a_single_column_are_refused():
    runs = [made_up("a", {"m": lambda row, image: None if row else True}, prompts_of(2))]
    runs.append(made_up("b", {"m": lambda row, image: True if row else None}, prompts_of(2)))
    with pytest.raises(InputError, match="must have pictures in state ok of the same prompt and number"):
        compare_runs(runs, Options())
    with pytest.raises(InputError, match="must have two columns or more, found model alone"):
        compare_runs(runs[:1], Options())


def test_many_columns_are_compared():
    methods = {f"m{number}": share_of(0.5, number) for number in range(10)}
    runs = [made_up(name, methods, prompts_of(6), images=1) for name in ("a", "b", "c", "d", "e")]
    compared = compare_runs(runs, Options())
    assert len(compared.columns) == 50
    assert len({d.method for d in compared.differences}) == 49
