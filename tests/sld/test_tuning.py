"""A denoiser run in another way predicts the same to rounding; what suits a device is measured."""

import itertools
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from predictions import assert_equal_to_rounding_and_independent, predict, rows

import sld
from sld import tuning
from sld.models import base
from sld.tuning import ATTENTION, Tuning, compile_options, fastest_attention, fitting, largest_batch, out_of_memory


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("chosen", [Tuning(), Tuning(True), *(Tuning(False, name) for name in ATTENTION)], ids=str)
def test_a_tuned_denoiser_equals_the_plain_one_to_rounding_and_keeps_rows_apart(wide_checkpoint, chosen, threads):
    model = sld.load_model(wide_checkpoint)
    inputs = rows(model)
    plain = predict(model, *inputs)
    torch.set_num_threads(threads)
    try:
        model.tune(chosen)
        assert_equal_to_rounding_and_independent(model, plain, *inputs)
    finally:
        torch.set_num_threads(1)


def test_going_back_to_plain_gives_the_first_bits_again(checkpoint):
    model = sld.load_model(checkpoint)
    inputs = rows(model)
    plain = predict(model, *inputs)
    model.tune(Tuning(channels_last=True, attention="math"))
    assert not torch.equal(predict(model, *inputs), plain)  # another layout is another order of sums
    model.tune(Tuning())
    assert torch.equal(predict(model, *inputs), plain)


@pytest.mark.parametrize("name", ATTENTION)
def test_the_named_attention_is_tried_first_while_the_denoiser_runs_and_only_then(checkpoint, monkeypatch, name):
    numbers = {"flash": 1, "efficient": 2, "math": 0, "cudnn": 3}  # torch's sdp_backend.h
    model, seen, attend = sld.load_model(checkpoint), [], torch.nn.functional.scaled_dot_product_attention
    before = torch._C._get_sdp_priority_order()

    def spy(*tensors):
        seen.append(torch._C._get_sdp_priority_order()[0])
        return attend(*tensors)

    inputs = rows(model)
    model.tune(Tuning(attention=name))
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    predict(model, *inputs)
    assert set(seen) == {numbers[name]}
    assert torch._C._get_sdp_priority_order() == before


def test_math_attention_is_what_a_cpu_runs_when_it_is_named(checkpoint):
    model = sld.load_model(checkpoint)
    inputs = rows(model)
    used = {}
    for name in (None, "math"):
        model.tune(Tuning(attention=name))
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            predict(model, *inputs)
        used[name] = {event.key for event in profile.key_averages() if "attention" in event.key}
    assert any("flash" in key for key in used[None])
    assert not any("flash" in key for key in used["math"])


def test_a_process_has_attended_on_its_gpu_before_an_order_of_attention_counts(checkpoint, monkeypatch):
    """The first attention of a process on an H100 changes torch's order, in which cuDNN's is first from then on."""
    torchs_own, cudnn_first = torch._C._get_sdp_priority_order(), [3, 1, 2, 0, 4]
    attended, zeros, settled = [], torch.zeros, []
    monkeypatch.setattr(base, "settle_attention", lambda *where: settled.append(where))
    sld.load_model(checkpoint)
    assert settled == [(torch.device("cpu"), torch.float32)]
    monkeypatch.setattr(torch, "zeros", lambda *shape, device, dtype: zeros(*shape, dtype=dtype))

    def attend(*tensors):
        if not attended:
            torch._C._set_sdp_priority_order(cudnn_first)
        attended.append(torch._C._get_sdp_priority_order())

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", attend)
    try:
        tuning.settle_attention(torch.device("cpu"), torch.float32)
        assert not attended
        tuning.settle_attention(torch.device("cuda"), torch.float16)
        with tuning.attention_order("flash"):
            torch.nn.functional.scaled_dot_product_attention()
        assert attended[1][0] == 1  # flash
    finally:
        torch._C._set_sdp_priority_order(torchs_own)


def test_an_unknown_attention_is_refused_in_one_sentence():
    with pytest.raises(sld.InputError, match=r"attention must be one of flash, .*, found 'flash3'") as caught:
        Tuning(attention="flash3")
    assert "\n" not in str(caught.value)


