"""`python -m eval.doctor`: what a run would find, before it starts."""
