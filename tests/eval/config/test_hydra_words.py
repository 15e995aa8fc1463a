"""What is said of a command line that Hydra can't read: typed as told, it is accepted."""

import re

import pytest

from eval.doctor.__main__ import main as doctor
from eval.run import main as run
from eval.submit.__main__ import main as submit


@pytest.fixture
def refused(call, capsys, monkeypatch, tmp_path):
    """Returns the sentence that a command refuses words with."""
    monkeypatch.chdir(tmp_path)

    def refused(command, *words: str) -> str:
        assert call(command, *words) == 2
        return capsys.readouterr().err.splitlines()[-1]

    return refused


@pytest.fixture
def is_accepted(call):
    return lambda command, *words: call(command, *words, "--cfg", "job") == 0


@pytest.mark.parametrize(
    ("command", "key", "value", "advised"),
    [
        (run, "promts", "demo", ["prompts"]),
        (run, "steps", "3", ["protocol.steps"]),
        (run, "prompts.catgories", "[hate]", ["prompts.categories"]),
        (run, "+protocol", "esd", ["protocol"]),
        (run, "++protocol", "esd", ["protocol"]),
        (run, "+experiment", "quick", ["experiment"]),
        (run, "+methods", "baseline", ["methods"]),
        (submit, "slurm.tme", "1:0:0", ["slurm.time"]),
        (doctor, "modle", "sd14", ["model"]),
        (run, "path", "FILE", ["prompts.path", "model.path"]),
    ],
)
def test_another_key_is_given_as_it_is_advised(command, key, value, advised, refused, is_accepted):
    sentence = refused(command, f"{key}={value}")
    told = re.findall(r"([\w.]+)=(\S+?)[?,]?(?=$| )", sentence.rpartition(": ")[2])
    assert sorted(key for key, _ in told) == sorted(advised)
    assert {word for _, word in told} <= {value, "…"}
    group = ["model=sd14", "prompts=i2p"] if len(advised) > 1 else []
    assert all(is_accepted(command, *group, f"{each}={value}") for each in advised)


def test_nothing_is_advised_that_is_refused_here(refused):
    for words in (["foo=1"], ["measure=false"]):
        sentence = refused(run, *words)
        assert f"found {words[0].partition('=')[0]!r} (there are model, prompts, " in sentence
        assert "+" not in sentence
        assert sentence.endswith("run --help`")


@pytest.mark.parametrize(
    ("key", "value"), [("model.path", "x"), ("model.layout", "row"), ("model.prediction_type", "epsilon")]
)
def test_a_key_of_another_choice_is_accepted_beside_that_one_or_left_out(key, value, refused, is_accepted):
    sentence = refused(run, f"{key}={value}")
    choice = re.search(rf"{key} goes with (model=\w+)", sentence)[1]
    assert sentence.endswith(f"leave {key}= out")
    assert is_accepted(run, choice, *(["model.path=x"] if key != "model.path" else []), f"{key}={value}")


def test_one_of_several_values_is_accepted_alone_or_each_in_a_run_of_its_own(refused, is_accepted):
    sentence = refused(run, "protocol=esd,heim")
    assert sentence.endswith("found several, esd,heim: choose one, or add -m, for one run per value")
    assert is_accepted(run, "protocol=heim")
    assert refused(doctor, "protocol=esd,heim").endswith("found several, esd,heim: choose one")


def test_the_choices_of_a_group_are_named_and_accepted(refused, is_accepted):
    sentence = refused(run, "protocol=edd")
    names = re.search(r"protocol must be one of (.*), found 'edd': did you mean esd\?", sentence)[1].split(", ")
    assert {"esd", "heim", "official"} <= set(names)
    assert "base" not in names  # what the choices have in common
    assert all(is_accepted(run, f"protocol={name}") for name in names)


@pytest.mark.parametrize(
    ("command", "words", "told"),
    [
        (run, ["+out=x"], "found out, which exists already: give out=…, without it"),
        (submit, ["slurm=[a]"], "slurm must be given by its own keys, slurm.NAME=…, found [a]"),
        (run, ["out=x", "="], "found a lone '=': give it as one word"),
        (run, ["+=x"], "found a lone '+=x': give it as one word"),
        (run, ["++"], "found a lone '++': give it as one word"),
        (run, ["out=x", "=y"], "put what belongs together in quotes, as in 'out=x =y'"),
        (run, ["out=x", "=20"], "put what belongs together in quotes, as in 'out=x =20'"),
        (run, ["frobnicate", "out=x"], "found 'frobnicate': see `"),
        (run, ["model.path=x"], "model.path goes with model=checkpoint (or images, "),
        (run, ["requires_safety_checker=false"], "no safety checker changes the pictures of a run: leave it out"),
    ],
)
def test_what_is_no_override_is_told_what_it_is_taken_for(command, words, told, refused):
    assert told in refused(command, *words)


