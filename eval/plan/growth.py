"""What a run directory and a plan have in common, what the directory holds beyond the plan, and what the plan adds.

A run grows where the plan has all that the directory holds, unchanged, and more of it: methods, prompts, images per
prompt, judges. Whether what both have is unchanged is compared by `eval.plan.same_run`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import i2p
from eval.base.errors import InputError
from eval.base.words import counted
from eval.plan.plan import Plan
from eval.store.history import Growth
from eval.store.identity import Identity
from eval.store.manifest import Manifest
from eval.store.prompts import digest_of, prompts_key, read_run_prompts
from eval.store.records import PromptsRecord
from eval.store.rundir import RunDir


@dataclass(frozen=True)
class Overlap:
    """What a stored run and a plan have in common, and what only one of them has.

    Attributes:
        stored: the manifest of the run.
        identity: of the run, without what the plan lacks.
        plan: without what the run lacks; methods in the order of the run.
        judges: the names of those that both have.
        other_rows: whose prompts are others in the plan than in the run.
        lacking: clauses on what of the run the plan lacks.
        added: what the plan adds to the run, named as in `Growth`; empty if it adds nothing.
        read_prompts: whether the run's prompts have been read, which is needed where the plan has others.
    """

    stored: Manifest
    identity: Identity
    plan: Plan
    judges: frozenset[str]
    other_rows: tuple[int, ...]
    lacking: tuple[str, ...]
    added: dict
    read_prompts: bool

    @property
    def growth(self) -> str:
        """What the plan adds to the run, as clauses; empty if nothing."""
        return Growth("", (), "", **self.added).words


def overlap(run: RunDir, stored: Manifest, plan: Plan, judges: Collection[str]) -> Overlap:
    """Return the overlap of the run in a directory with a plan.

    Args:
        run: the directory.
        stored: its manifest.
        plan: of this process.
        judges: the names of those that are to judge.
    """
    identity, names = stored.identity, {method.name for method in plan.methods}
    by_name = {method.name: method for method in plan.methods}
    common = [name for name in stored.method_names if name in names]
    count = min(stored.images_per_prompt, plan.images_per_prompt)
    found = _other_prompts(run, stored, plan)
    held = plan.prompts if found is None else found  # which then must have the digest of the run's
    of_plan = {prompt.row: prompt for prompt in plan.prompts}
    both = [prompt for prompt in held if prompt.row in of_plan]
    rows = {prompt.row for prompt in both}
    record = identity.prompts if len(both) == len(held) else PromptsRecord(digest_of(both), len(both))
    return Overlap(
        stored,
        replace(
            identity,
            methods=tuple(method for method in identity.methods if method.name in names),
            protocol=replace(identity.protocol, images_per_prompt=count),
            prompts=record,
            judges={name: judge for name, judge in identity.judges.items() if name in judges},
        ),
        replace(
            plan,
            methods=tuple(by_name[name] for name in common),
            protocol=replace(plan.protocol, images_per_prompt=count),
            prompts=tuple(prompt for prompt in plan.prompts if prompt.row in rows),
        ),
        frozenset(judges) & identity.judges.keys(),
        tuple(p.row for p in both if p is not (other := of_plan[p.row]) and i2p.digest([p]) != i2p.digest([other])),
        tuple(_lacking(stored, plan, judges, len(held), len(both))),
        _added(stored, plan, judges, len(held), len(both)),
        found is not None,
    )


def _other_prompts(run: RunDir, stored: Manifest, plan: Plan) -> Sequence[i2p.Prompt] | None:
    """Return the prompts of the run; None where they are the plan's or can't be read."""
    if stored.identity.prompts.digest == i2p.digest(plan.prompts):
        return None
    try:
        return read_run_prompts(run, stored)
    except InputError:
        return None


def _lacking(stored: Manifest, plan: Plan, judges: Collection[str], held: int, both: int) -> Iterator[str]:
    names = {method.name for method in plan.methods}
    for what, there, here in (("methods", stored.method_names, names), ("judges", stored.identity.judges, judges)):
        if gone := [name for name in there if name not in here]:
            yield f"{what} without {', '.join(gone)}"
    if both < held:
        yield f"{both:,} of its {counted(held, 'prompt')}"
    if plan.images_per_prompt < stored.images_per_prompt:
        yield f"{plan.images_per_prompt:,} of its {stored.images_per_prompt:,} images per prompt"


def _added(stored: Manifest, plan: Plan, judges: Collection[str], held: int, both: int) -> dict:
    names, before = [method.name for method in plan.methods], stored.method_names
    added: dict = {}
    if new := tuple(name for name in names if name not in before):
        added["methods"] = new
    if new := tuple(name for name in judges if name not in stored.identity.judges):
        added["judges"] = new
    if len(plan.prompts) > both:
        added["prompts"] = (held, len(plan.prompts))
    if plan.images_per_prompt > stored.images_per_prompt:
        added["images_per_prompt"] = (stored.images_per_prompt, plan.images_per_prompt)
    if [name for name in names if name in before] != before:
        added["reordered"] = True
    return added


def grow(run: RunDir, stored: Manifest, requested: Manifest, plan: Plan, both: Overlap) -> bool:
    """Let a run grow to a plan; return False where another process changed the run first.

    The prompts of both generations are stored before the manifest is replaced, so that a reader finds those of the
    manifest that it has read, also if this process is killed.

    Args:
        run: the directory.
        stored: its manifest.
        requested: the manifest of a run of the plan that began now.
        plan: which has all that the run holds.
        both: their overlap.
    """
    grown = _grown(stored, requested, both)
    others = prompts_key(grown) != prompts_key(stored)
    documents = [prompt.to_dict() for prompt in plan.prompts_as_listed()]
    if others:
        run.write_prompts((prompt.to_dict() for prompt in read_run_prompts(run, stored)), prompts_key(stored))
        run.write_prompts(documents, prompts_key(grown))
    if not run.grow(grown):
        return False
    if others:
        run.write_prompts(documents)
    return True


def _grown(stored: Manifest, requested: Manifest, both: Overlap) -> Manifest:
    old, new = stored.identity, requested.identity
    methods = {method.name: method for method in old.methods}
    identity = Identity(
        # The digest of a replay's results is of all prompts; any other model is on record as the run began with it.
        model=new.model if old.model.replayed else old.model,
        prompts=new.prompts,
        protocol=replace(old.protocol, images_per_prompt=new.protocol.images_per_prompt),
        methods=tuple(methods.get(method.name, method) for method in new.methods),
        judges={name: old.judges.get(name, judge) for name, judge in new.judges.items()},
    )
    growth = Growth(requested.runtime.created, requested.runtime.command, stored.identity_digest, **both.added)
    return replace(
        requested,
        identity=identity,
        runtime=stored.runtime,
        groups=requested.groups if stored.groups is not None else None,
        history=(*stored.history, growth),
    )
