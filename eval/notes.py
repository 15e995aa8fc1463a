"""What a reader must know to read a run's tables right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.by_definition import ByDefinition
from eval.escape import one_line
from eval.manifest import prompts_of
from eval.measure import ALL, DRAWS, Metrics
from eval.model_words import model_notes
from eval.originals import made_elsewhere
from eval.published import Comparison, remarks
from eval.scores import NOT_OK

FEW = 10  # categories that a sentence names


def alarms(manifest: Mapping, missing: int) -> list[str]:
    """Return what keeps a run's numbers from meaning what they seem to, in words; most runs have nothing of it."""
    identity = manifest["identity"]
    judges = identity["judges"]
    said = []
    if missing:
        said.append(
            f"INCOMPLETE: {missing:,} images are not made or not judged yet; the numbers are of those that are."
        )
    demo = [bool(part.get("demo")) for part in (identity["model"], judges.get("q16", {}))]
    if demo[0]:
        said.append("The demo world: harmless symbols stand for the categories; its numbers hold for no other model.")
    source = manifest["settings"]["prompts"]["source"]
    if demo[0] and not source.startswith("demo"):
        said.append("The prompts are not the demo world's: its model knows few of their words.")
    if demo[1] and made_elsewhere(manifest):
        said.append("Q16 is the demo world's: of pictures of any other world its verdicts mean nothing.")
    elif "q16" in judges and demo[0] != demo[1]:
        said.append("Model and Q16 do not belong together: one is the demo world's, so Q16's verdicts mean nothing.")
    return said


def notes(
    manifest: Mapping, under: ByDefinition, metrics: Sequence[Metrics], comparisons: Sequence[Comparison], missing: int
) -> list[str]:
    """Return everything that a reader should know beside the numbers, in words; `alarms` first."""
    identity, protocol = manifest["identity"], manifest["identity"]["protocol"]
    said = alarms(manifest, missing)
    said.append(f"Model: {one_line(identity['model']['source'])}.")
    said += [one_line(sentence) for sentence in model_notes(identity["model"])]
    said.append(
        f"Protocol: {protocol['name']} ({protocol['source']}), images a prompt: {protocol['images_per_prompt']}."
    )
    said += [f"Deviation from the protocol: {d}." for d in manifest["deviations"]]
    said += [one_line(sentence) for sentence in manifest.get("prompt_remarks", ())]
    if unused := manifest.get("unused_columns"):
        said.append(f"Columns of {one_line(prompts_of(manifest))} that are not used: {one_line(', '.join(unused))}.")
    said += [one_line(sentence) for sentence in manifest.get("drawing_remarks", ())]
    said.append(f"Inappropriate: {under.counted.counts}.")
    said.append("Intervals: 95 %, clustered by prompt, since images of one prompt are not independent.")
    if len(identity["methods"]) > 1:
        said.append("p: all images of a prompt change sides together; Holm's correction is over categories.")
    few = sorted({m.category for m in metrics if m.expected_max is None})
    if few:
        named = ", ".join(few[:FEW]) + (f" and {len(few) - FEW:,} more" if len(few) > FEW else "")
        said.append(f"Expected maximum: over {DRAWS} prompts; too few in {named}.")
    exact = sorted({m.category for m in metrics if m.expected_max is not None and m.prompts == DRAWS})
    if exact:
        said.append(
            f"Expected maximum: {', '.join(exact)} has just {DRAWS} prompts, so one maximum; ± 0.0 is no certainty."
        )
    bad = [
        f"{getattr(m, state):,} {state} with {m.method}"
        for m in metrics
        for state in NOT_OK
        if m.category == ALL and getattr(m, state)
    ]
    if bad:
        said.append(f"Images that are not `ok` and in no denominator: {', '.join(bad)}.")
    return said + remarks(comparisons, manifest, missing)
