"""The sections of a report's page, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from eval.report import tables
from eval.report.answers import Section
from eval.report.definition_table import definition_table
from eval.report.description import summary
from eval.report.description.cost import cost_meaning
from eval.report.description.definitions import remarks
from eval.report.description.facts import facts
from eval.report.description.figures import differences_reading, probability_reading
from eval.report.description.groups import clusters
from eval.report.description.published import NONE, published_notes
from eval.report.drawing import Plot
from eval.report.page import parts
from eval.report.page.blocks import (
    Facts,
    Fragment,
    Listing,
    PageFigure,
    PageSection,
    PageTable,
    Paragraph,
    Subheading,
)
from eval.report.page.gallery import make_gallery
from eval.report.report import Report
from eval.report.sections import sections
from eval.store.rundir import RunDir

EXHIBITS = 8  # of the gallery that are shown at once, one of each category and one more; the others are on demand

PAIRED = (
    "is compared with {against} picture by picture. For a single comparison, chance alone is an unlikely cause if the "
    "interval excludes 0; among several methods and categories, if the adjusted p, which takes all of them for one "
    "family of tests, is at most 0.05. McNemar's p treats the images of one prompt as independent, and so finds too "
    "many differences: it is given as a check, and because others report it."
)
NOT_PAIRED = "None: the run has one method, or no pair of pictures."
UNJUDGED = (
    "Only pictures whose state is ok enter a denominator. A black frame, a NaN or a judge that failed says nothing "
    "about a model, so each is counted here and in no share."
)
DEFINITIONS = (
    "What counts as inappropriate, or as nude, differs from paper to paper. Here the same pictures are counted in each "
    "way."
)
BLURRED = (
    "Thumbnails are pixelated in the file itself, to at most 8 × 8 blocks. Blurring limits exposure; it does not "
    "remove harm: prompts are shown unchanged, and some are hateful, sexual or violent."
)


def report_sections(report: Report, run: RunDir, figures: Mapping[str, Plot]) -> Iterator[PageSection]:
    """Yield the sections of a report's page.

    Args:
        report: of the run.
        run: the directory with the pictures.
        figures: from `eval.report.figures.draw_figures`.
    """
    environments, counted = report.stored.environments, report.by_definition.counted
    named = tuple(facts(report.manifest, counted.counts, environments, report.stored.groups))
    yield PageSection("run", "What was run", "What was run", (Facts(named),))
    yield PageSection("probability", "Probability", "Inappropriate probability", tuple(_probability(report, figures)))
    yield PageSection("differences", "Differences", "Paired differences", tuple(_differences(report, figures)))
    yield PageSection("published", "Published", "Published numbers beside this run's", tuple(_published(report)))
    states = PageTable("Pictures of each method, by state.", parts.unjudged(report), "Pictures by state")
    yield PageSection("unjudged", "Not judged", "What was not judged", (Paragraph(UNJUDGED), states))
    if report.by_definition.definitions:
        yield PageSection("definitions", "Definitions", "Under every definition", tuple(_definitions(report)))
    for section in sections(report):
        yield further(section, figures, summary.marks(report))
    elsewhere = "" if report.manifest.made_elsewhere else " and noise"
    yield PageSection(
        "gallery", "Gallery", f"The same prompt{elsewhere} under every method", tuple(_gallery(report, run))
    )
    yield PageSection("notes", "Notes", "Notes", (Listing(report.notes),))
    caption = "What the numbers depend on; digests are SHA-256."
    digests = PageTable(caption, parts.provenance(report), "Versions and digests")
    yield PageSection("provenance", "Digests", "Versions and digests", (digests,))


def further(section: Section, figures: Mapping[str, Plot], marks: str = "") -> PageSection:
    """Return a question and its answer as a section of a page.

    Args:
        section: the question.
        figures: has the section's figure.
        marks: what follows every caption, from `eval.report.description.summary.marks`.
    """
    blocks = [Paragraph(sentence) for sentence in section.sentences]
    if section.figure:
        reading, caption = section.reading or section.question, f"{section.caption}{marks}"
        blocks.append(page_figure(figures, section.figure, reading, caption, f"Figure: {section.question}"))
    blocks += [PageTable(f"{caption}.{marks}", table, caption) for caption, table in section.tables]
    return PageSection(section.key, section.name, section.question, tuple(blocks))


def page_figure(figures: Mapping[str, Plot], key: str, reading: str, caption: str, name: str) -> PageFigure:
    """Return a figure as a block, with links to its files.

    Args:
        figures: by the names of their files in the folder `figures` beside the page.
        key: the figure's.
        reading: what it shows, for readers who can't see it.
        caption: below it.
        name: of the box in which it scrolls.
    """
    files = f"figures/{key}.svg", f"figures/{key}.png"
    return PageFigure(figures[key], label=reading, prefix=key, caption=caption, name=name, files=files)


def _probability(report: Report, figures: Mapping[str, Plot]) -> Iterator:
    marked, cluster = summary.marks(report), clusters(report.manifest)
    below = f" {cost}" if (cost := cost_meaning(report)) else ""
    yield PageTable(
        "Percent of the pictures that were judged, with 95 % intervals for new prompts like these, clustered by "
        f"{cluster}.{marked}{below}",
        tables.probability_table(report.metrics),
        "Inappropriate probability by category and method",
    )
    yield page_figure(
        figures,
        "probability",
        probability_reading(report.metrics),
        "Inappropriate probability by category and method. Bars are 95 % intervals for new prompts like these; a "
        f"hollow marker has no interval, since it rests on a single {cluster}.{marked}",
        "Figure of inappropriate probability",
    )
    if any(m.expected_max is not None for m in report.metrics):
        yield Subheading("Expected maximum inappropriateness")
        yield PageTable(
            f"The expected largest share of a prompt's {report.manifest.images_per_prompt:,} images among 25 prompts, "
            "in percent, with 95 % intervals for new prompts like these. It depends on the number of images per "
            "prompt: compare it with no other. * marks numbers in which a prompt has fewer images. Categories with "
            f"fewer prompts are left out.{marked}{below}",
            tables.expected_max_table(report.metrics),
            "Expected maximum inappropriateness by category and method",
        )


def _differences(report: Report, figures: Mapping[str, Plot]) -> Iterator:
    if not report.differences:
        yield Paragraph(NOT_PAIRED)
        return
    marked, elsewhere = summary.marks(report), report.manifest.made_elsewhere
    against = ", ".join(dict.fromkeys(d.against for d in report.differences))
    subject = "Each method" if elsewhere else "Methods draw a prompt from the same noise, so each"
    yield Paragraph(f"{subject} {PAIRED.format(against=against)}")
    yield page_figure(
        figures,
        "differences",
        differences_reading(report.differences),
        f"Difference in inappropriate probability, in percentage points, with 95 % intervals.{marked}",
        "Forest plot of the paired differences",
    )
    noise = "" if elsewhere else " and noise"
    caption = f"Differences in percentage points, on the same prompts{noise}.{marked}"
    yield PageTable(caption, tables.differences_table(report.differences), "Paired differences")


def _published(report: Report) -> Iterator:
    yield from map(Paragraph, published_notes(report.published, report.manifest, report.missing) or [NONE])
    if report.published:
        caption = (
            "This run's and the published numbers, in percent, and this run's minus the published ones, in points."
        )
        table = tables.published_table(report.published)
        yield PageTable(f"{caption}{summary.marks(report)}", table, "Published numbers beside this run's")


def _definitions(report: Report) -> Iterator:
    yield Paragraph(DEFINITIONS)
    caption = "Percent of the pictures, over all prompts, with 95 % intervals."
    yield PageTable(caption, definition_table(report.by_definition), "The same pictures under every definition")
    yield from map(Paragraph, remarks(report.by_definition.definitions))


def _gallery(report: Report, run: RunDir) -> Iterator:
    gallery = make_gallery(report, run)
    yield from map(Paragraph, gallery.notes)
    if gallery.exhibits:
        originals = " Each thumbnail links to its original, which is not pixelated."
        yield Paragraph(f"{BLURRED}{originals if report.options.gallery == 'clear' else ''}")
        yield Fragment("gallery.html", {"gallery": gallery, "shown": EXHIBITS})
