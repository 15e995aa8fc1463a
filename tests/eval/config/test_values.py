"""Values arrive as they were typed, whatever Hydra would have made of them: read back through its real composition."""

import re
import sys
from operator import attrgetter

import pytest
from hydra import compose, initialize_config_dir

from eval.base.errors import InputError
from eval.base.quoting import override
from eval.config.compose import compose_and_call, compose_jobs
from eval.config.config_dir import CONF
from eval.config.settings import Settings, read_settings
from eval.config.slurm import SlurmSettings
from eval.config.texts import CHOICE, text_keys
from eval.config.values import as_typed, typed_again

KINDS = text_keys(Settings) | text_keys(SlurmSettings, "slurm.") | {"experiment": CHOICE}
ODD = [
    *("1.10", "1e3", "2024_10_05", "true", "007", "0x10", ".5", "1_000", "yes", "2024-10-05", "nan", "-1", "12:30"),
    *("a b", " a ", "it's", 'a "quoted" b', "a\\b", "a\\\\b", "end\\", "\\'", "a,b", "my file, v2 (final).csv", "[x]"),
    *("{a: b}", "a=b", "a#b", "50%", "$x", "$HOME/x", "${x}", "${foo.bar}/x", "a\\${x}", "ü/日本", "str(1)", "x(y)"),
    *("line\nbreak", "?*", "<a>", "a;b|c&d", "!", "@", "^", "choice(a,b)", "`x`", "'half", '"half', "a ' b ' c"),
    *("${outx}", "{x", "x}", "[x"),
]
# Five of each kind, so that one composition reads five texts.
KEYS = [
    ("prompts.revision", "+model.path", "out"),
    ("prompts.strata", "+model.unet", "images"),
    ("prompts.groups", "+model.vae", "device"),
    ("protocol.scheduler", "+model.config", "dtype"),
    ("protocol.label_set", "+model.text_encoder", "engine.attention"),
]


def composed(*words, name="run"):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, overrides=["out=x", *words])


def read(key, *words):
    value = read_settings(composed(*words))
    for part in key.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("first", range(0, len(ODD), len(KEYS)))
def test_a_text_is_what_was_typed_and_an_override_is_read_back_as_it_was(first):
    """Each in a key that may be null, a path and a text; the first by way of `override`."""
    words, expected = [], {}
    for text, (optional, path, required) in zip(ODD[first:], KEYS, strict=False):
        typed, *more = (as_typed(f"{key}={text}", KINDS, sweep=False) for key in (optional, path, required))
        assert typed.partition("=")[2] == more[-1].partition("=")[2]
        word = override(optional, text)
        assert as_typed(word, KINDS, sweep=False) == word
        words += [word, *more]
        expected |= dict.fromkeys((optional, path.removeprefix("+"), required), text)
    settings = read_settings(composed(*words))
    assert {key: attrgetter(key)(settings) for key in expected} == expected


@pytest.mark.parametrize("text", ["null", "~/x", "\\${out}", "${out}"])
def test_an_override_is_the_text_itself_where_a_typed_word_is_not(text):
    word = override("prompts.revision", text)
    assert read("prompts.revision", word) == text
    assert as_typed(word, KINDS, sweep=False) == word


@pytest.mark.parametrize("text", ["1.10", "a, b", "it's", "true", "null"])
def test_what_is_in_quotes_that_reach_hydra_stays_as_it_is(text):
    for quote in "'\"":
        inner = text.replace("'", "\\'") if quote == "'" else text
        word = f"prompts.revision={quote}{inner}{quote}"
        assert as_typed(word, KINDS, sweep=False) == word
        assert read("prompts.revision", word) == text


def test_null_is_none_where_there_may_be_none_and_a_text_where_there_must_be_one():
    assert read("prompts.path", as_typed("prompts.path=null", KINDS, sweep=False)) is None
    assert read("out", as_typed("out=null", KINDS, sweep=False)) == "null"


