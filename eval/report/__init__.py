"""`python -m eval.report`: from a stored run to tables, figures and a page."""