def test_a_choice_that_is_not_in_the_users_folder_either_is_not_told_to_give_one(refused, tmp_path):
    (tmp_path / "protocol").mkdir()
    (tmp_path / "protocol" / "mine.yaml").write_text("defaults: [base, _self_]\nname: dataset\n")
    assert refused(run, f"--config-dir={tmp_path}", "protocol=zzz").endswith("choose one of these")
    assert refused(run, "protocol=zzz").endswith("with --config-dir FOLDER")


def test_a_wrong_key_within_braces_is_the_one_that_is_named(refused):
    sentence = refused(submit, "slurm={partitoin:gpu}")
    assert "found 'slurm.partitoin' (those of slurm are partition, time," in sentence
    assert sentence.endswith("did you mean slurm.partition=…?")


# What a newcomer types, the whole advice, and the words that follow it.
MISTAKES = [
    (run, "--steps 20", "give protocol.steps=20", "protocol.steps=20"),
    (run, "--steps=20", "give protocol.steps=20", "protocol.steps=20"),
    (run, "--model sd14", "give model=sd14", "model=sd14"),
    (run, "--images-per-prompt 4", "give protocol.images_per_prompt=4", "protocol.images_per_prompt=4"),
    (run, "--num_inference_steps 20 device=cpu", "give protocol.steps=20", "protocol.steps=20"),
    (run, "--output_dir x", "give out=x", "out=x"),
    (run, "--config-name paper", "give experiment=paper", "experiment=paper"),
    (run, "--hepl", "did you mean --help?", "--help"),
    (doctor, "--measure=false", "give measure=false", "measure=false"),
    (submit, "--time 4:00:00", "give slurm.time=4:00:00 or slurm.report.time=4:00:00", "slurm.time=4:00:00"),
    (submit, "gpus=2", "did you mean slurm.gpus=2?", "slurm.gpus=2"),
    (submit, "dryrun=true", "did you mean dry_run=true?", "dry_run=true"),
    (doctor, "mesure=false", "did you mean measure=false?", "measure=false"),
    (run, "modell=sd14", "did you mean model=sd14?", "model=sd14"),
    (run, "mdel.size=64", "did you mean model.size=64?", "model.size=64"),
    (run, "protocol.stpes=20", "did you mean protocol.steps=20?", "protocol.steps=20"),
    (run, "guidance=7.5", "did you mean protocol.guidance_scale=7.5?", "protocol.guidance_scale=7.5"),
    (run, "seed=3", "did you mean protocol.seed_offset=3?", "protocol.seed_offset=3"),
    (run, "method=sld_max", "did you mean methods=sld_max?", "methods=sld_max"),
    (
        run,
        "negative_prompt=x",
        "give 'methods=[{name: mine, negative_prompt: x}]'",
        "methods=[{name: mine, negative_prompt: x}]",
    ),
    (
        run,
        "warmup_steps=5",
        "give 'methods=[{name: mine, preset: strong, warmup_steps: 5}]'",
        "methods=[{name: mine, preset: strong, warmup_steps: 5}]",
    ),
    (run, "qualty=[kid]", "did you mean quality=[kid]?", "quality=[kid]"),
    (run, "--quality kid", "give quality=kid", "quality=kid"),
    (run, "model=sd1.4", "did you mean sd14?", "model=sd14"),
    (run, "model=SD14", "did you mean sd14?", "model=sd14"),
    (run, "model=sd3", "did you mean sd35?", "model=sd35"),
    (run, "experiment=papr", "did you mean paper?", "experiment=paper"),
    (run, "nudenet=320n", "did you mean v3?", "nudenet=v3"),
    (run, "sd14", "give model=sd14", "model=sd14"),
    (run, "out", "give out=…", "out=x"),
    (run, "steps = 20", "give protocol.steps=…", "protocol.steps=20"),
    (run, "methods.name=x", "give methods=[…]", "methods=[x]"),
    (run, "help", "give --help", "--help"),
    (run, "Version", "give --version", "--version"),
    (run, "out=x steps", "give protocol.steps=…", "protocol.steps=20"),
    (run, "out=x seed", "give protocol.seed_offset=…", "protocol.seed_offset=3"),
    (run, "ouut", "give out=…", "out=x"),
]


