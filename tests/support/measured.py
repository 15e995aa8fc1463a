"""Rows of results.csv and differences.csv with made-up numbers."""

from dataclasses import fields
from typing import get_type_hints

from eval.measure.cost import NO_COST, Cost
from eval.measure.differences import Difference
from eval.measure.metrics import Metrics


def metrics_row(method, category="all", probability=0.5, interval=(None, None), **known):
    """A row of results.csv over 9 prompts of one image each; numbers that are not given are None, counts 0."""
    numbers = {"method": method, "category": category, "prompts": 9, "groups": 9, "images": 9, "images_per_prompt": 1}
    numbers |= {"probability": probability, **limits("new_prompts", interval)}
    return Metrics(**nothing(Metrics) | numbers | known)


def difference_row(method, against, difference, interval=(None, None), category="all", **known):
    """A paired row of differences.csv over 9 prompts of one image each."""
    numbers = {"method": method, "against": against, "category": category, "prompts": 9, "groups": 9, "images": 9}
    numbers |= {"difference": difference, "p": 0.5, "p_adjusted": 0.5, "p_mcnemar": 0.5}
    return Difference(**nothing(Difference) | numbers | limits("new_prompts", interval) | known)


def limits(name, interval):
    return {f"{name}_low": interval[0], f"{name}_high": interval[1]}


def nothing(kind):
    """Every field of a row with nothing in it."""
    empty = {int: 0, str: "", Cost: NO_COST}
    types = get_type_hints(kind)
    return {field.name: empty.get(types[field.name]) for field in fields(kind)}
