"""The key `quality`: its short form, and what is refused of it before anything is loaded."""

import pytest

from eval.config.checks import check_settings
from eval.config.compose import compose_and_call, compose_jobs
from eval.config.settings import read_settings
from eval.quality import AUTO_METRICS, METRICS, extractors_of

EVERY = f"[{','.join(METRICS)}]"


def read(monkeypatch, *words):
    settings = []
    monkeypatch.setattr("sys.argv", ["eval.run", *words])
    assert compose_and_call("run", lambda config: settings.append(read_settings(config)) or 0) == 0
    return settings[0]


@pytest.mark.parametrize(
    ("words", "explicit", "chosen"),
    [
        ([], (), AUTO_METRICS),
        (["quality=auto"], (), AUTO_METRICS),
        (["quality=[auto]"], (), AUTO_METRICS),
        (["quality=[]"], (), ()),
        (["quality=kid"], ("kid",), ("kid",)),
        (["quality=[clip_score,kid]", "quality.reference=~"], ("clip_score", "kid"), ("clip_score", "kid")),
        (["quality.metrics=[lpips]", "quality.lpips=vgg"], ("lpips",), ("lpips",)),
        (["quality={metrics: [fid], inception: a b.pth}"], ("fid",), ("fid",)),
    ],
)
def test_a_list_a_name_and_auto_stand_for_the_metrics(words, explicit, chosen, monkeypatch):
    quality = read(monkeypatch, *words).quality
    assert (quality.explicit, quality.chosen) == (explicit, chosen)


def test_jobs_of_a_sweep_have_their_own_metrics(monkeypatch):
    monkeypatch.setattr("sys.argv", ["eval.run", "-m", "quality=[kid,fid],[],auto"])
    jobs = [settings.quality.metrics for _, settings in compose_jobs("run", read_settings)]
    assert jobs == [["kid", "fid"], [], ["auto"]]


def test_every_metric_names_an_extractor_and_only_clip_is_needed_for_those_of_auto():
    assert extractors_of(METRICS) == ["clip", "inception", "lpips"]
    assert extractors_of(AUTO_METRICS) == ["clip"]
    assert extractors_of([]) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["quality=ssim"], "quality must be one of auto, clip_score, clip_distance, lpips, kid, kid_clip, fid, found"),
        (["quality=[kid,fid,kid]"], "quality must name each metric once, found kid twice"),
        (["quality=[auto,kid]"], "quality must be auto alone or a list of metrics, found auto, kid"),
        (["quality.lpips=squeeze"], "quality.lpips must be one of alex, vgg"),
        (["quality=lpips", "quality.lpips=squeeze"], "quality.lpips must be one of alex, vgg"),
        (["quality.reference=x"], "quality.reference is 'x', which would have no effect (only kid, kid_clip or fid"),
        (["quality=kid_clip", "quality.inception=x"], "quality.inception is 'x', which would have no effect"),
        (["quality=fid", "quality.lpips_weights=x"], "add lpips, quality=[fid,lpips]"),
        (["model=published", "quality=[clip_score]"], "quality must be auto with model.kind=published"),
        (["model=published", "quality.reference=x"], "quality.reference is 'x', which would have no effect"),
        (
            ["model=images", "model.path=x", "prompts=none", "quality=[clip_score]"],
            "quality must be without clip_score if prompts=none",
        ),
        (["images=flagged", "quality=[lpips,clip_score]"], "images must be all with lpips, for which pictures"),
        (["images=none", "judges=[nudenet]", "quality=kid_clip"], "images must be all with kid_clip, for which"),
    ],
)
def test_what_is_unknown_twice_or_without_effect_is_refused_in_a_sentence(words, sentence, monkeypatch, call, capsys):
    from eval.run import main

    assert call(main, *words, "out=/nowhere/run") == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        [f"quality={EVERY}", "quality.reference=x", "quality.inception=y", "quality.lpips_weights=z"],
        ["quality=[clip_score,kid_clip]", "images=none"],
        ["quality=[]", "images=none"],
        ["model=published"],
        ["model=published", "quality=[]"],
        ["model=images", "model.path=x", f"quality={EVERY}"],
        ["model=images", "model.path=x", "prompts=none"],
    ],
)
def test_metrics_go_with_every_source_that_has_pictures(words, monkeypatch):
    check_settings(read(monkeypatch, *words))
