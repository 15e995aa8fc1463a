"""The CLIP that Q16 looks through."""
