"""`python -m eval.power`: a plan from published percentages, a pilot run or assumptions, or one sentence why not."""

import csv
import os
import re

import in_process
import numpy as np
import pytest

from eval.power.__main__ import main
from eval.store.rundir import RunDir
from eval.store.stored_run import read_run
from i2p.groups import near_duplicates


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """Forty prompts in two categories, of which ten are near-duplicates of one another."""
    path = tmp_path_factory.mktemp("power") / "list.csv"
    rng = np.random.default_rng(0)
    lines = ["prompt,categories,inappropriate_percentage"]
    for number in range(40):
        text = f"the same five words here {'!' * number}" if number < 10 else f"word{number} other{number}"
        lines.append(f"{text},{'hate' if number % 4 else 'sexual'},{10 * rng.integers(0, 11)}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    out = tmp_path_factory.mktemp("pilot") / "run"
    words = ["prompts.rows=0-13", "protocol.steps=4", "protocol.images_per_prompt=2", "judges=[q16]", "images=none"]
    done = in_process.run("eval.run", f"out={out}", "methods=[baseline,sld_max]", "sheet=false", *words)
    assert done.returncode == 0, done.stderr
    return out


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def plan(tmp_path, *words):
    done = in_process.run("eval.power", f"out={tmp_path / 'plan.csv'}", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout, rows_of(tmp_path / "plan.csv")


def row(rows, **wanted):
    (match,) = (r for r in rows if all(r[key] == str(value) for key, value in wanted.items()))
    return {key: float(value) for key, value in match.items() if re.fullmatch(r"[\d.e-]+", value)}


def test_all_of_i2p_at_one_image_is_more_precise_than_a_tenth_at_ten(i2p_csv, tmp_path):
    """By sums over the groups of the csv; what ten images cost is what a tenth of the prompts saves."""
    printed, rows = plan(tmp_path, f"prompts.path={i2p_csv}", "prompts=4703,470", "images=1,10")
    with i2p_csv.open(newline="", encoding="utf-8") as file:
        prompts = list(csv.DictReader(file))
    share = [float(p["inappropriate_percentage"]) / 100 for p in prompts]
    mean = sum(share) / 4703
    noise = sum(f * (1 - f) * 10 / 9 for f in share) / 4703  # of one image
    sums = {}
    for group, value in zip(near_duplicates([p["prompt"] for p in prompts]), share, strict=True):
        sums[group] = sums.get(group, 0) + value - mean
    at_ten = sum(value**2 for value in sums.values()) / 4703**2
    at_one = at_ten + noise * (1 - 1 / 10) / 4703
    whole = row(rows, goal="given", category="all", run_prompts=4703, images=1)
    assert whole["new_prompts"] == pytest.approx(1.96 * at_one**0.5, rel=2e-3)
    assert whole["same_prompts"] == whole["all_prompts"] == pytest.approx(1.96 * (noise / 4703) ** 0.5, rel=2e-3)
    tenth = row(rows, goal="given", category="all", run_prompts=470, images=10)
    assert whole["denoiser_calls"] == 4703 * 604
    assert tenth["denoiser_calls"] == 4700 * 604
    assert tenth["new_prompts"] > 1.8 * whole["new_prompts"]
    assert "4,703 prompts with 1 image each give ± 1.6 points for new prompts and ± 1.1 for all 4,703" in printed
    assert "470 with 10 images each give ± 2.9 points for new prompts and ± 2.7 for all 4,703" in printed
    assert row(rows, category="sexual", run_prompts=470, images=1)["prompts"] == 93


def test_what_is_needed_reaches_what_is_wanted_and_one_prompt_fewer_does_not(listed, tmp_path):
    words = [f"prompts.path={listed}", "images=2"]
    _, rows = plan(tmp_path, *words, "width=15", "difference=35", "level=0.1", "power=0.9", "methods=baseline,sld_max")
    for goal, column, reached in (
        ("width", "new_prompts", lambda value: value <= 0.15),
        ("width, same prompts", "same_prompts", lambda value: value <= 0.15),
        ("difference", "power", lambda value: value >= 0.9),
    ):
        answer = row(rows, goal=goal, category="all")
        assert reached(answer[column])
        fewer = ["level=0.1", "power=0.9", "difference=35", f"prompts={int(answer['prompts']) - 1}"]
        _, given = plan(tmp_path, *words, *fewer)
        assert not reached(row(given, goal="given", category="all")[column])
    # Two evaluations at each of 50 calls, three of them from the first call on with sld_max, which are its own.
    assert answer["denoiser_calls"] == answer["prompts"] * 2 * (3 + 49 * (2 + 3))


def test_the_smallest_difference_is_found_with_the_wanted_power(listed, tmp_path):
    _, rows = plan(tmp_path, f"prompts.path={listed}", "images=1")
    smallest = row(rows, category="all")["smallest_difference"]
    _, rows = plan(tmp_path, f"prompts.path={listed}", "images=1", f"difference={100 * smallest}")
    assert row(rows, goal="given", category="all")["power"] == pytest.approx(0.8, abs=0.002)
    assert row(rows, goal="difference", category="all")["prompts"] == 40


def test_chosen_categories_are_the_run(listed, tmp_path):
    printed, rows = plan(tmp_path, f"prompts.path={listed}", "categories=Sexual", "images=1")
    assert {r["category"] for r in rows} == {"sexual"}
    assert rows[0]["prompts"] == rows[0]["run_prompts"] == "10"
    assert "10 prompts in 8 groups" in printed


def test_what_can_not_be_reached_is_said(listed, tmp_path):
    printed, rows = plan(tmp_path, f"prompts.path={listed}", "width=1", "images=1")
    assert "> 40" in printed
    assert {r["prompts"] for r in rows if r["goal"] == "width"} == {""}


def hits_of(run):
    """Whether each image is inappropriate, by method: (rows, images)."""
    hits = {}
    for score in read_run(RunDir(run)).scores.to_pylist():
        key = score["method"], score["row"], score["image"]
        hits[key] = score["q16_inappropriate"] > score["q16_safe"]
    return {m: np.array([[hits[m, row, k] for k in range(2)] for row in range(14)]) for m in ("baseline", "sld_max")}


def test_a_pilot_gives_its_own_shares_and_paired_differences(pilot, listed, tmp_path):
    """Against sums over its scores; the list that is drawn from has no near-duplicates."""
    (path := tmp_path / "many.csv").write_text("prompt\n" + "".join(f"word{n}\n" for n in range(1000)))
    _, rows = plan(tmp_path, f"pilot={pilot}", f"prompts.path={path}")
    hits = hits_of(pilot)
    gains = hits["sld_max"].astype(int) - hits["baseline"]
    assert gains.any()
    answer = row(rows, category="all", method="sld_max", prompts=1000, images=2)
    noise = (gains.mean(axis=1).var(ddof=1) / 1000) ** 0.5
    assert answer["smallest_difference"] == pytest.approx(2.802 * noise + 1 / 2000, rel=0.01)  # z of 80 % and 97.5 %
    share = hits["baseline"]
    at_one = share.mean(axis=1).var(ddof=1) + share.var(axis=1, ddof=1).mean() / 2
    answer = row(rows, category="all", method="baseline", prompts=1000, images=1)
    assert answer["new_prompts"] == pytest.approx(1.962 * (at_one / 1000) ** 0.5, rel=1e-3)
    assert answer["denoiser_calls"] == 1000 * (3 + 3 * (2 + 3))


def test_a_pilot_alone_is_as_grouped_at_more_prompts_as_it_is(pilot, tmp_path):
    printed, rows = plan(tmp_path, f"pilot={pilot}", "prompts=14,1400", "images=2")
    assert "in groups of the size of the pilot's" in printed
    halves = [row(rows, category="all", method="baseline", prompts=n)["new_prompts"] for n in (14, 1400)]
    assert halves[0] / halves[1] == pytest.approx(10 * 2.160 / 1.962, rel=1e-3)  # t of 13 and of 1,399


def test_a_pilot_shows_all_prompts_and_names_what_has_categories(pilot, capsys, call):
    assert call(main, f"pilot={pilot}") == 0
    printed = capsys.readouterr().out
    assert not re.search(r"^hate", printed, re.MULTILINE)
    assert "categories=… shows them" in printed
    assert call(main, f"pilot={pilot}", "categories=hate,sexual") == 0
    printed = capsys.readouterr().out
    assert re.search(r"^hate|in hate", printed, re.MULTILINE)
    assert re.search(r"^all +baseline", printed, re.MULTILINE)


def test_what_a_pilot_does_not_show_is_named(pilot, capsys, call):
    """Two images of a prompt per category say little; those that are all alike say nothing."""
    assert call(main, f"pilot={pilot}") == 0
    printed = capsys.readouterr().out
    assert hits_of(pilot)["sld_max"].mean() == 0
    assert "Left out: the share of sld_max in all" in printed


def test_the_range_of_a_share_is_named_where_an_interval_that_is_shown_has_it(pilot, capsys, call):
    def names_range(*words):
        assert call(main, f"pilot={pilot}", "images=1", *words) == 0
        printed = capsys.readouterr().out
        assert ("50.0" in printed.partition("New prompts like these:")[0]) == ("± 50.0 is the whole range" in printed)
        return "± 50.0 is the whole range" in printed

    assert names_range("prompts=4", "categories=hate,sexual")
    assert not names_range("prompts=20")  # categories are left out of the tables, where two prompts say nothing


def test_an_interval_is_never_wider_than_the_range_of_a_share(tmp_path, capsys, call):
    assert call(main, "share=0.35", "prompts=2,1000", "images=1", f"out={tmp_path / 'plan.csv'}") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "all 2 35.0 50.0 all 1,000 35.0 3.0" in printed
    assert "± 50.0 is the whole range of a share: so few prompts and images say nothing of it." in printed
    few, many = rows_of(tmp_path / "plan.csv")
    assert [few[name] for name in ("new_prompts", "same_prompts")] == ["0.5", "0.5"]
    assert 0 < float(many["new_prompts"]) < 0.05
    assert call(main, "share=0.35", "prompts=1000") == 0
    assert "whole range" not in capsys.readouterr().out


def test_assumptions_need_no_list(tmp_path):
    printed, rows = plan(tmp_path, "share=0.35", "alike=0", "width=3", "difference=5", "images=1")
    needed = row(rows, goal="width")["prompts"]
    assert needed == pytest.approx(1.962**2 * 0.35 * 0.65 / 0.03**2, abs=2)
    assert "Assumed: a share of 35 %" in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["width=-2"], "width must be a number of points above 0 and below 50, found '-2'"),
        (["width=nan"], "width must be a number of points"),
        (["width=1_0"], "width must be a number of points above 0 and below 50, found '1_0'"),
        (["images=1_0"], "images must be whole numbers from 1 up, joined by commas, found '1_0'"),
        (["images=100000000"], "images must be whole numbers from 1 up"),
        (["steps=10001"], "steps must be a whole number from 1 to 10,000, found '10001'"),
        ([f"steps={'9' * 5000}"], "steps must be a whole number from 1 to 10,000"),
        (["difference=100"], "difference must be a number of points above 0 and below 100, found '100'"),
        (["difference=99"], "difference must be below the share"),
        (["power=1"], "power must be a chance above 0.5 and below 1, found '1'"),
        (["level=0"], "level must be a chance above 0"),
        (["level=1e-300"], "level must be a chance above 0.000001 and below 0.5, found '1e-300'"),
        (["images=0"], "images must be whole numbers from 1 up, joined by commas, found '0'"),
        (["images=1.5"], "found '1.5'"),
        (["prompts=1"], "prompts must be whole numbers from 2 up"),
        (["prompts=41"], "prompts must be at most 40, which are all that exist, found 41"),
        (["prompts=11", "categories=sexual"], "prompts must be at most 10"),
        (["categories=sexuality"], "categories must be one of 'hate', 'sexual'"),
        (["categories=,"], "categories must be names joined by commas"),
        (["methods=sld_mux"], "did you mean 'sld_max'?"),
        (["steps=0"], "steps must be a whole number from 1 to 10,000"),
        (["widths=2"], "arguments must be pilot=… or prompts.path=…"),
        (["width"], "found 'width'"),
        (["share=0.3"], "the numbers must come from one source, found share and prompts.path"),
    ],
)
def test_bad_input_is_one_sentence(listed, words, sentence, call, capsys):
    assert call(main, f"prompts.path={listed}", *words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert sentence in captured.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["share=1.2"], "share must be a fraction above 0 and below 1, found '1.2'"),
        (["share=0.3", "difference=30"], "difference must be below the share"),
        (["pilot=nowhere"], "nowhere must be a run directory"),
        (["prompts.path=nowhere.csv"], "nowhere.csv"),
    ],
)
def test_a_basis_that_is_none_is_one_sentence(words, sentence, call, capsys):
    assert call(main, *words) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert sentence in captured.err


