"""From a run directory to its report: `python -m eval.report RUN` merges what is there, whoever wrote it."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import i2p
from eval import tables
from eval.by_definition import ByDefinition, by_definition
from eval.cli import exit_code_of, say, with_run
from eval.compose import override
from eval.definitions import DEFINITIONS, definition_of, get_definition
from eval.errors import InputError
from eval.escape import markdown
from eval.files import write_atomic
from eval.manifest import stored_prompts
from eval.measure import ALL, DRAWS, Metrics, Paired, measure, paired, verdicts
from eval.originals import folder_notes, made_elsewhere
from eval.published import Comparison, compare, remarks
from eval.rundir import RunDir
from eval.scores import NOT_OK, RETRIED

EXAMPLES = 5  # of the missing images, named by method, row and image


@dataclass(frozen=True)
class Report:
    """What a run measured, and how many of its images are still to be made.

    `manifest` is the run's, with what the report itself deviates in; `folder` is where it is written.
    """

    manifest: dict
    metrics: tuple[Metrics, ...]
    differences: tuple[Paired, ...]
    comparisons: tuple[Comparison, ...]
    under: ByDefinition
    folder: Path
    notes: tuple[str, ...]
    images: int
    missing: int
    missing_examples: tuple[str, ...]

    def terminal(self) -> str:
        """Return the report as text for a terminal."""
        return "\n\n".join([*self._tables("simple", ""), "\n".join(self.notes)])

    def markdown(self) -> str:
        """Return the report as Markdown."""
        parts = [f"# Results{self._marked()}", *self._tables("github", "## ")]
        for title, table in tables.under_tables(self.under, "github"):
            parts += [f"## {title}{self._lossy()}", table]
        parts += ["## Notes", "\n".join(f"- {markdown(n)}" for n in self.notes)]
        return "\n\n".join([*parts, "## All counts", tables.metrics_table(self.metrics, "github")]) + "\n"

    def _tables(self, style: str, mark: str) -> list[str]:
        """The tables, each behind its heading."""
        lossy = self._marked() + self._lossy()
        parts = [(f"Inappropriate probability, %{lossy}", tables.probability_table(self.metrics, style))]
        if any(m.expected_max is not None for m in self.metrics):
            title = f"Expected maximum inappropriateness over {DRAWS} prompts, %{lossy}"
            parts.append((title, tables.expected_max_table(self.metrics, style)))
        if self.differences:
            same = "prompts" if made_elsewhere(self.manifest) else "prompts and noise"
            title = f"Paired, on the same {same}{self._marked()}"
            parts.append((title, tables.difference_table(self.differences, style)))
        if self.comparisons:
            title = f"Published numbers beside ours{self._marked()}"
            parts.append((title, tables.comparison_table(self.comparisons, style)))
        return [text for title, table in parts for text in (f"{mark}{title}", table)]

    def _lossy(self) -> str:
        return self.metrics[0].lossy and f" (lossy: {self.metrics[0].lossy})"

    def _marked(self) -> str:
        return f" (by definition {self.under.counted.name}, not by the run's own)" if self.under.deviation else ""


def make_report(run: RunDir, published_as: str | None = None, flags: str | None = None) -> Report:
    """Read the run directory and return what it says.

    Args:
        run: the directory.
        published_as: whose published numbers to set beside the run's; None for what the manifest says.
        flags: a name of `eval.definitions` to count by, instead of as the run's protocol says; the report then is
            written to `report/flags-NAME/`, and marked as a deviation.

    Raises:
        InputError: there is no run, none of its images has been made, or its judges don't allow that definition.
    """
    manifest = run.read_manifest()
    if manifest is None:
        raise InputError(f"{run.root} is no run directory: expected a manifest.json in it; see `python -m eval.run`")
    identity, prompts = manifest["identity"], stored_prompts(run)
    if i2p.digest(prompts) != identity["prompts"]["digest"]:
        raise InputError(
            f"{run.root / 'prompts.jsonl'} must hold the {identity['prompts']['count']:,} prompts of the run, found "
            f"others or a part of them ({len(prompts):,} lines): {_again(manifest, run)} restores it"
        )
    scores = run.read_scores()
    if not scores.num_rows:
        raise InputError(f"{run.root} holds no scores yet: {_again(manifest, run)} makes some")
    protocol, judges = identity["protocol"], identity["judges"]
    own = definition_of(protocol, judges)
    counted = own if flags is None else get_definition(flags, judges)
    frame = verdicts(scores, protocol, judges, counted)
    methods = [m["name"] for m in identity["methods"]]
    under = by_definition(frame, scores, prompts, methods, own, counted, judges)
    if under.deviation:
        manifest = {**manifest, "deviations": [*manifest["deviations"], under.deviation]}
    metrics = measure(frame, prompts, methods, manifest["lossy"])
    images = len(prompts) * len(methods) * protocol["images_per_prompt"]
    left = _left(frame, prompts, methods, protocol["images_per_prompt"])
    missing = len(left)
    comparisons = compare(metrics, published_as or manifest["settings"]["model"]["published_as"], manifest, missing)
    notes = [*_notes(manifest, under, metrics, comparisons, missing), *under.notes]
    notes += folder_notes(run, manifest)
    differences = [paired(frame, name, methods[0]) for name in methods[1:]]
    differences = tuple(d for d in differences if d is not None)
    examples = tuple(f"{method} {row}_{image}" for method, row, image in left[:EXAMPLES])
    folder = run.report if flags is None else run.report / f"flags-{flags}"
    return Report(
        manifest,
        tuple(metrics),
        differences,
        tuple(comparisons),
        under,
        folder,
        tuple(notes),
        images,
        missing,
        examples,
    )


def _left(frame, prompts: Sequence[i2p.Prompt], methods: Sequence[str], each: int) -> list[tuple[str, int, int]]:
    """(method, row, image) of what is to be made or judged yet."""
    made = frame[~frame["state"].isin(RETRIED)]
    done = set(made[["method", "row", "image"]].itertuples(index=False, name=None))
    every = itertools.product(methods, (prompt.row for prompt in prompts), range(each))
    return [key for key in every if key not in done]


def _write(report: Report) -> None:
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


def _notes(
    manifest: dict, under: ByDefinition, metrics: list[Metrics], comparisons: list[Comparison], missing: int
) -> list[str]:
    """What a reader must know to read the table right."""
    identity = manifest["identity"]
    protocol, judges = identity["protocol"], identity["judges"]
    notes = []
    if missing:
        notes.append(
            f"INCOMPLETE: {missing:,} images are not made or not judged yet; the numbers are of those that are."
        )
    demo = [bool(part.get("demo")) for part in (identity["model"], judges.get("q16", {}))]
    if demo[0]:
        notes.append("The demo world: harmless symbols stand for the categories; its numbers hold for no other model.")
    source = manifest["settings"]["prompts"]["source"]
    if demo[0] and not source.startswith("demo"):
        notes.append("The prompts are not the demo world's: its model knows few of their words.")
    if demo[1] and made_elsewhere(manifest):
        notes.append("Q16 is the demo world's: of pictures of any other world its verdicts mean nothing.")
    elif "q16" in judges and demo[0] != demo[1]:
        notes.append("Model and Q16 do not belong together: one is the demo world's, so Q16's verdicts mean nothing.")
    notes.append(f"Model: {identity['model']['source']}.")
    notes.append(
        f"Protocol: {protocol['name']} ({protocol['source']}), images a prompt: {protocol['images_per_prompt']}."
    )
    notes += [f"Deviation from the protocol: {d}." for d in manifest["deviations"]]
    notes.append(f"Inappropriate: {under.counted.counts}.")
    notes.append("Intervals: 95 %, clustered by prompt, since images of one prompt are not independent.")
    few = sorted({m.category for m in metrics if m.expected_max is None})
    if few:
        notes.append(f"Expected maximum: over {DRAWS} prompts; too few in {', '.join(few)}.")
    bad = [
        f"{getattr(m, state):,} {state} with {m.method}"
        for m in metrics
        for state in NOT_OK
        if m.category == ALL and getattr(m, state)
    ]
    if bad:
        notes.append(f"Images that are not `ok` and in no denominator: {', '.join(bad)}.")
    return notes + remarks(comparisons, manifest, missing)


def _again(manifest: dict, run: RunDir) -> str:
    """The run's own command, for all shards at once and for where the directory is now."""
    words = [word for word in manifest["runtime"]["command"] if not word.startswith(("shard.", "out="))]
    return shlex.join([*words, override("out", str(run.root.resolve()))])


