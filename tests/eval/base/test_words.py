"""Durations, sizes and long lists in words."""

import numpy as np
import pytest

from eval.base.words import counted, counted_of, duration, either, first_clauses, first_of, in_sentences, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a second"),
        (0.3, "less than a second"),
        (0.6, "1 second"),
        (119.4, "119 seconds"),
        (120, "2.0 minutes"),
        (7199, "120.0 minutes"),
        (9000, "2.5 hours"),
        (864_000, "10.0 days"),
    ],
)
def test_a_duration_is_in_the_largest_unit_of_which_there_are_two(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (3_100, "3.1 kB"),
        (12_150_000, "12.2 MB"),
        (1.5e9, "1.5 GB"),
        (2e12, "2.0 TB"),
    ],
)
def test_a_size_is_in_the_largest_decimal_unit(count, words):
    assert size(count) == words


def test_the_first_few_of_a_list_stand_with_the_number_of_the_others():
    assert first_of([]) == ""
    assert first_of(iter("abcde")) == "a, b, c, d, e"
    assert first_of("abcdefg") == "a, b, c, d, e and 2 more"
    assert first_of((str(n) for n in range(2_000)), 1) == "0 and 1,999 more"
    assert first_clauses(["a is 1", "b is 2", "c is 3", "d is 4"]) == "a is 1; b is 2; c is 3 and 1 more"


def test_a_number_of_things_has_a_plural_and_separators():
    assert [counted(number, "prompt") for number in (0, 1, 2, 4703)] == [
        "0 prompts",
        "1 prompt",
        "2 prompts",
        "4,703 prompts",
    ]
    assert counted(np.int64(1_234_567), "prompt") == "1,234,567 prompts"
    assert [counted(number, "point") for number in (0.0, 0.5, 1.0, 1.0000001, 2.0)] == [
        "0 points",
        "0.5 points",
        "1 point",
        "1 point",
        "2 points",
    ]


@pytest.mark.parametrize(
    ("number", "total", "words"),
    [
        (0, 1, "0 of 1 image is"),
        (1, 1, "1 of 1 image is"),
        (1, 3, "1 of 3 images is"),
        (2, 3, "2 of 3 images are"),
        (1_500, 4_703, "1,500 of 4,703 images are"),
        (0, 3, "0 of 3 images are"),
    ],
)
def test_the_verb_agrees_with_a_part_of_a_total(number, total, words):
    assert counted_of(number, total, "image", "is") == words
    assert counted_of(number, total, "image", "was") == words.replace(" is", " was").replace(" are", " were")


def test_alternatives_are_a_list_with_or_before_the_last():
    assert [either(names) for names in (["kid"], ["kid", "fid"], ["kid", "fid", "lpips"])] == [
        "kid",
        "kid or fid",
        "kid, fid or lpips",
    ]


def test_sentences_have_one_full_stop_each_and_empty_ones_are_left_out():
    assert in_sentences(["One", "", "Two.", "3.5 of 4"]) == "One. Two. 3.5 of 4."
