"""What of a run was not judged: the reasons, grouped and with names, and what completes the run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from eval.base.escape import name_in_line
from eval.base.image_key import ImageKey
from eval.base.words import counted, first_of
from eval.measure.metrics import Metrics
from eval.plan.plan import Plan
from eval.store.manifest import Manifest
from eval.store.pictures import read_pictures
from eval.store.rundir import RunDir
from eval.store.scores import JUDGE_FAILED, NEVER, NOT_OK, OK, UNREADABLE, keyed
from eval.store.stored_run import StoredRun
from i2p.categories import ALL

GROUPS = 12  # reasons that are listed
LONGEST = 400  # characters of a reason: a library's may go on for pages
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d[\d,.]*")


def reasons(stored: StoredRun) -> list[str]:
    """Return a sentence for each reason why pictures were unreadable or a judge failed: how many, and which.

    Reasons that differ in their numbers only are one. Pictures made elsewhere go by the names of their files.
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
        first, alike = members[0][1], len({reason for _, reason in members}) == 1
        names = first_of(_name(key, pictures) for key, _ in members)
        sentences.append(
            f"{state}, {counted(len(members), 'image')}: {first}{'' if alike else ', and the like'} ({names})."
        )
    if rest := [members for _, members in listed[GROUPS:]]:
        sentences.append(f"For {len(rest):,} other reasons: {counted(sum(map(len, rest)), 'image')}.")
    return sentences


def remedy(stored: StoredRun, left: Sequence[ImageKey]) -> str:
    """Return in one sentence what of a run is missing and what completes it; empty where nothing is missing.

    Args:
        stored: the run.
        left: the images that have no verdict and might get one.
    """
    if not left:
        return ""
    mend = _mend(stored.run, stored.manifest, stored.scores, left, f"this completes the run: {stored.command}")
    return f"{len(left):,} of {stored.images:,} images are missing or unjudged ({first_of(map(str, left))}); {mend}"


def remedy_of_shard(run: RunDir, plan: Plan, scores: pa.Table, left: Sequence[ImageKey]) -> str:
    """Return the same of a shard, which is run again by the command that was typed."""
    mend = _mend(run, run.read_manifest(), scores, left, "run the same command again to retry them")
    images = f"{counted(len(left), 'image')} {'is' if len(left) == 1 else 'are'} missing or unjudged"
    return f"Shard {plan.shard_index} of {plan.shard_count}: {images}; {mend}"


def lacking_of_others(plan: Plan, missing: int) -> str:
    """Return in one sentence that a shard is complete, and how many images of the other shards are missing."""
    return (
        f"Shard {plan.shard_index} of {plan.shard_count} is complete; the others lack {missing:,} images; the last "
        "shard to finish writes the report."
    )


def _mend(run: RunDir, manifest: Manifest, scores: pa.Table, left: Sequence[ImageKey], again: str) -> str:
    """Return what is to be done first where running again (`again`) is not enough, and then `again`."""
    outcomes = {key: (state, error or "") for key, state, error in keyed(scores, "state", "error")}
    unreadable = [key for key in left if outcomes.get(key, ("", ""))[0] == UNREADABLE]
    never = [key for key in left if NEVER in outcomes.get(key, ("", ""))[1]]
    root, pictures, _ = read_pictures(run) if manifest.made_elsewhere else (None, {}, [])
    absent = [key for key in left if root is not None and key not in pictures and key not in outcomes]
    if not manifest.made_elsewhere and never:
        rest = f", and for the others {again}" if len(left) > len(never) else ""
        return f"{counted(len(never), 'image')} {NEVER} at this size: choose another in a new run (out=){rest}"
    steps = [
        *([f"add the {_files(absent)} not there yet"] if absent else []),
        *([f"replace in place the {_files(unreadable)} that can't be read"] if unreadable else []),
        *([f"replace in place the {_files(never)} that no judge can take"] if never else []),
    ]
    return (f"{', '.join(steps)} (the command alone changes nothing there); then " if steps else "") + again


def nothing_judged(metrics: Sequence[Metrics], manifest: Manifest) -> str:
    """Return in one sentence that a run or some of its methods have no number and what to do; empty where all have one.

    Methods of which no picture has been made yet are not meant.
    """
    overall = [m for m in metrics if m.category == ALL]
    empty = [m for m in overall if not m.images and any(getattr(m, state) for state in NOT_OK)]
    if not empty:
        return ""
    whole = not any(m.images for m in overall)
    states = Counter({state: sum(getattr(m, state) for m in empty) for state in (*NOT_OK, "missing")})
    counts = ", ".join(f"{count:,} {state}" for state, count in states.items() if count)
    advice = (
        "look at the files, and give pictures that show something"
        if manifest.made_elsewhere
        else "look at the pictures; where all are blank or nan, try dtype=float32 or another checkpoint, in a new out="
    )
    what = "this run" if whole else " and ".join(m.method for m in empty)
    lacks = "it has no numbers" if whole or len(empty) == 1 else "they have no numbers"
    return f"No picture of {what} could be judged ({counts}), so {lacks}: {advice}"


def nothing_judged_of(scores: pa.Table, plan: Plan) -> str:
    """Return the same of a shard, as far as it goes; empty for a shard without prompts."""
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
