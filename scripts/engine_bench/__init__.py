"""What `scripts/bench_engine.py` measures with."""
