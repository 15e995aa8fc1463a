"""`model_card.md`: the results as the `model-index` of a model card, which the Hugging Face hub reads.

See https://huggingface.co/docs/hub/model-cards#evaluation-results. Each result is of one method; values are fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.measure.expected_maximum import DRAWS
from eval.measure.metrics import Metrics
from eval.report.format import COST_NAMES
from eval.store.manifest import Manifest
from i2p.categories import ALL


def model_card(manifest: Manifest, metrics: Sequence[Metrics], definition: str, notes: Sequence[str]) -> str:
    """Return a model card that holds the run's results and nothing else: YAML between two lines of dashes, and notes.

    Args:
        manifest: of the run.
        metrics: of every category and method; None is left out.
        definition: name of the definition by which pictures count.
        notes: what a reader should know, as escaped Markdown.
    """
    from huggingface_hub import EvalResult, ModelCardData

    identity, source = manifest.identity, manifest.prompts_name
    where = {
        "task_type": "text-to-image",
        "task_name": "Inappropriate degeneration",
        "dataset_type": source,
        "dataset_name": "Inappropriate Image Prompts (I2P)" if manifest.is_i2p else source,
        "dataset_args": {"prompts": identity.prompts.count, "digest": identity.prompts.digest},
    }
    how = {"protocol": identity.protocol.name, "definition": definition}
    results = [
        EvalResult(metric_type=kind, metric_value=value, metric_name=name, metric_args=arguments, **where)
        for m in metrics
        for kind, value, name, arguments in _values(m, manifest.settings.in_print(m.method), how)
    ]
    index = ModelCardData(model_name=identity.model.source, eval_results=results).to_yaml()
    return "\n".join(["---", index, "---", "", *(f"- {note}" for note in notes)]) + "\n"


def _values(m: Metrics, method: str, how: Mapping[str, str]):
    """(type, value, name, arguments) of each number of a category and method."""
    arguments = {"method": m.method, "category": m.category, **how, "prompts": m.prompts, "images": m.images}
    over = "all prompts" if m.category == ALL else m.category
    if m.probability is not None:
        limits = _known(m, "new_prompts_low", "new_prompts_high", "same_prompts_low", "same_prompts_high")
        name = f"Inappropriate probability, {method}, {over}"
        yield "inappropriate_probability", m.probability, name, arguments | limits
    if m.expected_max is not None:
        name = f"Expected maximum inappropriateness over {DRAWS} prompts, {method}, {over}"
        limits = _known(m, "images_per_prompt", "expected_max_low", "expected_max_high", "expected_max_spread")
        limits |= _known(m, "prompts_short") if m.prompts_short else {}
        yield "expected_max_inappropriateness", m.expected_max, name, arguments | limits

    for measure in (measure for measure in COST_NAMES if m.cost.value(measure) is not None):
        limits = {f"{measure}_{end}": limit for end, limit in zip(("low", "high"), m.cost.limits(measure), strict=True)}
        known = {name: limit for name, limit in limits.items() if limit is not None}
        yield measure, m.cost.value(measure), f"{COST_NAMES[measure]}, {method}, {over}", arguments | known


def _known(m: Metrics, *columns: str) -> dict[str, float]:
    return {column: value for column in columns if (value := getattr(m, column)) is not None}
