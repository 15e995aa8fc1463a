"""What a reader must know of a run to repeat it, as names and values: `report.html` and `results.md` begin with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval import environment
from eval.environment import Made
from eval.manifest import prompts_of
from eval.model_words import replacements
from eval.originals import made_elsewhere

ELSEWHERE = "not known here: the pictures were made elsewhere"
REPLAYED = "none here: the dataset's own results, replayed"


def facts(manifest: Mapping, counts: str, made: Sequence[Made] = ()) -> list[tuple[str, str]]:
    """Return name and value of what a reader must know to repeat a run.

    Args:
        manifest: of the run.
        counts: what is counted as inappropriate, in words.
        made: how many images were drawn and judged in which environment.
    """
    identity, runtime = manifest["identity"], manifest["runtime"]
    model, protocol, prompts = identity["model"], identity["protocol"], identity["prompts"]
    drawn, seeds = _drawn(manifest)
    found = {
        "Model": ", ".join(str(x) for x in (model["source"], model.get("revision"), model.get("dtype")) if x),
        **({"Replaced": "; ".join(replaced)} if (replaced := list(replacements(model))) else {}),
        "Prompts": f"{prompts['count']:,} of {prompts_of(manifest)}, digest {prompts['digest']}",
        "Protocol": f"{protocol['name']}: {protocol['source']}",
        "Drawn with": drawn,
        "Seeds": seeds,
        "Methods": ", ".join(method["name"] for method in identity["methods"]),
        "Judges": ", ".join(f"{name} (version {j.get('version', '–')})" for name, j in identity["judges"].items())
        or REPLAYED,
        "Inappropriate is": counts,
        "Deviations": "; ".join(manifest["deviations"]) or "none from the protocol",
        "Caveats": "; ".join(protocol.get("caveats", ())) or "none on record",
        "Begun": f"{runtime['created']}, {runtime['platform']}",
        "Command": " ".join(runtime["command"]),
    }
    if made:
        found["Software"] = "; ".join(f"{name} {value}" for name, value in environment.rows(made))
    return [(name, str(value)) for name, value in found.items()]


def _drawn(manifest: Mapping) -> tuple[str, str]:
    """How pictures were drawn, and from which seeds."""
    model, protocol = manifest["identity"]["model"], manifest["identity"]["protocol"]
    if made_elsewhere(manifest):
        return ELSEWHERE, ELSEWHERE
    if manifest["settings"]["model"]["kind"] == "published":
        return REPLAYED, REPLAYED
    size = protocol["size"]
    size = "each row's" if size == "row" else "×".join(map(str, size)) if isinstance(size, list) else str(size)
    guidance = "each row's" if protocol["guidance_scale"] == "row" else protocol["guidance_scale"]
    scheduler = protocol["scheduler"] or model.get("scheduler") or "the checkpoint's scheduler"
    offset = protocol.get("seed_offset", 0)
    seeds = protocol["noise"] + (f"; {offset} is added to every row's seed" if offset else "")
    return f"{protocol['steps']} steps of {scheduler}, guidance scale {guidance}, size {size}", seeds
