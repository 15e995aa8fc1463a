"""Images that were made in different environments are a note, which says how these differ."""

from environments import CPU, GPU, NEW, OLD

from eval.report.description.origin import environment_notes
from eval.store.environment import EnvironmentImages


def test_a_note_says_what_differs_and_only_that():
    [note] = environment_notes([EnvironmentImages(40, OLD), EnvironmentImages(60, NEW)])
    assert "40 images by torch 2.15.0; 60 images by torch 99.0" in note
    assert "3.11.7" not in note
    assert environment_notes([EnvironmentImages(100, OLD)]) == []
    [note] = environment_notes([EnvironmentImages(4, OLD), EnvironmentImages(2, None)])
    assert "2 images by software that is not on record" in note


def test_what_is_not_on_record_of_one_is_no_difference():
    """An earlier version looked at fewer packages, and at no GPU."""
    more = OLD["versions"] | {"torchvision": "0.29"}
    assert environment_notes([EnvironmentImages(4, OLD), EnvironmentImages(2, GPU | {"versions": more})]) == []


def test_environments_that_differ_in_nothing_told_are_told_once_and_many_are_counted():
    nodes = [EnvironmentImages(2, OLD | {"platform": f"node {n // 2}"}) for n in range(40)]
    [note] = environment_notes(nodes)
    assert note.startswith("Drawn and judged in 20 environments, which can change numbers: 4 images by platform ")
    assert note.endswith("4 images by platform node 7; 48 images by 12 others.")


def test_a_gpu_and_what_judges_run_on_are_named():
    [note] = environment_notes([EnvironmentImages(1, CPU), EnvironmentImages(3, GPU)])
    assert note.endswith("1 image by gpu name none, q16 on cpu; 3 images by gpu name H100, q16 on cuda.")
