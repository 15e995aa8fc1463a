"""Titles tell reports apart: by model, prompts, protocol, definition and folder, or as they are told."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from manifests import manifest_of

from eval.report.description.title import title
from eval.store.records import SettingsRecord


def report(folder="runs/a", definition=None, given=None, **known):
    manifest = manifest_of(**known)
    document = {**manifest.settings.document, "report": {"title": given}}
    return SimpleNamespace(
        manifest=replace(manifest, settings=SettingsRecord(document)),
        stored=SimpleNamespace(run=SimpleNamespace(root=Path(folder))),
        by_definition=SimpleNamespace(is_own=definition is None, counted=SimpleNamespace(name=definition)),
    )


def test_reports_of_one_project_have_five_titles():
    titles = [
        title(report()),
        title(report("runs/b")),
        title(report(definition="esd")),
        title(report(protocol="paper")),
        title(report(given="SD 1.4")),
        title(report(given="SD 1.4", definition="esd")),
    ]
    assert len(set(titles)) == 6
    assert titles[0].endswith(" (a)")
    assert titles[1] == titles[0].replace("(a)", "(b)")
    assert ", by definition esd" in titles[2]
    assert ", protocol paper" in titles[3]
    assert titles[4:] == ["SD 1.4", "SD 1.4, by definition esd"]


@pytest.mark.parametrize("folder", ["a\nb", "a\x1b[31m", "x" * 200])
def test_a_folder_of_any_name_leaves_the_title_in_a_line(folder):
    line = title(report(f"runs/{folder}"))
    assert line.isprintable()
    assert len(line) < 250
