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
from eval.cli import exit_code_of, say, with_run
from eval.compose import override
from eval.errors import InputError
from eval.escape import markdown
from eval.files import write_atomic
from eval.flags import get_label_set
from eval.manifest import stored_prompts
from eval.measure import ALL, DRAWS, Metrics, Paired, measure, paired, verdicts
from eval.published import Comparison, compare, remarks
from eval.rundir import RunDir
from eval.scores import NOT_OK, RETRIED

EXAMPLES = 5  # of the missing images, named by method, row and image


@dataclass(frozen=True)
class Report:
    """What a run measured, and how many of its images are still to be made."""

    metrics: tuple[Metrics, ...]
    differences: tuple[Paired, ...]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]
    images: int
    missing: int
    missing_examples: tuple[str, ...]

    def terminal(self) -> str:
        """Return the report as text for a terminal."""
        return "\n\n".join([*self._tables("simple", ""), "\n".join(self.notes)])

    def markdown(self) -> str:
        """Return the report as Markdown."""
        parts = [
            "# Results",
            *self._tables("github", "## "),
            "## Notes",
            "\n".join(f"- {markdown(n)}" for n in self.notes),
        ]
        return "\n\n".join([*parts, "## All counts", tables.metrics_table(self.metrics, "github")]) + "\n"

    def _tables(self, style: str, mark: str) -> list[str]:
        """The tables, each behind its heading."""
        lossy = self.metrics[0].lossy and f" (lossy: {self.metrics[0].lossy})"
        parts = [(f"Inappropriate probability, %{lossy}", tables.probability_table(self.metrics, style))]
        if any(m.expected_max is not None for m in self.metrics):
            title = f"Expected maximum inappropriateness over {DRAWS} prompts, %{lossy}"
            parts.append((title, tables.expected_max_table(self.metrics, style)))
        if self.differences:
            parts.append(("Paired, on the same prompts and noise", tables.difference_table(self.differences, style)))
        if self.comparisons:
            parts.append(("Published numbers beside ours", tables.comparison_table(self.comparisons, style)))
        return [text for title, table in parts for text in (f"{mark}{title}", table)]


def make_report(run: RunDir, published_as: str | None = None) -> Report:
    """Read the run directory and return what it says.

    Args:
        run: the directory.
        published_as: whose published numbers to set beside the run's; None for what the manifest says.

    Raises:
        InputError: there is no run, or none of its images has been made.
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
    frame = verdicts(scores, identity["protocol"], identity["judges"])
    methods = [m["name"] for m in identity["methods"]]
    metrics = measure(frame, prompts, methods, manifest["lossy"])
    images = len(prompts) * len(methods) * identity["protocol"]["images_per_prompt"]
    left = _left(frame, prompts, methods, identity["protocol"]["images_per_prompt"])
    missing = len(left)
    comparisons = compare(metrics, published_as or manifest["settings"]["model"]["published_as"], manifest, missing)
    notes = _notes(manifest, metrics, comparisons, missing)
    differences = [paired(frame, name, methods[0]) for name in methods[1:]]
    differences = tuple(d for d in differences if d is not None)
    examples = tuple(f"{method} {row}_{image}" for method, row, image in left[:EXAMPLES])
    return Report(tuple(metrics), differences, tuple(comparisons), tuple(notes), images, missing, examples)


def _left(frame, prompts: Sequence[i2p.Prompt], methods: Sequence[str], each: int) -> list[tuple[str, int, int]]:
    """(method, row, image) of what is to be made or judged yet."""
    made = frame[~frame["state"].isin(RETRIED)]
    done = set(made[["method", "row", "image"]].itertuples(index=False, name=None))
    every = itertools.product(methods, (prompt.row for prompt in prompts), range(each))
    return [key for key in every if key not in done]


def _write(run: RunDir, report: Report, manifest: dict) -> None:
    about = {
        "run": manifest["identity"],
        "deviations": manifest["deviations"],
        "notes": list(report.notes),
        "images": report.images,
        "missing": report.missing,
    }
    files = {
        "results.csv": tables.results_csv(report.metrics),
        "results.md": report.markdown(),
        "results.json": tables.results_json(report.metrics, report.differences, report.comparisons, about),
    }
    for name, text in files.items():
        write_atomic(run.report / name, text.encode())


def _notes(manifest: dict, metrics: list[Metrics], comparisons: list[Comparison], missing: int) -> list[str]:
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
    if "q16" in judges and demo[0] != demo[1]:
        notes.append("Model and Q16 do not belong together: one is the demo world's, so Q16's verdicts mean nothing.")
    notes.append(f"Model: {identity['model']['source']}.")
    notes.append(
        f"Protocol: {protocol['name']} ({protocol['source']}), images a prompt: {protocol['images_per_prompt']}."
    )
    notes += [f"Deviation from the protocol: {d}." for d in manifest["deviations"]]
    notes.append(_judged(judges, protocol))
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


def _judged(judges: dict, protocol: dict) -> str:
    if not judges:
        return "Verdicts: the dataset's own, replayed."
    parts = []
    if "q16" in judges:
        rule = protocol["q16_rule"]
        parts.append(f"Q16 ({'the larger logit decides' if rule == 'argmax' else f'p ≥ {rule}'})")
    if "nudenet" in judges:
        sign = "≥" if get_label_set(protocol["label_set"]).inclusive else ">"
        parts.append(f"NudeNet (labels {protocol['label_set']}, score {sign} {protocol['nude_threshold']})")
    return f"Inappropriate: {' or '.join(parts)}."


def _again(manifest: dict, run: RunDir) -> str:
    """The run's own command, for all shards at once and for where the directory is now."""
    words = [word for word in manifest["runtime"]["command"] if not word.startswith(("shard.", "out="))]
    return shlex.join([*words, override("out", str(run.root.resolve()))])


def main() -> None:
    """`python -m eval.report RUN`: print the report of a run directory and write it there."""
    sys.exit(exit_code_of(lambda: with_run("eval.report", _report)))


def _report(path: Path) -> int:
    run = RunDir(path)
    return finish(run, make_report(run))


def finish(run: RunDir, report: Report, sheet: Path | None = None) -> int:
    """Print a report, write it to `report/`, say where it and the contact sheet are; return 3 if images are missing.

    Raises:
        StorageError: it can't be written there; it is printed by then.
    """
    manifest = run.read_manifest()
    say(report.terminal())
    _write(run, report, manifest)
    say(f"\nWritten to {run.report}: results.csv, results.md, results.json")
    if sheet is not None:
        say(f"The same prompts and noise under every method, side by side: {sheet}")
    if report.missing:
        first = f"{', '.join(report.missing_examples)}{' …' if report.missing > EXAMPLES else ''}"
        count = f"{report.missing:,} of {report.images:,} images are not made or not judged ({first})"
        print(f"{count}; this completes the run: {_again(manifest, run)}", file=sys.stderr)
    return 3 if report.missing else 0


if __name__ == "__main__":
    main()
