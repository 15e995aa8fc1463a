"""The parts of `scripts/simulate_coverage.py`."""
