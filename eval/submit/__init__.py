"""Submission of a run to SLURM."""