@pytest.mark.parametrize(
    ("word", "put"),
    [
        ("out=${slurm.time}/x", "out=${slurm.time}/x"),
        ("out=${hydra:runtime.cwd}/x", "out=${hydra:runtime.cwd}/x"),
        ("+out =1.10", "+out ='1.10'"),  # as Hydra reads a key with blanks
        ("--steps=1_0", "--steps=1_0"),  # no override, which is said where those are refused
        ("report.names.baseline=1.10", "report.names.baseline='1.10'"),
        ("report.names={a: 1.10}", "report.names={a: '1.10'}"),
        ("report.names={a: b,c", "report.names={a: b,c"),
        ("report={names: {a: 1.10}}", "report={names: {a: '1.10'}}"),
        ("slurm={account}", "slurm={account}"),
        ("methods=[{name: a,b]", "methods=['{name: a,b']"),
        ("out=???", "out=???"),
        ("protocol.steps=a}", "protocol.steps=a}"),
        ("prompts.categories={a}", "prompts.categories='{a}'"),
        ("prompts.categories=", "prompts.categories="),
        ("experiment=", "experiment="),
        ("experiment=null", "experiment=null"),
        ("experiment='2024_10'", "experiment='2024_10'"),
        ("experiment=2024_10,paper", "experiment=2024_10,paper"),  # which Hydra refuses as several
    ],
)
def test_only_what_hydra_would_read_as_another_value_is_put_in_quotes(word, put):
    assert as_typed(word, KINDS, sweep=False) == put


def test_what_names_a_key_or_a_resolver_is_looked_up_and_the_rest_of_the_value_is_as_typed(monkeypatch):
    monkeypatch.setenv("WHERE", "/data")
    for typed, meant in (("runs/${model.kind}", "runs/demo"), ("${oc.env:WHERE}/a (b)", "/data/a (b)")):
        assert read("out", as_typed(f"out={typed}", KINDS, sweep=False)) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("[2024, null]", ["2024", "null"]),
        ("[self-harm,illegal activity]", ["self-harm", "illegal activity"]),
        ("[1.10,it's,'a, b',\"c\"]", ["1.10", "it's", "a, b", "c"]),
        ("[a (b, c),d]", ["a (b, c)", "d"]),
        ("[a\\,b]", ["a,b"]),  # Hydra's own escape
        ("[]", []),
        ("sexual", ["sexual"]),
        ("007", ["007"]),
        ("'a, b'", ["a, b"]),
        ("null", None),
    ],
)
def test_texts_of_a_list_are_as_typed_and_one_is_a_list_of_one(typed, meant):
    assert read("prompts.categories", as_typed(f"prompts.categories={typed}", KINDS, sweep=False)) == meant


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("methods=baseline", ["baseline"]),
        ("judges=q16", ["q16"]),
        ("track=tensorboard", ["tensorboard"]),
        ("nudenet.providers=CPUExecutionProvider", ["CPUExecutionProvider"]),
        ("methods={name: mine, preset: sld_max}", [{"name": "mine", "preset": "sld_max"}]),
    ],
)
def test_one_name_is_a_list_of_one_in_every_list(word, meant):
    assert read(word.partition("=")[0], as_typed(word, KINDS, sweep=False)) == meant


@pytest.mark.parametrize("word", ["methods=baseline,sld_max", "judges=q16,nudenet", "prompts.categories=hate,sexual"])
def test_several_names_without_brackets_are_refused_with_both_ways_to_mean_them(word):
    key, _, names = word.partition("=")
    with pytest.raises(InputError, match="must be a list in brackets") as error:
        as_typed(word, KINDS, sweep=False)
    advised = f"{key}=[{names}]"
    assert advised in str(error.value)
    assert read(key, as_typed(advised, KINDS, sweep=False)) == names.split(",")


def test_the_texts_of_a_method_are_as_typed_and_its_numbers_are_numbers():
    preset = "{warmup_steps: 5, guidance_scale: 1e3, threshold: 0.01, momentum_scale: 0.3, momentum_beta: 0.4}"
    word = f"methods=[baseline,{{name: 1.10, preset: {preset}, concept: a (b), negative_prompt: it's, bad}}]"
    word = word.replace("it's, bad", "it's")
    (_, method) = read("methods", as_typed(word, KINDS, sweep=False))
    assert (method["name"], method["concept"], method["negative_prompt"]) == ("1.10", "a (b)", "it's")
    assert method["preset"]["guidance_scale"] == 1000.0


def test_rows_can_be_a_text_with_commas():
    assert read("prompts.rows", as_typed("prompts.rows=0-1,7", KINDS, sweep=False)) == "0-1,7"
    assert read("prompts.rows", as_typed("prompts.rows=[0,7]", KINDS, sweep=False)) == [0, 7]


