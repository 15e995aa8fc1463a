"""How often Python looks for garbage: seldom, since what a command imports stays."""

import gc

# Objects that are made between two passes. The libraries make a million that stay; at Python's own 700, passes through
# them take a fifth of the time of importing.
OBJECTS = 100_000


def collect_seldom() -> None:
    """Have this process collect garbage seldom; called before it imports anything heavy."""
    gc.set_threshold(OBJECTS)
