"""The run directory: manifest, prompts, scores, pictures."""
