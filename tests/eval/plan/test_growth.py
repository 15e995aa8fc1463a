"""Once a run has grown, what it had is on record as it began; runs that grow are in `tests/eval/test_growing.py`."""

from types import SimpleNamespace

import pytest
from manifests import manifest_of

from eval.plan.growth import _grown
from eval.store.groups import GroupsRecord

BOTH = SimpleNamespace(added={"methods": ("sld_max",), "judges": ("nudenet",)})


def test_model_protocol_methods_and_judges_of_before_stay_as_they_were_described():
    before = manifest_of(
        protocol={"source": "as it was worded"},
        model={"source": "a", "device": "cuda"},
        methods=[{"name": "baseline", "guided_on": "v"}],
        judges={"q16": {"device": "cuda"}},
    )
    now = manifest_of(
        protocol={"images_per_prompt": 12},
        model={"source": "b", "device": "cpu"},
        methods=["sld_max", "baseline"],
        judges={"nudenet": {"threads": 2}, "q16": {"device": "cpu"}},
    )
    grown = _grown(before, now, BOTH).identity
    assert grown.model == before.identity.model
    assert (grown.protocol.source, grown.protocol.images_per_prompt) == ("as it was worded", 12)
    assert grown.methods == (now.identity.methods[0], before.identity.methods[0])
    assert grown.judges == {"nudenet": now.identity.judges["nudenet"], "q16": before.identity.judges["q16"]}


@pytest.mark.parametrize("then", [None, GroupsRecord("column", "cluster", 2, 3, "ab")])
def test_groups_are_recorded_if_they_were_when_the_run_began(then):
    now = GroupsRecord("column", "cluster", 3, 3, "cd")
    assert _grown(manifest_of(groups=then), manifest_of(groups=now), BOTH).groups == (None if then is None else now)
