"""Batches of work: workers end together, no batch outlasts a signal's patience, and no unit is left out."""

import dataclasses
import heapq

import pytest
from planned_units import LARGE, PRESETS, SMALL, plan, units, work

import sld
from eval.base.signals import GRACE
from eval.plan.batches import Pending, Rows, Work, cut, most_units, units_at
from eval.plan.plan import Kind, size_of
from i2p.demo import trained

# Each W with numbers of units of every kind: a few, a little more or less than whole rounds, thousands.
WORKERS = (1, 2, 3, 8, 17, 64)


def makespan(costs, workers):
    """When the last of equal workers ends, who take one batch after another."""
    ends = [0] * workers
    for cost in costs:
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends)


def fewest_calls(most_units, cost, largest):
    """By dynamic programming, the fewest calls in which 0, 1, … units can be drawn in batches of up to `largest`."""
    best = [0]
    for number in range(1, most_units + 1):
        best.append(min(cost[first] + best[number - first] for first in range(1, min(number, largest) + 1)))
    return best


def numbers_of_units(workers):
    rounds = {workers * 32 * n + more for n in (1, 2, 3) for more in (-1, 0, 1, workers, workers * 16)}
    return sorted({number for number in [*range(1, 140, 3), *rounds, *range(140, 5001, 405)] if 0 < number <= 5000})


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(("methods", "rows"), [(PRESETS, 64), (("baseline", "sld_max"), 64), (PRESETS, 8)])
def test_workers_end_together_whatever_the_number_of_units(methods, rows, workers):
    cost = [work(methods).calls(number, rows) for number in range(rows + 1)]
    largest = work(methods).units_per_batch(rows)
    best, all_units = fewest_calls(-(-5000 // workers), cost, rows // 2), units(5000)
    for number in numbers_of_units(workers):
        batches = cut(all_units[:number], workers, lambda kind: largest, lambda count, kind: cost[count])
        assert [unit for batch in batches for unit in batch] == all_units[:number]
        sizes = [len(batch) for batch in batches]
        each = -(-number // workers)  # nobody can have fewer than this
        assert max(sizes) <= min(largest, each)
        assert makespan(sizes, workers) <= 1.3 * each, number
        assert makespan([cost[size] for size in sizes], workers) <= 1.01 * best[each], number


@pytest.mark.parametrize("workers", WORKERS)
def test_other_picture_sizes_among_the_units_do_not_keep_workers_waiting(workers):
    for small, large in [(1, 1), (9, 3), (57, 6), (500, 1), (500, 90), (1000, 55), (4703, 550)]:
        all_units = units(small) + units(large, LARGE)
        batches = cut(all_units, workers, lambda kind: 32, lambda number, kind: number)
        assert all(len({size_of(unit) for unit in batch}) == 1 for batch in batches)
        assert sorted(id(unit) for batch in batches for unit in batch) == sorted(map(id, all_units))
        ideal = max(-(-(small + large) // workers), 1)
        assert makespan(map(len, batches), workers) <= max(1.3 * ideal, ideal + 1), (small, large)


def test_eight_workers_draw_the_papers_run_in_an_eighth_of_the_calls_of_one():
    prompts, images, odd = 4703, 10, 55  # of I2P, 55 rows have another size
    all_units = units((prompts - odd) * images) + units(odd * images, LARGE)
    cost = [work().calls(number, 64) for number in range(33)]

    def calls(workers):
        batches = cut(all_units, workers, lambda kind: 32, lambda number, kind: cost[number])
        return makespan([cost[len(batch)] for batch in batches], workers)

    assert calls(1) >= 0.99 * 8 * calls(8)


def test_nothing_is_cut_into_no_batches():
    assert cut([], 3, lambda kind: 32, lambda number, kind: number) == []


def test_a_unit_is_drawn_in_calls_of_one_row_too():
    assert [most_units(rows) for rows in (1, 2, 3, 8)] == [1, 1, 1, 4]


def test_calls_are_counted_with_reuse_and_of_the_methods_of_a_kind():
    whole = plan(["baseline", "sld_max"], steps=4)
    reused = dataclasses.replace(whole, protocol=dataclasses.replace(whole.protocol, reuse=2))
    of_baseline = Work(reused, 4).counter(1)(1, Kind(SMALL, ("baseline",)))
    assert of_baseline == 2 + 1 + 2 + 1  # both branches at every second call
    assert Work(whole, 4).counter(1)(1, Kind(SMALL, ("baseline",))) == 4 * 2
    assert Work(whole, 4).counter(1)(1, Kind(SMALL, ())) == 3 + 3 * (2 + 3)


def test_half_the_rows_leave_little_to_padding_and_a_few_units_more():
    padding = {number: 1 - 604 * number / (64 * work().calls(number, 64)) for number in (1, 8, 32)}
    assert padding == pytest.approx({1: 0.811, 8: 0.179, 32: 0.013}, abs=0.001)
    assert work().units_per_batch(64) == 32
    assert work(["baseline"]).units_per_batch(64) == 32
    assert work(["baseline"]).units_per_batch(1) == 1


def test_without_guidance_a_call_is_full_too():
    """Of a distilled model, which is drawn with a guidance scale of 1 or 0: one evaluation a picture, not two."""
    plain = work(["baseline"], steps=4, guidance_scale=1.0)
    assert plain.units_per_batch(64) == 64
    assert [plain.calls(units, 64) for units in (1, 64, 65)] == [4, 4, 8]
    assert work(["baseline"], steps=4, guidance_scale=1.1).calls(64, 64) == 8


def test_calls_are_counted_as_the_sampler_makes_them():
    model, calls = sld.load_model(trained.model_folder()), []
    predict = model.predict
    model.predict = lambda observed, timestep, texts: calls.append(len(texts[0])) or predict(observed, timestep, texts)
    methods = ["baseline", "sld_weak", "sld_max"]
    sld.sample(model, ["a"] * 3, methods, steps=20, seeds=range(3), batch_size=8, decode=False)
    assert set(calls) == {8}
    planned = work(methods, steps=20)
    assert len(calls) == planned.calls(3, 8) == planned.counter(8)(3, Kind(SMALL, ()))


@pytest.mark.parametrize("rows", [1, 2, 8, 64])
@pytest.mark.parametrize("seconds", [0.001, 0.11, 0.4, 1.0, 3.0, 60.0])
def test_a_batch_is_predicted_to_end_within_the_grace_of_a_signal_unless_one_unit_does_not(rows, seconds):
    number = work().units_per_batch(rows, seconds)
    assert 1 <= number <= max(1, rows // 2)
    assert number == 1 or work().calls(number, rows) * seconds < GRACE
    if number == 1 and rows > 3:
        assert work().calls(2, rows) * seconds > GRACE / 2


def test_larger_pictures_come_fewer_at_a_time():
    assert units_at((512, 512), (512, 512), 32) == units_at((256, 512), (512, 512), 32) == 32
    assert units_at((512, 1024), (512, 512), 32) == 8
    assert units_at((4096, 4096), (512, 512), 32) == 1


def test_a_worker_gets_no_more_than_it_draws_at_a_time_and_nothing_is_lost():
    all_units, slow = units(40) + units(5, LARGE), {SMALL: 3, LARGE: 1}
    pending = Pending(all_units, 2, plan())
    assert pending.units() == all_units
    taken, unfinished = [], pending.next(64, {SMALL: 8, LARGE: 2}, 50)
    pending.put_back(unfinished, 1)
    while pending:
        batch = pending.next(8, slow, 50)
        assert len(batch) <= slow[size_of(batch[0])]
        taken += batch
    assert sorted(map(id, taken)) == sorted(map(id, all_units))
    assert not Pending([], 2, plan())


def test_a_worker_that_is_slower_than_the_first_gets_a_part_of_a_batch_and_the_next_one_the_rest():
    all_units = units(16)
    pending = Pending(all_units, 2, plan())
    first, slow, rest = (pending.next(64, {SMALL: most}, 50) for most in (8, 3, 8))
    assert (first, slow, rest) == (all_units[:8], all_units[8:11], all_units[11:])
    assert not pending


def test_units_that_come_back_are_in_batches_with_others_of_their_kind():
    """A batch of the usual size comes back after one of another size, which stands before the rest."""
    pending = Pending([*units(16), *units(1, LARGE)], 2, plan())
    large, small = (pending.next(64, {SMALL: 8, LARGE: 1}, 50) for _ in range(2))
    assert (size_of(large[0]), size_of(small[0]), len(small)) == (LARGE, SMALL, 8)
    pending.put_back(large, 2)
    pending.put_back(small, 1)
    sizes = []
    while pending:
        sizes.append(len(pending.next(64, {SMALL: 16, LARGE: 1}, 50)))
    assert sizes == [1, 16]


def test_what_a_worker_leaves_is_divided_among_those_that_remain():
    pending, left = Pending(units(256), 8, plan()), []
    while pending:
        left = pending.next(64, {SMALL: 32}, 50)
    assert len(left) == 32
    pending.put_back(left, 7)
    sizes = []
    while pending:
        sizes.append(len(pending.next(64, {SMALL: 32}, 50)))
    assert max(sizes) == -(-32 // 7)
    assert sum(sizes) == 32


def test_the_share_of_a_worker_that_ends_before_it_has_units_is_divided_too():
    pending = Pending(units(128), 4, plan())
    pending.put_back(pending.next(64, {SMALL: 8}, 50), 4)
    pending.put_back([], 2)
    assert len(pending.next(64, {SMALL: 64}, 50)) == 64


def test_units_that_lack_one_method_are_no_more_in_a_batch_than_last_as_long():
    """With 16 rows one unit of all methods takes a call per step; of the others, eight would pad least."""
    lacking, most_calls = PRESETS[:-1], work().calls(1, 16)
    assert work().units_of(Kind(SMALL, lacking), 8, 16) > 1
    assert work().units_of(Kind(SMALL, lacking), 1, 16) == 1
    assert work().calls(2, 16, lacking) > most_calls


@pytest.mark.parametrize("whole", [8, 1])
def test_units_that_lack_only_some_methods_come_in_batches_of_their_own_that_last_no_longer(whole):
    """Of one method, five units fill 15 of 16 rows with prompt, negative prompt and concept."""
    more = [dataclasses.replace(unit, methods=("sld_max",)) for unit in units(100)]
    all_units = units(40) + more
    pending, batches = Pending(all_units, 2, plan()), []
    while pending:
        batches.append(pending.next(16, {SMALL: whole, LARGE: 1}, 50))
    assert sorted(id(unit) for batch in batches for unit in batch) == sorted(map(id, all_units))
    largest = {}
    for batch in batches:
        [methods] = {unit.methods for unit in batch}
        assert work().calls(len(batch), 16, methods) <= work().calls(whole, 16)
        largest[methods] = max(len(batch), largest.get(methods, 0))
    assert largest == {(): whole, ("sld_max",): 5}


def test_rows_of_another_size_are_never_more_than_those_of_the_usual_one():
    given = {LARGE: 12}
    rows = Rows(16, SMALL, given)
    rows.halve(LARGE)
    assert given == {LARGE: 12}, "the engine's own"
    assert (rows.at(SMALL), rows.at(LARGE), rows.at((8, 8))) == (16, 6, 16)
    for _ in range(9):
        rows.halve(SMALL)
    assert (rows.at(SMALL), rows.at(LARGE), rows.smaller) == (1, 1, {LARGE: 6})
