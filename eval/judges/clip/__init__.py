"""The CLIP image encoder of Q16."""
