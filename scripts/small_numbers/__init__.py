"""The parts of `scripts/enumerate_intervals.py`: candidates for an interval of a share, and their coverage."""
