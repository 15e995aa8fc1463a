"""What a user can choose: Hydra groups, one file a choice."""
