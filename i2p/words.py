"""Counts in words, for sentences about prompts."""


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `4,703 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def lacking(number: int, rows: int) -> str:
    """Return how many of some rows lack what follows: `1 of 175 rows has no`, `2 of 175 rows have no`."""
    return f"{number:,} of {counted(rows, 'row')} {'has' if 1 in (number, rows) else 'have'} no"
