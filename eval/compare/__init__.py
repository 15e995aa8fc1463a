"""`python -m eval.compare`: two runs side by side."""
