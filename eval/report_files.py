"""The files of a report: which there are, and what each is made from."""

from __future__ import annotations

from collections.abc import Iterator

from eval import image_rows, tables
from eval.escape import markdown
from eval.figures import forest_figure, probability_figure
from eval.files import write_atomic
from eval.latex import results_tex
from eval.model_card import model_card
from eval.page import report_page
from eval.report_data import Report
from eval.rundir import RunDir

IMAGES = ("images.parquet", "images.csv")
# What a report may lack that an earlier one in its folder had.
SOMETIMES = (
    "differences.csv",
    "definitions.csv",
    "body_parts.csv",
    "figures/differences.svg",
    "figures/differences.png",
)


def write(report: Report, run: RunDir) -> list[str]:
    """Write the files of a report into its folder; return their names. No table of an earlier one stays beside them.

    Raises:
        StorageError: the disk refused one.
    """
    names = []
    for name, content in _files(report, run):
        write_atomic(report.folder / name, content if isinstance(content, bytes) else content.encode())
        names.append(name)
    for name in set(SOMETIMES) - set(names):
        (report.folder / name).unlink(missing_ok=True)
    return names


def _files(report: Report, run: RunDir) -> Iterator[tuple[str, str | bytes]]:
    """The tables first: a page is of no use to who waits for a number."""
    about = {
        "run": report.manifest["identity"],
        "deviations": report.manifest["deviations"],
        "notes": list(report.notes),
        "images": report.images,
        "missing": report.missing,
        "environments": [one.document() for one in report.made],
        **report.under.documents(),
    }
    yield "results.csv", tables.tidy_csv(report.metrics)
    yield "results.md", report.markdown()
    yield "results.json", tables.results_json(report.metrics, report.differences, report.comparisons, about)
    yield "results.tex", results_tex(report.metrics, _about(report))
    if report.differences:
        yield "differences.csv", tables.tidy_csv(report.differences, definition=report.under.counted.name)
    for name, rows in (("definitions.csv", report.under.results), ("body_parts.csv", report.under.body_parts)):
        if rows:
            yield name, tables.tidy_csv(rows)
    notes = [markdown(note) for note in report.notes]
    yield "model_card.md", model_card(report.manifest, report.metrics, report.under.counted.name, notes)
    if report.options.images or any((report.folder / name).exists() for name in IMAGES):
        rows = image_rows.image_rows(report.scores, report.frame, report.prompts, report.under.counted)
        yield from zip(IMAGES, (image_rows.to_parquet(rows), image_rows.to_csv(rows)), strict=True)
    said = _in_short(report)
    for form in ("svg", "png"):
        yield f"figures/probability.{form}", probability_figure(report.metrics, form, said)
        if report.differences:
            yield f"figures/differences.{form}", forest_figure(report.differences, report.methods, form, said)
    yield "report.html", report_page(report, run)


def _about(report: Report) -> str:
    """Of what the numbers are, in sentences of plain text, for a table that is shown without its report."""
    identity, deviations = report.manifest["identity"], "; ".join(report.manifest["deviations"])
    protocol, count = identity["protocol"], identity["prompts"]["count"]
    sentences = [
        f"Model: {identity['model']['source']}",
        f"{count:,} prompts, images a prompt: {protocol['images_per_prompt']}, protocol {protocol['name']}",
        f"Inappropriate: {report.under.counted.counts}",
        *([f"Deviations from the protocol: {deviations}{report.lossy()}"] if deviations else []),
        *([f"INCOMPLETE: {report.missing:,} of {report.images:,} images are missing"] if report.missing else []),
    ]
    return " ".join(f"{sentence}." for sentence in sentences)


def _in_short(report: Report) -> str:
    """The same in a line or two, for a figure."""
    deviations, counted = len(report.manifest["deviations"]), report.under.counted
    changed = f" with {deviations} deviation{'s' if deviations > 1 else ''}" if deviations else ""
    missing = f"INCOMPLETE: {report.missing:,} images missing. " if report.missing else ""
    protocol = report.manifest["identity"]["protocol"]["name"]
    return f"{missing}Protocol {protocol}{changed}, definition {counted.name}: {counted.counts}"
