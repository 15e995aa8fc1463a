"""The files of a report: which there are, and what each is made from."""

from __future__ import annotations

from eval import tables
from eval.files import write_atomic
from eval.report_data import Report


def write(report: Report) -> list[str]:
    """Write the files of a report into its folder; return their names.

    Raises:
        StorageError: the disk refused one.
    """
    about = {
        "run": report.manifest["identity"],
        "deviations": report.manifest["deviations"],
        "notes": list(report.notes),
        "images": report.images,
        "missing": report.missing,
        **report.under.documents(),
    }
    other = {"definition": report.under.counted.name} if report.under.deviation else {}
    files = {
        "results.csv": tables.tidy_csv(report.metrics, **other),
        "results.md": report.markdown(),
        "results.json": tables.results_json(report.metrics, report.differences, report.comparisons, about),
    }
    for name, rows in (("definitions.csv", report.under.results), ("body_parts.csv", report.under.body_parts)):
        if rows:
            files[name] = tables.tidy_csv(rows)
    for name, text in files.items():
        write_atomic(report.folder / name, text.encode())
    return list(files)
