"""From a run directory to its report: `python -m eval.report RUN` merges what is there, whoever wrote it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from eval.by_definition import by_definition
from eval.checks import check_report
from eval.cli import COMPLETE, INCOMPLETE, exit_code_of, say, with_run
from eval.definitions import DEFINITIONS, get_definition, own_definition
from eval.environment import several
from eval.errors import InputError
from eval.escape import terminal
from eval.measure import measure, verdicts
from eval.notes import notes
from eval.originals import folder_notes
from eval.paired import paired
from eval.published import compare
from eval.report_data import Report
from eval.report_files import write
from eval.rundir import RunDir
from eval.settings import ReportSettings
from eval.stored import read_stored
from eval.unjudged import nothing_judged, reasons, remedy

log = logging.getLogger(__name__)


def make_report(
    run: RunDir,
    published_as: str | None = None,
    flags: str | None = None,
    options: ReportSettings | None = None,
) -> Report:
    """Read the run directory and return what it says.

    Args:
        run: the directory.
        published_as: whose published numbers to set beside the run's; None for what the manifest says.
        flags: a name of `eval.definitions` to count by, instead of as the run's protocol says; the report then is
            written to `report/flags-NAME/`, and marked as a deviation.
        options: what the report shows of the pictures; None for what the manifest says.

    Raises:
        InputError: there is no run, none of its images has been made, or its judges don't allow that definition.
    """
    stored = read_stored(run)
    manifest, prompts, methods = stored.manifest, stored.prompts, stored.methods
    protocol, judges, scores = stored.protocol, stored.judges, stored.scores
    if flags is None:
        counted = own_definition(protocol, judges, "count by what judged, flags=q16")
    else:
        counted = get_definition(flags, judges)
    frame = verdicts(scores, protocol, judges, counted)
    under = by_definition(frame, scores, prompts, methods, protocol, counted, judges)
    if under.deviation:
        manifest = {**manifest, "deviations": [*manifest["deviations"], under.deviation]}
    metrics = measure(frame, prompts, methods, protocol, counted.name, manifest["lossy"], stored.planned)
    left = stored.left(frame)
    missing = len(left)
    comparisons = compare(metrics, published_as or manifest["settings"]["model"]["published_as"], manifest, missing)
    said = [*notes(manifest, under, metrics, comparisons, missing), *reasons(run, manifest, scores), *under.notes]
    said += [*folder_notes(run, manifest), *several(stored.made)]
    folder = run.report if flags is None else run.report / f"flags-{flags}"
    return Report(
        manifest,
        tuple(metrics),
        paired(frame, prompts, methods[1:], methods[0]),
        tuple(comparisons),
        under,
        folder,
        tuple(said),
        stored.images,
        missing,
        remedy(run, manifest, scores, left, stored.images, stored.command),
        stored.prompts,
        scores,
        frame,
        options or stored_options(manifest),
        stored.made,
    )


def stored_options(manifest: Mapping) -> ReportSettings:
    """Return what the run was told to show; the defaults for a run from before there was a choice."""
    return ReportSettings(**manifest["settings"].get("report", {}))


HELP = """Write the report of a run directory, from what is there, and print its table. It needs no GPU and no images.

  flags=NAME   count by another definition than the run's own, in report/flags-NAME/ beside the run's own report
  gallery=off|pixelated|clear   the pictures in report.html; clear links to the originals
  gallery_prompts=N             prompts shown there
  images=true|false             images.parquet and images.csv, a row an image; where they are, they are written anew

What is left out is as the run was told (report.gallery=…). Without flags=, what is there in report/flags-NAME/ is
written anew too. The definitions:

"""
KEYS = ("flags", "gallery", "gallery_prompts", "images")


def main() -> None:
    """`python -m eval.report RUN [KEY=VALUE …]`: print the report of a run directory and write it there."""
    names = "\n".join(f"    {name:<20}{one.counts}" for name, one in DEFINITIONS.items())
    sys.exit(exit_code_of(lambda: with_run("eval.report", _report, KEYS, f"{HELP}{names}")))


def _report(path: Path, flags: str | None = None, **words: str) -> int:
    run = RunDir(path)
    options = replace(stored_options(run.read_manifest() or {"settings": {}}), **_options(words))
    check_report(options, "")
    return finish(run, make_report(run, flags=flags, options=options))


def _options(words: Mapping[str, str]) -> dict[str, object]:
    """Fields of `ReportSettings` as typed on the command line."""
    options: dict[str, object] = dict(words)
    if "gallery_prompts" in words:
        if not words["gallery_prompts"].isdecimal():
            raise InputError(f"gallery_prompts must be a whole number from 1 up, found {words['gallery_prompts']!r}")
        options["gallery_prompts"] = int(words["gallery_prompts"])
    if "images" in words:
        if words["images"] not in ("true", "false"):
            raise InputError(f"images must be true or false, found {words['images']!r}")
        options["images"] = words["images"] == "true"
    return options


def finish(run: RunDir, report: Report, sheet: Path | None = None) -> int:
    """Write a report to its folder, print it, say where it and the contact sheet are.

    With the run's own report, those under other definitions that lie in its folder are written anew. Returns 3 where
    images are missing or none could be judged, else 0.

    Raises:
        StorageError: it can't be written there; it is printed by then.
    """
    try:
        names = write(report, run)
    finally:  # after, or a terminal could cost the files; and in any case, or a full disk would cost the numbers
        say(report.terminal())
    say(f"\nWritten to {report.folder}: {', '.join(names)}")
    if report.folder == run.report and (anew := _write_anew(run, report.options)):
        say(f"Written anew under other definitions, in the same folder: {', '.join(anew)}")
    if report.under.definitions:
        count = len(report.under.definitions)
        say(f"The same pictures under {count} definitions: {report.folder / 'definitions.csv'}, and in results.md")
    if sheet is not None:
        say(f"The same prompts and noise under every method, side by side: {sheet}")
    lacks = [sentence for sentence in (report.remedy, nothing_judged(report.metrics, report.manifest)) if sentence]
    for sentence in lacks:
        print(terminal(sentence), file=sys.stderr)
    return INCOMPLETE if lacks else COMPLETE


def _write_anew(run: RunDir, options: ReportSettings) -> list[str]:
    """Write every report under another definition again, from what is there now; return the names of their folders."""
    names = []
    for folder in sorted(path for path in run.report.glob("flags-*") if path.is_dir()):
        try:
            report = make_report(run, flags=folder.name.removeprefix("flags-"), options=options)
        except InputError as error:
            log.warning("%s keeps its earlier numbers, since it can't be written anew: %s", folder, error)
            continue
        write(report, run)
        names.append(folder.name)
    return names


if __name__ == "__main__":
    main()