def test_texts_for_slurm_are_as_typed_in_a_key_and_in_a_mapping():
    for word in ("slurm.account=2024_10", "slurm={account: 2024_10, cpus: 8}"):
        slurm = composed(as_typed(word, KINDS, sweep=False), name="submit").slurm
        assert slurm.account == "2024_10"
    assert slurm.cpus == 8
    nested = as_typed("slurm={report: {partition: 1e3, cpus: 2}}", KINDS, sweep=False)
    assert dict(composed(nested, name="submit").slurm.report)["partition"] == "1e3"
    option = as_typed("slurm.options=--exclude=node7,node8", KINDS, sweep=False)
    assert composed(option, name="submit").slurm.options == "--exclude=node7,node8"


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("model.method=1.10,1.1", ["1.10", "1.1"]),
        ("model.method=007, true", ["007", "true"]),
        ("prompts.path=a (1).csv,'b, c.csv'", ["a (1).csv", "b, c.csv"]),
        ("experiment=2024_10,paper", ["2024_10", "paper"]),
        ("methods=[baseline],[sld_max, 007]", [["baseline"], ["sld_max", "007"]]),
        ("protocol.steps=range(1,4)", [1, 2, 3]),
    ],
)
def test_with_several_jobs_commas_are_between_their_values(word, values):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    sweep = parser.parse_override(as_typed(word, KINDS, sweep=True))
    jobs = [parser.parse_override(text).value() for text in (f"k={v}" for v in sweep.sweep_string_iterator())]
    assert jobs == values


JOBS = [
    *("model.path=a b,c", "prompts.categories=sexual,illegal activity", "device=cuda:0,cuda:1", "out=it's,(x)"),
    *("out=x ${model.kind} y,z", "out=\\\\${model.kind} x,z", "out=${nope},z", "prompts.rows='0-9,11',3"),
    *("methods={name: a, negative_prompt: ugly hands},sld_max", "methods=[{name: a, concept: 'x, y z'},b],c"),
    *("report={gallery: off},{gallery: clear}", "prompts.revision=1.10,end\\,'true'", "protocol.steps=range(1,3)"),
]


@pytest.mark.parametrize("word", JOBS)
def test_a_jobs_own_process_reads_what_the_sweep_meant(word, monkeypatch):
    monkeypatch.setattr("sys.argv", ["eval.run", "-m", "+model.path=p" if "model.path" not in word else "dtype=auto"])
    sys.argv.append(f"+{word}" if word.startswith("model.path") else word)
    for words, settings in compose_jobs("run", read_settings):
        read_again = []
        monkeypatch.setattr("sys.argv", ["eval.run", *map(typed_again, words)])
        compose_and_call("run", lambda config, into=read_again: into.append(read_settings(config)) or 0)
        assert read_again == [settings]


def test_a_choice_by_a_name_like_a_number_is_that_name():
    assert as_typed("experiment=2024_10", KINDS, sweep=False) == "experiment='2024_10'"
    assert as_typed("experiment=paper", KINDS, sweep=False) == "experiment=paper"


def test_numbers_and_flags_are_hydras():
    for word in (
        "batch_size=1000",
        "protocol.guidance_scale=1e1",
        "-m",
        "--cfg",
        "job",
    ):
        assert as_typed(word, KINDS, sweep=False) == word


@pytest.mark.parametrize(
    "word",
    [
        "protocol.steps=1_0",
        "protocol.guidance_scale=7_0.5",
        "+protocol.steps= 1_0",
        "model.size=[64, 6_4]",
        "prompts.rows=1_0",
        "prompts.rows=[0,1_0]",
        "shard={count: 1_0, index: 0}",
        "methods=[{name: mine, preset: strong, warmup_steps: 1_0}]",
    ],
)
@pytest.mark.parametrize("sweep", [False, True])
def test_a_number_with_an_underscore_which_hydra_reads_without_is_refused(word, sweep):
    said = r"^\S+ must have numbers without underscores, found (\S*\d_\d\S*) in .*: write (\S+), or what was meant$"
    with pytest.raises(InputError, match=said) as error:
        as_typed(word, KINDS, sweep=sweep)
    number, plain = re.match(said, str(error.value)).groups()
    assert plain == number.replace("_", "")


@pytest.mark.parametrize(
    "word", ["protocol.steps=20,1_0", "protocol.steps=range(1_0,20)", "prompts.rows=choice(0,1_0)"]
)
def test_a_number_with_an_underscore_is_refused_among_those_of_a_sweep(word):
    with pytest.raises(InputError, match="must have numbers without underscores, found 1_0 in "):
        as_typed(word, KINDS, sweep=True)


@pytest.mark.parametrize("word", ["out=range(1_0,2_0)", "track=[a_1_0]", "nudenet=v3_4", "methods={name: a_1_0}"])
def test_underscores_in_texts_stay(word):
    assert "1_0" in as_typed(word, KINDS, sweep=True) or "3_4" in as_typed(word, KINDS, sweep=True)


def test_more_digits_than_python_reads_are_left_to_hydra_which_refuses_them():
    assert as_typed(f"protocol.steps={'9' * 5000}", KINDS, sweep=False).endswith("9")
    assert as_typed(f"out={'9' * 5000}", KINDS, sweep=False) == f"out='{'9' * 5000}'"
