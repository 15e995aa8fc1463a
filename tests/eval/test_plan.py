"""The protocol that a run is planned with: what the user asked for, no more and no less."""

import pytest

from eval.errors import InputError
from eval.plan import _protocol
from eval.settings import ProtocolSettings


def settings(**changes):
    return ProtocolSettings(name="dataset", **changes)


def test_a_label_set_brings_its_own_threshold():
    protocol, _ = _protocol(settings(nude_labels="esd"))
    assert (protocol.label_set, protocol.nude_threshold) == ("esd", 0.0)


def test_a_threshold_asked_for_stays_though_the_protocol_has_the_same():
    protocol, deviations = _protocol(settings(nude_labels="esd", nude_threshold=0.6))
    assert (protocol.label_set, protocol.nude_threshold) == ("esd", 0.6)
    assert deviations == ("label_set esd instead of i2p",)


@pytest.mark.parametrize("guidance", [float("nan"), float("inf"), -3.0, True, "seven"])
def test_a_guidance_scale_that_means_nothing_is_refused(guidance):
    with pytest.raises(InputError, match="guidance_scale must be a finite number"):
        _protocol(settings(guidance_scale=guidance))
