"""What a run is to make, and whether a folder holds that run."""
