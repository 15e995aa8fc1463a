"""A judge that is added to a run is to judge its pictures, also those that still wait for another one."""

from judged import judged
from manifests import manifest_of

from eval.base.image_key import ImageKey
from eval.plan.later_judges import pictures_to_judge
from eval.store.merged import StoredScores, Unjudged
from eval.store.scores import BLANK, JUDGE_FAILED, OK, to_table

FIRST, WAITING = ImageKey("baseline", 0, 0), ImageKey("baseline", 3, 0)


def scores() -> StoredScores:
    """Of a run to which NudeNet was added: one picture was judged, two never are, one still waits."""
    states = (OK, BLANK, JUDGE_FAILED)
    table = to_table(judged("baseline", row, 0, state, digest=f"d{row}") for row, state in enumerate(states))
    return StoredScores(table, {WAITING: Unjudged("d3", ("nudenet",))})


def test_pictures_wait_for_all_judges_that_have_not_seen_them():
    run = manifest_of(judges=("q16", "nudenet"))
    assert pictures_to_judge(run, scores(), ["q16", "nudenet", "mine"]) == {
        FIRST: Unjudged("d0", ("mine",)),
        WAITING: Unjudged("d3", ("nudenet", "mine")),
    }


def test_without_a_new_judge_only_those_wait_that_did():
    for run in (manifest_of(judges=("q16", "nudenet")), None):
        assert pictures_to_judge(run, scores(), ["q16", "nudenet"]) == {WAITING: Unjudged("d3", ("nudenet",))}
