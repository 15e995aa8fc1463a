"""Whether pictures of two runs with the same prompt and number come from the same noise, and count by one rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eval.compare.members import Member
from eval.store.changes import changed_keys

# Noise is drawn from the row's seed in the shape of the latents, which depends on these and on the picture's size.
MODEL = "family", "latents"


def noise_apart(first: Member, second: Member, rows: Mapping[int, int]) -> Iterator[str]:
    """Yield as clauses why the noise of two runs is not known to be the same; nothing where it is.

    Args:
        first: a run.
        second: another run, or the same, whose methods share their noise only if they were drawn.
        rows: row of the first → the second's row of the same prompt.
    """
    runs = {member.stored.run.root: member for member in (first, second)}
    unknown = [member for member in runs.values() if not member.is_drawn]
    for member in unknown:
        origin = "is a replay" if member.stored.identity.model.replayed else "judged pictures made elsewhere"
        yield f"{member.title} {origin}, whose noise is not known"
    if unknown or len(runs) == 1:
        return
    ours, theirs = ({prompt.row: prompt for prompt in member.stored.prompts} for member in (first, second))
    pairs = [(ours[row], theirs[other]) for row, other in rows.items()]
    for what, names in (("seed", ("seed",)), ("size", ("height", "width"))):
        differing = [a.row for a, b in pairs if any(getattr(a, name) != getattr(b, name) for name in names)]
        if differing:
            yield (
                f"{what} differs between {first.title} and {second.title} in {len(differing):,} of {len(pairs):,} "
                f"prompts, the first in row {differing[0]}"
            )
    models = [{key: member.stored.identity.model.description.get(key) for key in MODEL} for member in (first, second)]
    for key in MODEL:
        if None in (models[0][key], models[1][key]):
            where = (first if models[0][key] is None else second).title
            yield f"model.{key} is not on record in {where}, so the noise is not known"
        elif models[0][key] != models[1][key]:
            yield (
                f"model.{key} is {models[0][key]} in {first.title} and {models[1][key]} in {second.title}, so the "
                "noise has another shape"
            )
    protocols = first.stored.protocol.noise, second.stored.protocol.noise
    yield from changed_keys(*protocols, "protocol.noise", _places(first, second))


def counted_apart(first: Member, second: Member) -> Iterator[str]:
    """Yield as clauses why a picture that counts in one run may not count in the other; nothing where it does.

    Only judges that the definition asks are compared.
    """
    if not first.definition.same_as(second.definition):
        yield (
            f"inappropriate is {first.definition.counts} in {first.title} and {second.definition.counts} in "
            f"{second.title}"
        )
        return
    asked = first.definition.judges
    judges = (
        {name: judge for name, judge in member.stored.identity.document()["judges"].items() if name in asked}
        for member in (first, second)
    )
    yield from changed_keys(*judges, "judges", _places(first, second))


def _places(first: Member, second: Member) -> tuple[str, str]:
    return f"in {first.title}", f"in {second.title}"
