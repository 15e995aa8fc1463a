"""The title of a report, by which several pages of one project are told apart."""

from __future__ import annotations

import i2p
from eval.base.escape import name_in_line
from eval.base.words import counted
from eval.report.report import Report
from eval.store.manifest import Manifest
from i2p.categories import ALL

USUAL = "dataset"  # the protocol of most runs, which a title does not name
I2P, DEMO = "I2P", "the demo world"


def title(report: Report) -> str:
    """Return the title of a report: `report.title`, or model, prompts, protocol if another than usual, and folder.

    A report by another definition than the run's own names it in either case.
    """
    manifest = report.manifest
    by = "" if report.by_definition.is_own else f", by definition {report.by_definition.counted.name}"
    if manifest.settings.title is not None:
        return f"{manifest.settings.title}{by}"
    protocol = manifest.identity.protocol.name
    under = "" if protocol == USUAL else f", protocol {protocol}"
    folder = name_in_line(report.stored.run.root.resolve().name)
    return f"{_model(manifest)} on {_prompts(manifest)}{under}{by} ({folder})"


def _model(manifest: Manifest) -> str:
    model = manifest.identity.model
    source = "The demo world's model" if model.demo else str(model.source)
    return source[:1].upper() + source[1:] if " " in source else source  # a hub id or a path stays as it is


def _prompts(manifest: Manifest) -> str:
    count = manifest.identity.prompts.count
    if manifest.without_prompts:
        return f"{counted(count, 'picture')} per method"
    if manifest.is_i2p:
        return I2P if count == i2p.published.PROMPTS[ALL] else f"{counted(count, 'prompt')} of {I2P}"
    demo = manifest.settings.prompt_source.startswith("demo")
    return f"{counted(count, 'prompt')} of {DEMO if demo else manifest.prompts_name}"
