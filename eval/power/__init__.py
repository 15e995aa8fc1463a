"""`python -m eval.power`: before a run, how many prompts and images it takes."""
