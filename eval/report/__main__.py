"""From a run directory to its report: `python -m eval.report RUN` merges its parts, whichever process wrote them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

from eval.base.cli import exit_code_of, with_run
from eval.base.errors import InputError
from eval.base.files import cannot_write
from eval.base.values import whole_number
from eval.config.checks import check_report
from eval.config.names import check_names, read_names
from eval.config.settings import ReportSettings
from eval.measure.definitions import DEFINITIONS
from eval.report.files import finish
from eval.report.make import make_report, stored_options
from eval.report.margin import read_margin
from eval.store.rundir import RunDir

HELP = """Write the report of a run directory from what it holds, and print its table. It needs no GPU and no images.

  title=TEXT names={METHOD: TEXT, …}   the title of the report, and names for print of methods
  flags=NAME   count by another definition than the run's own, in report/flags-NAME/ beside the run's own report
  gallery=off|pixelated|clear   the pictures in report.html; clear links to the originals
  gallery_prompts=N             prompts shown there
  images=true|false             images.parquet and images.csv, one row per image; if they exist, they are rewritten
  harmless=true|false|NAME,…    whether the prompts are harmless, or which of their categories are
  out=FOLDER                    write there instead, and nothing into the run directory, which may be read-only
  margin=POINTS                 which methods are shown to be no worse than the first by more than POINTS
  wide=true|false               print whole tables, even if they are wider than the terminal

Options left out keep the run's values; report.gallery=… is gallery=… here. Without flags=, reports that exist in
report/flags-NAME/ are rewritten too. The definitions:

"""
OF_RUN = {f"report.{field.name}": field.name for field in fields(ReportSettings)}
KEYS = tuple(sorted((*OF_RUN.values(), "flags", "out")))


def main() -> None:
    """`python -m eval.report RUN [KEY=VALUE …]`: print the report of a run directory and write it there."""
    names = "\n".join(f"    {name:<26}{definition.counts}" for name, definition in DEFINITIONS.items())
    sys.exit(exit_code_of(lambda: with_run("eval.report", _report, KEYS, f"{HELP}{names}", of_run=OF_RUN)))


def _report(path: Path, flags: str | None = None, out: str | None = None, **words: str) -> int:
    run = RunDir(path)
    manifest = run.read_manifest()
    if manifest and (hindered := cannot_write(Path(out) if out else run.report)):
        what, advice = ("out", "give another") if out else ("the report's folder", "give out=FOLDER")
        raise InputError(
            f"{what} must be a folder that can be written, found {hindered[0]}, which can't ({hindered[1]}): {advice}"
        )
    options = replace(stored_options(manifest) if manifest else ReportSettings(), **_options(words))
    check_report(options, "")
    check_names(options.names, manifest.method_names if manifest else None, "names")
    return finish(run, make_report(run, flags=flags, options=options, folder=Path(out) if out else None))


def _options(words: Mapping[str, str]) -> dict[str, object]:
    """Fields of `ReportSettings` as typed on the command line."""
    options: dict[str, object] = dict(words)
    if "gallery_prompts" in words:
        options["gallery_prompts"] = whole_number(words["gallery_prompts"])
        if options["gallery_prompts"] is None:
            raise InputError(
                f"gallery_prompts must be a whole number from 1 up, found {words['gallery_prompts']!r}: correct it"
            )
    for key in (key for key in ("images", "wide") if key in words):
        if words[key] not in ("true", "false"):
            raise InputError(f"{key} must be true or false, found {words[key]!r}: correct it")
        options[key] = words[key] == "true"
    if "names" in words:
        options["names"] = None if words["names"] == "null" else read_names(words["names"], "names")
    if words.get("title") == "null":
        options["title"] = None
    if "margin" in words:
        options["margin"] = read_margin(words["margin"])
    if "harmless" in words:
        names = [name.strip() for name in words["harmless"].strip("[]").split(",")]
        options["harmless"] = {"true": True, "false": False}.get(words["harmless"], names)
    return options


if __name__ == "__main__":
    main()
