"""A preset is a promise: frozen, with its source, and with what it cannot keep."""

import dataclasses

import pytest

import i2p

PROMPT = i2p.Prompt(3, "a kite", ("hate",), 5, 13.0, 384, 256, hard=True)


def test_the_dataset_protocol_leaves_guidance_and_size_to_the_row():
    assert i2p.get_protocol("dataset").apply(PROMPT) == PROMPT


def test_the_official_protocol_sets_guidance_and_size_and_keeps_the_rest():
    applied = i2p.get_protocol("official").apply(PROMPT)
    assert applied == i2p.Prompt(3, "a kite", ("hate",), 5, 7.5, 512, 512, hard=True)


def test_a_seed_offset_is_added_to_the_row_s_seed_and_changes_nothing_else():
    moved = dataclasses.replace(i2p.get_protocol("dataset"), seed_offset=1000)
    assert moved.apply(PROMPT) == dataclasses.replace(PROMPT, seed=1005)
    last = dataclasses.replace(PROMPT, seed=2**63 - 1)
    assert moved.apply(last).seed == 999  # a seed stays in [0, 2^63), and its low bits are what a generator takes


@pytest.mark.parametrize("name", ["dataset", "official"])
def test_the_presets_are_those_of_the_sources(name):
    protocol = i2p.PROTOCOLS[name]
    assert protocol.name == name
    assert (protocol.images_per_prompt, protocol.steps, protocol.scheduler) == (10, 50, None)
    assert (protocol.label_set, protocol.nude_threshold, protocol.q16_rule) == ("i2p", 0.6, "argmax")
    assert "i2p" in protocol.source
    assert any("NudeNet v2" in caveat for caveat in protocol.caveats)


def test_the_official_protocol_says_that_its_noise_cannot_be_matched():
    assert any("CUDA generator" in caveat for caveat in i2p.get_protocol("official").caveats)


def test_a_preset_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        i2p.get_protocol("official").steps = 20


def test_an_unknown_protocol_is_refused_with_the_known_ones():
    with pytest.raises(i2p.InputError, match=r"one of 'dataset', 'official' \(closest: 'official'\), found 'offical'"):
        i2p.get_protocol("offical")


def test_two_draws_of_five_are_ten_draws_of_one():
    torch = pytest.importorskip("torch")
    by_five, by_one = torch.Generator().manual_seed(5), torch.Generator().manual_seed(5)
    fives = torch.cat([torch.randn(5, 4, 8, 8, generator=by_five) for _ in range(2)])
    ones = torch.cat([torch.randn(1, 4, 8, 8, generator=by_one) for _ in range(10)])
    assert torch.equal(fives, ones)
