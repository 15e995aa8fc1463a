"""The run directory: manifest, prompts, scores and pictures."""
