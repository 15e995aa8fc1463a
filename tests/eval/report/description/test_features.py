"""Which prompts CLIP could not read whole, and which features of a run its report does not use."""

import numpy as np
import pytest
from manifests import manifest_of

from eval.quality.settings import QualitySettings
from eval.report.description.features import feature_notes
from eval.store.features import write_features
from eval.store.rundir import RunDir
from eval.store.scores import Score
from eval.store.stored_run import StoredRun

READS = {"architecture": "ViT-L-14-quickgelu", "weights_sha256": "ab", "text": {"context_length": 77}}


def row(method, number, cut):
    place = {"method": method, "row": number, "image": 0, "digest": f"{method}{number}"}
    return place | {"embedding": np.float16([1, 0]), "text_cosine": 0.5, "text_cut": cut}


@pytest.fixture
def notes(tmp_path):
    def notes(description=READS, cut=(), metrics="auto", more=None):
        run, methods = RunDir(tmp_path), ("baseline", "sld_max")
        run.create(manifest_of(methods=methods, judges=()))
        places = [(method, number) for number in range(4) for method in methods]
        run.write_scores(0, [Score(*place, 0, "ok", digest="{}{}".format(*place)) for place in places])
        write_features(run, "clip", description, 0, [row(*place, place[1] in cut) for place in places])
        if more:
            write_features(run, "clip", more, 0, [row(*place, False) for place in places[:3]])
        stored = StoredRun(run, run.read_manifest(), (), run.read_scores())
        return list(feature_notes(stored, QualitySettings([metrics])))

    return notes


def test_prompts_that_clip_could_not_read_whole_are_counted_once_for_all_their_pictures(notes):
    assert notes(cut=(1, 3)) == ["clip_score: prompts cut off because CLIP reads 77 tokens: 2 of 4."]


def test_nothing_is_said_where_all_was_read_or_no_prompt_had_to_be(notes):
    assert notes() == []
    assert notes(cut=(1,), metrics="clip_distance") == []


def test_a_clip_without_tokenizer_leaves_the_score_blank_and_says_so(notes):
    assert notes(READS | {"text": None}) == [
        "clip_score is blank: the tokenizer of ViT-L-14-quickgelu does not come with open_clip."
    ]


def test_features_of_other_weights_are_named_and_not_used(notes):
    assert notes(more=READS | {"weights_sha256": "cd"}) == [
        "clip: features of 8 pictures are used; the run also has 1 set of other weights or precision, which are not."
    ]
