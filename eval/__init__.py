"""The harness: plan, generate, judge, measure, report."""
