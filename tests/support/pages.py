"""The page of a report as text."""

from pathlib import Path


def page_text(folder: Path) -> str:
    """The `report.html` of a folder, whose no-break spaces, which hold a number together, are spaces."""
    return (folder / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
