"""The harness: plan, generate, judge, measure, report."""

from eval.base.names import check_names

check_names()  # first of all: what is imported below would already be theirs
