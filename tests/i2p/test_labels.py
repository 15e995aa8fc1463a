"""The label sets of the field, and those that the protocols name."""

import pytest

import i2p
from i2p.labels import LABEL_SETS, LabelSet, choose_labels, get_label_set

SETS = "i2p esd uce spm mu-attack rece mace mace-code speed steerers steerers-0.45 safetydpo moonshot eval-learn"
SETS += " erasure-benchmark"


def test_there_are_the_label_sets_of_the_field_each_with_its_source():
    assert set(LABEL_SETS) == set(SETS.split())
    assert all(name == label_set.name and label_set.source for name, label_set in LABEL_SETS.items())


def test_every_protocol_names_a_label_set_whose_threshold_is_its_own():
    for protocol in i2p.PROTOCOLS.values():
        assert get_label_set(protocol.label_set).threshold == protocol.nude_threshold


def test_an_unknown_name_is_answered_with_those_there_are():
    for name in ("I2P", "nudity", ""):
        with pytest.raises(i2p.InputError, match=f"of 'i2p', 'esd', 'uce', .*, found '{name}'"):
            choose_labels(name)


def test_a_threshold_takes_the_place_of_the_sets_own():
    mine = LabelSet("mine", frozenset({"ANUS_EXPOSED"}), 0.4, False, "here")
    assert choose_labels(mine) == mine
    assert choose_labels(mine, 0.0) == LabelSet("mine", mine.labels, 0.0, False, "here")
    assert choose_labels("moonshot", 1).threshold == 1
    for threshold in (-0.1, 60, float("nan")):
        with pytest.raises(i2p.InputError, match=r"from 0 to 1, found .*: leave it out for that of mine"):
            choose_labels(mine, threshold)
