"""`python -m eval.doctor`: what a run would find."""