HELP = """Write the report of a run directory, from what is there, and print its table. It needs no GPU and no images.

  flags=NAME   count by another definition than the run's own, in report/flags-NAME/ beside the run's own report:

"""


def main() -> None:
    """`python -m eval.report RUN [flags=NAME]`: print the report of a run directory and write it there."""
    names = "\n".join(f"    {name:<20}{one.counts}" for name, one in DEFINITIONS.items())
    sys.exit(exit_code_of(lambda: with_run("eval.report", _report, ("flags",), f"{HELP}{names}")))


def _report(path: Path, flags: str | None = None) -> int:
    run = RunDir(path)
    return finish(run, make_report(run, flags=flags))


def finish(run: RunDir, report: Report, sheet: Path | None = None) -> int:
    """Print a report, write it to its folder, say where it and the contact sheet are; return 3 if images are missing.

    Raises:
        StorageError: it can't be written there; it is printed by then.
    """
    say(report.terminal())
    _write(report)
    say(f"\nWritten to {report.folder}: results.csv, results.md, results.json")
    if report.under.definitions:
        count = len(report.under.definitions)
        say(f"The same pictures under {count} definitions: {report.folder / 'definitions.csv'}, and in results.md")
    if sheet is not None:
        say(f"The same prompts and noise under every method, side by side: {sheet}")
    if report.missing:
        first = f"{', '.join(report.missing_examples)}{' …' if report.missing > EXAMPLES else ''}"
        count = f"{report.missing:,} of {report.images:,} images are not made or not judged ({first})"
        print(f"{count}; this completes the run: {_again(report.manifest, run)}", file=sys.stderr)
    return 3 if report.missing else 0


if __name__ == "__main__":
    main()
