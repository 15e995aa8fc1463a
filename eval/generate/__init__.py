"""The loop: draw, judge, store."""
