"""Folders of pictures made elsewhere: their listing, and the prompt and method of each picture."""