@pytest.mark.parametrize(("command", "typed", "advice", "words"), MISTAKES, ids=[typed for _, typed, _, _ in MISTAKES])
def test_a_mistake_is_met_half_way(command, typed, advice, words, refused, call, capsys):
    sentence = refused(command, *typed.split())
    assert sentence.endswith(f": {advice}"), sentence
    assert "search path" not in sentence
    assert call(command, words, *(["--cfg", "job"] if words not in ("--help", "--version") else [])) == 0


def test_a_path_alone_is_told_where_it_may_go(refused, tmp_path, call, capsys, monkeypatch):
    (tmp_path / "mine.csv").write_text("prompt\na fox\n")
    assert refused(run, "mine.csv").endswith("found the path 'mine.csv': give prompts.path=mine.csv")
    (tmp_path / "pictures").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert refused(run, "~/mine.csv").endswith(f"found the path '~/mine.csv': give prompts.path={tmp_path}/mine.csv")
    told = "give model.path=pictures or out=pictures"
    assert refused(run, "pictures").endswith(told)
    (tmp_path / "pictures/manifest.json").touch()
    assert "give out=pictures to resume it" in refused(run, "pictures")
    assert "report pictures` writes its report again" in refused(run, "pictures")
    assert refused(run, "model.path=my", "file").endswith("as in 'model.path=my file'")


def test_a_model_that_is_not_among_the_choices_is_told_the_way_that_works(refused):
    assert "model=images model.path=FOLDER (docs/images.md)" in refused(run, "model=flux")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("protocol.steps=abc", "protocol.steps must be a whole number, found 'abc'"),
        ("protocol.steps=20.5", "protocol.steps must be a whole number, found 20.5"),
        ("prompts.toxicity_min=high", "prompts.toxicity_min must be a number, found 'high'"),
        ("sheet=maybe", "sheet must be true or false, found 'maybe'"),
        ("sheet=5", "sheet must be true or false, found 5"),
        ("sheet='5'", "sheet must be true or false, found '5'"),
        ("report.wide=-1", "report.wide must be true or false, found -1"),
        ("prompts.hard=2", "prompts.hard must be true or false, found 2"),
        ("verify=null", "verify must be true or false, found null"),
        ("verify=[true]", "verify must be true or false, found [true]"),
        ("judges=[[q16]]", "judges must be a list of names, found ['q16'] in it: take the inner brackets out"),
        ("prompts.categories=[[sexual]]", "prompts.categories must be a list of names, found ['sexual'] in it"),
        ("prompts.rows=1e2", "rows must be row numbers and rising ranges such as '0-99,200', found '100.0'"),
        ("shard=3", "shard must be given by its own keys, as in shard.count=… (there are count, index), found 3"),
        ("+sheets=true", "found sheets: did you mean sheet?"),
        ("+protocol.stepz=3", "found protocol.stepz: did you mean protocol.steps?"),
        ("dtype=half", "found 'half': did you mean float16?"),
        ("judges=[q17]", "found 'q17': did you mean q16?"),
        ("track=[wandbb]", "found 'wandbb': did you mean wandb?"),
        ("protocol.scheduler=ddmi", "give protocol.scheduler=ddim"),
        ("methods=[{name: a, preset: mxa}]", "did you mean 'max'?"),
        ("methods=[{name: sld_max, warmup_steps: 5}]", "as in {name: mine, preset: max, warmup_steps: 5}"),
        ("safety_checker=false", "no safety checker changes the pictures of a run: leave it out"),
    ],
)
def test_a_value_of_another_kind_is_told_in_the_keys_own_words(word, told, refused):
    assert told in refused(run, word)
    assert "Settings" not in refused(run, word)


def test_a_sweep_is_met_half_way_too(refused):
    assert refused(run, "-m", "model=sd14,sd1_5").endswith("found 'sd1_5': did you mean sd15?")
    assert refused(run, "-m", "stepz=20,50").endswith("did you mean protocol.steps=20,50?")


def test_a_value_that_a_later_one_replaces_is_named_as_not_used(call, caplog, capsys):
    words = ["protocol.steps=10", "quality=[kid]", "model=sd14", "protocol.steps=30", "quality.metrics=[fid]"]
    assert call(run, *words, "++protocol.steps=20", "--cfg", "job") == 0
    assert caplog.messages == [
        "protocol.steps=10 is not used: ++protocol.steps=20 stands after it.",
        "quality=[kid] is not used: quality.metrics=[fid] stands after it.",
        "protocol.steps=30 is not used: ++protocol.steps=20 stands after it.",
    ]
    assert "steps: 20" in capsys.readouterr().out


def test_a_value_that_is_given_twice_is_used(call, caplog):
    assert call(run, "protocol.steps=10", "++protocol.steps=10", "--cfg", "job") == 0
    assert not caplog.messages
