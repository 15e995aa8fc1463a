"""`python -m eval.run -m`: many runs, and one table over them."""
