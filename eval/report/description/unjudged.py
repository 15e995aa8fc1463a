"""The images of a run that were not judged: the reasons, grouped and with names, and what completes the run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from eval.base.escape import name_in_line
from eval.base.image_key import ImageKey
from eval.base.words import counted, counted_of, first_of
from eval.measure.metrics import Metrics
from eval.plan.plan import Plan
from eval.store.manifest import Manifest
from eval.store.pictures import read_pictures
from eval.store.rundir import RunDir
from eval.store.scores import JUDGE_FAILED, NEVER, NOT_OK, OK, UNREADABLE, keyed
from eval.store.stored_run import StoredRun
from i2p.categories import ALL

GROUPS = 12  # reasons that are listed
LONGEST = 400  # characters of a reason: a library's may be pages long
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d[\d,.]*")


def reasons(stored: StoredRun) -> list[str]:
    """Return a sentence per reason why pictures were unreadable or a judge failed: how many, and which.

    Reasons that differ only in their numbers are one. Pictures made elsewhere are named by their files.
    """
    pictures = read_pictures(stored.run)[1] if stored.manifest.made_elsewhere else {}
    groups: dict[tuple[str, str], list[tuple[ImageKey, str]]] = {}
    for key, state, error in keyed(stored.scores, "state", "error"):
        if state in (UNREADABLE, JUDGE_FAILED):
            reason = _shortened(" ".join((error or "for no reason on record").split()))
            groups.setdefault((state, _NUMBER.sub("#", reason)), []).append((key, reason))
    listed = sorted(groups.items(), key=lambda group: -len(group[1]))
    sentences = []
    for (state, _), members in listed[:GROUPS]:
        first, equal = members[0][1], len({reason for _, reason in members}) == 1
        names = first_of(_name(key, pictures) for key, _ in members)
        sentences.append(
            f"{state}, {counted(len(members), 'image')}: {first}{'' if equal else ', and the like'} ({names})."
        )
    if remaining := [members for _, members in listed[GROUPS:]]:
        images = counted(sum(map(len, remaining)), "image")
        sentences.append(f"For {len(remaining):,} other reasons: {images}.")
    return sentences


def remedy(stored: StoredRun, missing: Sequence[ImageKey]) -> str:
    """Return in one sentence which images of a run are missing and what completes it; empty where none is.

    Args:
        stored: the run.
        missing: images that have no verdict and might get one.
    """
    if not missing:
        return ""
    names, rerun = first_of(map(str, missing)), f"this completes the run: {stored.command}"
    steps = _steps(stored.run, stored.manifest, stored.scores, missing, rerun)
    return f"{counted_of(len(missing), stored.images, 'image', 'is')} missing or unjudged ({names}); {steps}"


def remedy_of_shard(run: RunDir, plan: Plan, scores: pa.Table, missing: Sequence[ImageKey]) -> str:
    """Return the same of a shard, which is rerun by the command that was typed."""
    steps = _steps(run, run.read_manifest(), scores, missing, "run the same command again to retry them")
    images = f"{counted(len(missing), 'image')} {'is' if len(missing) == 1 else 'are'} missing or unjudged"
    return f"Shard {plan.shard_index} of {plan.shard_count}: {images}; {steps}"


def lacking_of_others(plan: Plan, missing: int) -> str:
    """Return in one sentence that a shard is complete, and how many images of the other shards are missing."""
    return (
        f"Shard {plan.shard_index} of {plan.shard_count} is complete; the others lack {counted(missing, 'image')}; the "
        "last shard to finish writes the report."
    )


def _steps(run: RunDir, manifest: Manifest, scores: pa.Table, missing: Sequence[ImageKey], rerun: str) -> str:
    """The steps that are needed before the rerun, and then the rerun."""
    outcomes = {key: (state, error or "") for key, state, error in keyed(scores, "state", "error")}
    unreadable = [key for key in missing if outcomes.get(key, ("", ""))[0] == UNREADABLE]
    never = [key for key in missing if NEVER in outcomes.get(key, ("", ""))[1]]
    root, pictures, _ = read_pictures(run) if manifest.made_elsewhere else (None, {}, [])
    absent = [key for key in missing if root is not None and key not in pictures and key not in outcomes]
    if not manifest.made_elsewhere and never:
        others = f", and for the others {rerun}" if len(missing) > len(never) else ""
        return f"{counted(len(never), 'image')} {NEVER} at this size: choose another in a new run (out=){others}"
    steps = [
        *([f"add the {_files(absent)} not there yet"] if absent else []),
        *([f"replace in place the {_files(unreadable)} that can't be read"] if unreadable else []),
        *([f"replace in place the {_files(never)} that no judge can take"] if never else []),
    ]
    return (f"{', '.join(steps)} (the command alone changes nothing there); then " if steps else "") + rerun


def lost(metrics: Sequence[Metrics]) -> str:
    """Return how many images show nothing and so are in no number, as a clause; empty where all show something."""
    overall = [m for m in metrics if m.category == ALL]
    count = sum(m.blank + m.nan for m in overall)
    planned = sum(m.planned for m in overall)
    return f"{counted_of(count, planned, 'image', 'is')} blank or nan, and in no share" if count else ""


def nothing_judged(metrics: Sequence[Metrics], manifest: Manifest) -> str:
    """Return in one sentence that a run or some of its methods have no number, and what to do; empty if all have.

    Methods of which no picture has been made yet do not count.
    """
    overall = [m for m in metrics if m.category == ALL]
    empty = [m for m in overall if not m.images and any(getattr(m, state) for state in NOT_OK)]
    if not empty:
        return ""
    nothing = not any(m.images for m in overall)
    states = Counter({state: sum(getattr(m, state) for m in empty) for state in (*NOT_OK, "missing")})
    counts = ", ".join(f"{count:,} {state}" for state, count in states.items() if count)
    advice = (
        "look at the files, and give pictures that show something"
        if manifest.made_elsewhere
        else "look at the pictures; where all are blank or nan, try dtype=float32 or another checkpoint, in a new out="
    )
    subject = "this run" if nothing else " and ".join(m.method for m in empty)
    lacks = "it has no numbers" if nothing or len(empty) == 1 else "they have no numbers"
    return f"No picture of {subject} could be judged ({counts}), so {lacks}: {advice}"


def nothing_judged_of(scores: pa.Table, plan: Plan) -> str:
    """Return in one sentence that no picture of a shard could be judged; empty where one could, or none is scored."""
    rows = set(plan.shard_images.rows)
    states = Counter(state for key, state in keyed(scores, "state") if key.row in rows)
    if not states or states[OK]:
        return ""
    counts = ", ".join(f"{count:,} {state}" for state, count in states.items())
    return f"No picture of shard {plan.shard_index} of {plan.shard_count} could be judged ({counts})"


def _name(key: ImageKey, pictures: Mapping[ImageKey, tuple[str, int]]) -> str:
    return name_in_line(pictures[key][0]) if key in pictures else str(key)


def _shortened(reason: str) -> str:
    return reason if len(reason) <= LONGEST else f"{reason[: LONGEST - 2]} …"


def _files(keys: Collection[ImageKey]) -> str:
    return "file" if len(keys) == 1 else f"{len(keys):,} files"
