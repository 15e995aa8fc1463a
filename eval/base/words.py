"""Durations, sizes, counts and long lists in words, for messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

PLURALS = {"is": "are", "was": "were"}


def duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it has two or more."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {name}"
    whole = round(seconds)
    return counted(whole, "second") if whole else "less than a second"


def size(count: float) -> str:
    """Return a number of bytes in the largest unit that fits."""
    for name, unit in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} bytes"


def counted(number: float, noun: str) -> str:
    """Return a number with its noun: `1 prompt`, `4,703 prompts`, `0.5 points`."""
    shown = f"{number:{'g' if isinstance(number, float) else ','}}"
    return f"{shown} {noun}{'' if shown == '1' else 's'}"


def counted_of(number: int, total: int, noun: str, verb: str, whose: str = "") -> str:
    """Return a part of a total and what is said of it: `1 of 3 images is`, `2 of 3 images are`, `0 of 1 image is`."""
    return f"{number:,} of {whose}{counted(total, noun)} {verb if 1 in (number, total) else PLURALS[verb]}"


def in_sentences(texts: Iterable[str]) -> str:
    """Return texts in one line, each with a full stop at its end; empty ones are left out."""
    return " ".join(f"{text.removesuffix('.')}." for text in texts if text)


def first_of(items: Iterable[str], limit: int = 5, separator: str = ", ") -> str:
    """Return the first `limit` items, and how many more there are."""
    items = list(items)
    more = f" and {len(items) - limit:,} more" if len(items) > limit else ""
    return separator.join(items[:limit]) + more


def either(names: Sequence[str]) -> str:
    """Return names as alternatives: `kid`, `kid or fid`, `kid, kid_clip or fid`."""
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def first_clauses(clauses: Iterable[str]) -> str:
    """Return the first three clauses, and how many more there are."""
    return first_of(clauses, 3, "; ")
