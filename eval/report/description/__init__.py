"""A run in words: every sentence about a run that a report prints, one function per kind of sentence.

`facts` is what is needed to reproduce it, `summary` what stands above its tables and beside its figures, `notes` what a
reader should know, `published` how it stands to published numbers, and `unjudged` what was not judged and why.
"""