def test_the_largest_batch_that_fits_is_a_brute_forces():
    for first_row, further, free, largest in itertools.product(
        (1, 7, 3000), (-5, 0, 1, 2, 11, 640), (0, 1, 2000, 9999, 81_234), (1, 2, 100, 128)
    ):
        sizes = [n for n in range(1, largest + 1) if n & (n - 1) == 0]
        fit = [n for n in sizes if first_row + (n - 1) * max(further, 1) <= free * Fraction(4, 5)]
        assert fitting(first_row, further, free, largest) == max(fit, default=1), (first_row, further, free, largest)


class Card:
    """Stands in for `torch.cuda`: runs of n rows need 100 + 50 n of its memory."""

    def __init__(self, total):
        self.total, self.used, self.peak = total, 30, 0

    def run(self, rows):
        if self.used + 100 + 50 * rows > self.total:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.peak = max(self.peak, self.used + 100 + 50 * rows)

    def patch(self, monkeypatch):
        for name, value in {
            "empty_cache": lambda: None,
            "reset_peak_memory_stats": lambda device: setattr(self, "peak", self.used),
            "memory_allocated": lambda device: self.used,
            "max_memory_allocated": lambda device: self.peak,
            "mem_get_info": lambda device: (self.total - self.used, self.total),
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)


@pytest.mark.parametrize(("total", "fits"), [(100, 1), (200, 1), (1030, 8), (1160, 16), (10**6, 64)])
def test_a_cards_largest_batch_follows_from_one_and_two_rows(monkeypatch, total, fits):
    card = Card(total)
    card.patch(monkeypatch)
    assert largest_batch(card.run, torch.device("cuda")) == fits


def test_what_does_not_grow_with_the_rows_and_what_rows_hold_elsewhere_count_too(monkeypatch):
    card = Card(1030)  # of which 1000 are free, and 800 may be taken
    card.patch(monkeypatch)
    fixed = lambda: setattr(card, "peak", card.used + 500)  # noqa: E731
    assert largest_batch(card.run, torch.device("cuda"), fixed) == 4  # 500 + 150 + 3 * 50
    assert largest_batch(card.run, torch.device("cuda"), row_bytes=100) == 4  # 150 + 3 * (50 + 100)
    assert largest_batch(card.run, torch.device("cuda"), fixed, row_bytes=100) == 2


def test_an_error_of_another_kind_is_no_full_card(monkeypatch):
    Card(100).patch(monkeypatch)
    with pytest.raises(ZeroDivisionError):
        largest_batch(lambda rows: rows / 0, torch.device("cuda"))


def test_the_fastest_attention_is_chosen_by_the_median_of_its_times(monkeypatch):
    seconds, clock, runs = {1: 3.0, 2: 1.0, 0: 9.0, 3: 2.0}, [0.0], []  # by torch's number of the backend

    def run():
        first = torch._C._get_sdp_priority_order()[0]
        runs.append(first)
        hiccup = 50.0 if first == 2 and runs.count(2) in (1, 3) else 0.0
        clock[0] += seconds[first] + hiccup

    monkeypatch.setattr(tuning, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert fastest_attention(run, torch.device("cpu")) == "efficient"
    assert {runs.count(number) for number in seconds} == {4}  # once, then three times for the median
    assert fastest_attention(run, torch.device("cpu"), ("math", "flash")) == "flash"


def test_code_for_a_gpu_is_compiled_without_choices_that_a_clock_makes():
    with torch._inductor.config.patch(compile_options(torch.device("cuda"))):
        assert torch._inductor.config.deterministic
        assert not torch._inductor.config.freezing  # which would keep torch from finding the code on the disk


def test_memory_that_is_used_up_is_told_from_other_errors():
    for ask in (lambda: torch.empty(2**46), lambda: bytearray(2**60)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            ask()
        assert out_of_memory(caught.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    statuses = ["CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"]  # cuDNN's until version 8, then these
    statuses += [f"CUDNN_STATUS_INTERNAL_ERROR_{place}_ALLOCATION_FAILED" for place in ("HOST", "DEVICE")]
    assert all(out_of_memory(RuntimeError(f"a call failed: {status}")) for status in statuses)
    while_compiling = ValueError("the backend raised")
    while_compiling.inner_exception = torch.OutOfMemoryError("CUDA out of memory")
    assert out_of_memory(while_compiling)
    for error in (RuntimeError("a bug"), ValueError("can't allocate memory"), KeyboardInterrupt()):
        assert not out_of_memory(error)
