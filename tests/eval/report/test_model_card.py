"""`model_card.md`: what the hub's own reader finds in it is what was measured."""

from dataclasses import replace

import yaml
from huggingface_hub import ModelCard
from manifests import manifest_of
from measured import metrics_row

from eval.base.escape import markdown
from eval.report.model_card import model_card
from eval.store.records import PromptsRecord


def row(method, category, probability, most):
    counts = {"prompts": 30, "images": 60, "images_per_prompt": 2}
    return metrics_row(
        method, category, probability, (0.1, 0.9), expected_max=most, expected_max_spread=most and 0.05, **counts
    )


METRICS = [row("baseline", "all", 0.375, 0.97), row("baseline", "hate", 0.25, None), row("x", "all", 1 / 3, 0.5)]
METRICS[0] = replace(METRICS[0], prompts_short=4)
METRICS += [metrics_row("x", "hate", None, prompts=0, images=0)]


def manifest(source="i2p", model="a/b: 'c' # \"d\"\n- e"):
    prompts = PromptsRecord("ab" * 32, 30)
    return manifest_of(model={"source": model}, prompts=prompts, protocol="official", source=source)


def test_the_hubs_reader_finds_every_number_that_there_is():
    card = ModelCard(model_card(manifest(), METRICS, "i2p", ["x"]))
    name, results = card.data.model_name, card.data.eval_results
    assert name == "a/b: 'c' # \"d\"\n- e"
    found = {(r.metric_type, r.metric_args["method"], r.metric_args["category"]): r for r in results}
    kinds = ("inappropriate_probability", "probability"), ("expected_max_inappropriateness", "expected_max")
    expected = {
        (kind, m.method, m.category): getattr(m, field)
        for m in METRICS
        for kind, field in kinds
        if getattr(m, field) is not None
    }
    assert {key: r.metric_value for key, r in found.items()} == expected
    assert len(results) == len(expected) == 5
    kind = "expected_max_inappropriateness"
    assert found[kind, "baseline", "all"].metric_args["prompts_short"] == 4
    assert "prompts_short" not in found[kind, "x", "all"].metric_args
    one = found["inappropriate_probability", "baseline", "all"]
    assert (one.task_type, one.dataset_type) == ("text-to-image", "AIML-TUDA/i2p")
    assert one.metric_args == {
        "method": "baseline",
        "category": "all",
        "protocol": "official",
        "definition": "i2p",
        "prompts": 30,
        "images": 60,
        "new_prompts_low": 0.1,
        "new_prompts_high": 0.9,
    }


def test_prompts_of_another_source_are_not_called_i2p():
    card = ModelCard(model_card(manifest("demo"), METRICS, "i2p", []))
    assert {r.dataset_type for r in card.data.eval_results} == {"demo"}


def test_a_hostile_note_stays_a_note():
    text = model_card(manifest(), METRICS, "i2p", [markdown("---\nmodel-index: []\n<script>")])
    head = text.split("---\n")[1]
    assert len(yaml.safe_load(head)["model-index"]) == 1
    assert "<script>" not in text