def test_help_lists_every_key(call, capsys):
    from eval.power.options import READERS

    assert call(main, "--help") == 0
    printed = capsys.readouterr().out
    assert all(f"{key}=" in printed for key in READERS)


def test_a_share_below_the_smallest_difference_of_the_table_has_none(call, tmp_path):
    for share in ("0.0002", "0.0001", "1e-300"):
        assert call(main, f"share={share}", "prompts=100", "images=1", f"out={tmp_path / 'plan.csv'}") == 0
        assert [row["smallest_difference"] for row in rows_of(tmp_path / "plan.csv")] == [""]


def test_a_plan_goes_to_the_file_behind_a_link(call, tmp_path):
    (link := tmp_path / "link.csv").symlink_to(tmp_path / "plan.csv")
    assert call(main, "share=0.35", "prompts=100", "images=1", f"out={link}") == 0
    assert link.is_symlink()
    assert rows_of(tmp_path / "plan.csv")


@pytest.mark.parametrize("place", ["pipe", "folder", f"{'a' * 300}.csv", "file/plan.csv", "~nobody-here/plan.csv"])
def test_a_plan_is_written_to_no_place_but_a_file_s_which_is_known_before_it_is_made(place, tmp_path, call, capsys):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    out = place if place.startswith("~") else tmp_path / place
    assert call(main, "share=0.35", "prompts=100", "images=1", f"out={out}") == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert captured.err.startswith("error: out must b")
    assert (tmp_path / "pipe").is_fifo()
