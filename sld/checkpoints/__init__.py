"""Checkpoints: where weights are, how they are checked and read."""
