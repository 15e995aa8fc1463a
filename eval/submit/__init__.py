"""`python -m eval.submit`: a run as SLURM jobs."""
