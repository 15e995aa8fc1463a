"""A run in words: every sentence about a run that a report prints, one module per kind of sentence.

- `facts`: what is needed to reproduce it.
- `summary`: what stands above its tables and beside its figures.
- `notes`: what a reader should know beside the numbers, from `definitions`, `origin`, `published` and `unjudged`.
- `unjudged`: what was not judged, why, and what completes the run.
- `written`: which files were written, and where.
"""
