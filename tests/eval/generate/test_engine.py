"""What a run is tuned with: the user's word, then the run's own, then what suits the device."""

import dataclasses
import json
import math
from types import SimpleNamespace

import pytest
import torch

import i2p
import sld
from eval.base.errors import InputError
from eval.config.settings import EngineSettings, Settings
from eval.generate import engine, trials
from eval.generate.engine import COMPILED_FROM, Engine, choose_engine, keep_smaller_batch
from eval.plan import memory
from eval.plan.batches import Rows
from eval.plan.plan import Plan
from eval.store.rundir import RunDir
from i2p.demo import trained
from sld.tuning import Tuning

CHOICES = {"batch_size": 5, "channels_last": True, "attention": "math", "compile": False}


class Model:
    """Notes how it was tuned last, and for pictures of which size; a picture takes `more` calls than steps."""

    def __init__(self, device="cpu", more=0):
        self.device, self.more, self.tuned = torch.device(device), more, None

    def start(self, steps, height, width):
        return SimpleNamespace(timesteps=range(steps + self.more))

    def tune(self, *tuned):
        self.tuned = tuned

    def latent_shape(self, height, width):
        return 4, height // 8, width // 8


def settings(batch_size="auto", **choices):
    parts = dict.fromkeys(["model", "prompts", "protocol", "q16", "nudenet"])
    return Settings(**parts, methods=[], judges=[], out="", batch_size=batch_size, engine=EngineSettings(**choices))


def half(batch_size, tuning, background):
    """An engine with half as many units per batch as rows per call."""
    return Engine(batch_size, tuning, background, max(1, batch_size // 2))


def choose(asked, model, plan, run):
    return choose_engine(run, plan, model, asked.engine, asked.batch_size, asked.workers)


def plan(prompts=3, methods=("baseline", "sld_medium"), steps=50, guidance_scale=7.0):
    protocol = dataclasses.replace(i2p.get_protocol("dataset"), images_per_prompt=1, steps=steps)
    rows = [i2p.Prompt(row, "a", ("hate",), 1, guidance_scale, 64, 64 + 32 * (row == 1)) for row in range(prompts)]
    return Plan(tuple(rows), tuple(sld.METHODS[name] for name in methods), protocol, ())


@pytest.fixture(autouse=True)
def no_clock_and_memory_enough(monkeypatch):
    """No model is here to be timed, or estimated: batches have half the rows, and all of them fit."""
    monkeypatch.setattr(memory, "free_memory", lambda: 2**40)
    monkeypatch.setattr(engine, "measured_units", lambda model, plan, batch_size, compiled: max(1, batch_size // 2))


@pytest.fixture
def run(tmp_path):
    return RunDir(tmp_path)


def kept(run, kind="cpu"):
    return json.loads((run.root / "engine" / f"{kind}.json").read_text())


def test_a_cpu_runs_plainly_where_nothing_is_asked_for(run):
    model = Model()
    assert choose(settings(), model, plan(99), run) == half(32, Tuning(), False)
    assert model.tuned == (Tuning(), 64, 64)
    chosen = {"batch_size": 32, "channels_last": False, "attention": "default", "compile": False}
    assert kept(run) == chosen | {"asked_batch_size": "auto", "units_per_batch": 16}


def test_the_users_values_win_over_the_runs_and_are_the_next_processes_default(run):
    asked = settings(3, channels_last=True, attention="flash", compile=True, background=True)
    run.create_engine("cpu", CHOICES)
    chosen = half(3, Tuning(True, "flash", True), True)
    assert choose(asked, Model(), plan(), run) == chosen
    assert kept(run) == CHOICES
    other = RunDir(run.root / "other")
    assert choose(asked, Model(), plan(), other) == chosen
    assert choose(settings(background=True), Model(), plan(), other) == chosen


def test_what_a_former_process_chose_is_taken_over_whatever_the_defaults_are_by_now(run, monkeypatch):
    run.create_engine("cpu", CHOICES)
    monkeypatch.setattr(engine, "CPU_ROWS", (99, 99))
    model = Model()
    assert choose(settings(), model, plan(), run) == half(5, Tuning(True, "math"), False)
    assert model.tuned == (Tuning(True, "math"), 64, 64)
    assert choose(settings(2), Model(), plan(), run).batch_size == 2
    assert kept(run) == CHOICES


def test_the_size_that_is_compiled_for_is_the_height_and_the_width_of_most_prompts(run):
    wide, model = plan(99), Model()
    prompts = tuple(dataclasses.replace(prompt, width=96) for prompt in wide.prompts)
    choose(settings(), model, dataclasses.replace(wide, prompts=prompts), run)
    assert model.tuned == (Tuning(), 64, 96)


def test_of_two_processes_that_start_at_once_the_firsts_choices_are_in_force(run, monkeypatch):
    read = RunDir.read_engine

    def read_too_early(self, kind):
        found = read(self, kind)
        self.create_engine(kind, CHOICES)  # another process, between our look and our own choice
        return found

    monkeypatch.setattr(RunDir, "read_engine", read_too_early)
    assert choose(settings(), Model(), plan(), run) == half(5, Tuning(True, "math"), False)
    assert kept(run) == CHOICES
    other = RunDir(run.root / "other")
    assert choose(settings(2), Model(), plan(), other).batch_size == 2, "the user's own are, whoever was first"


@pytest.mark.parametrize(
    "text",
    [
        *("", '{"batch_size": 4,', "\0" * 100, "[]", "{}", "null", '{"batch_size": 4}'),
        *(json.dumps(CHOICES | change) for change in (
            {"batch_size": 0}, {"batch_size": "auto"}, {"batch_size": True}, {"attention": "flash3"},
            {"attention": "auto"}, {"attention": ["math"]}, {"compile": 1}, {"channels_last": None},
        )),
    ],
)  # fmt: skip
def test_a_damaged_file_of_choices_does_no_harm_and_is_replaced(run, text):
    (run.root / "engine").mkdir()
    (run.root / "engine" / "cpu.json").write_text(text)
    assert choose(settings(), Model(), plan(99), run) == half(32, Tuning(), False)
    assert kept(run)["batch_size"] == 32
    assert choose(settings(), Model(), plan(99), run) == half(32, Tuning(), False)


@pytest.mark.parametrize(
    ("height", "width", "rows"),
    [(64, 64, 32), (256, 256, 32), (320, 320, 20), (256, 512, 16), (512, 512, 8), (1024, 1024, 8)],
)
def test_a_call_on_a_cpu_has_more_rows_of_small_pictures(run, monkeypatch, height, width, rows):
    monkeypatch.setattr(engine, "fitting_batch", lambda model, plan, requested, processes: requested)
    whole = plan(99)
    prompts = tuple(dataclasses.replace(prompt, height=height, width=width) for prompt in whole.prompts)
    assert choose(settings(), Model(), dataclasses.replace(whole, prompts=prompts), run).batch_size == rows


def test_a_batch_that_fitted_is_kept_for_later_processes_unless_the_user_names_one(run):
    choose(settings(), Model(), plan(), run)
    before = kept(run)
    keep_smaller_batch(run, plan(), torch.device("cpu"), 16, Rows(4, (64, 64)))
    assert kept(run) == before
    keep_smaller_batch(run, plan(), torch.device("cpu"), "auto", Rows(2, (64, 64)))
    assert kept(run) == before | {"batch_size": 2, "units_per_batch": 1}
    assert choose(settings(), Model(), plan(), run).batch_size == 2


def test_units_are_no_more_than_before_and_than_fill_the_smaller_batch(run):
    chosen = CHOICES | {"batch_size": 8, "asked_batch_size": "auto"}
    unguided = plan(guidance_scale=1.0)
    for of_run, units, fewer in ((plan(), 1, 1), (plan(), 4, 3), (unguided, 2, 2), (unguided, 8, 6)):
        run.replace_engine("cpu", chosen | {"units_per_batch": units})
        keep_smaller_batch(run, of_run, torch.device("cpu"), "auto", Rows(6, (64, 64)))
        assert kept(run) == chosen | {"batch_size": 6, "units_per_batch": fewer}


def test_a_batch_that_fitted_at_another_size_is_kept_for_that_size(run):
    choose(settings(), Model(), plan(), run)
    before = kept(run)
    keep_smaller_batch(run, plan(), torch.device("cpu"), "auto", Rows(10, (64, 64), {(64, 96): 4}))
    for others in ({(64, 96): 5, (96, 64): 3}, {(96, 64): 2}):  # of other processes
        keep_smaller_batch(run, plan(), torch.device("cpu"), "auto", Rows(12, (64, 64), others))
    assert kept(run) == before | {"smaller_batch_sizes": {"64x96": 4, "96x64": 2}}
    chosen = choose(settings(), Model(), plan(), run)
    assert (chosen.batch_size, chosen.smaller) == (10, {(64, 96): 4, (96, 64): 2})
    for damaged in ({"64x96": 0, "wide": 2, "64x64": True, "64x96x2": 3}, [64, 96], None):
        run.replace_engine("cpu", before | {"smaller_batch_sizes": damaged})
        assert choose(settings(), Model(), plan(), run).smaller == {}


@pytest.mark.parametrize("units", [None, 0, "2", 3, True])
def test_a_record_without_units_per_batch_or_with_others_than_there_can_be_is_measured_again(run, units):
    run.create_engine("cpu", CHOICES if units is None else CHOICES | {"units_per_batch": units})
    assert choose(settings(), Model(), plan(), run).units == 2


def test_the_units_and_the_sizes_on_record_are_those_of_their_batch_size_alone(run):
    run.create_engine("cpu", CHOICES | {"units_per_batch": 1, "smaller_batch_sizes": {"64x96": 2}})
    kept_size = choose(settings(5), Model(), plan(), run)
    assert (kept_size.batch_size, kept_size.units, kept_size.smaller) == (5, 1, {(64, 96): 2})
    other_size = choose(settings(4), Model(), plan(), run)
    assert (other_size.batch_size, other_size.units, other_size.smaller) == (4, 2, {})


@pytest.mark.parametrize("compiled", [True, False])
def test_units_are_measured_with_the_code_that_will_run(run, monkeypatch, compiled):
    measured = []
    monkeypatch.setattr(engine, "measured_units", lambda *given: measured.append(given[2:]) or 3)
    assert choose(settings(4, compile=compiled), Model(), plan(), run).units == 3
    assert measured == [(4, compiled)]


def test_the_units_on_record_are_not_measured_again(run, monkeypatch):
    monkeypatch.setattr(engine, "measured_units", None)
    for of_run, units in ((plan(), 1), (plan(), 2), (plan(guidance_scale=1.0), 5)):
        run.replace_engine("cpu", CHOICES | {"units_per_batch": units})
        assert choose(settings(), Model(), of_run, run).units == units


def test_a_batch_size_that_was_lowered_stays_the_same_when_the_same_is_asked_again(run, monkeypatch, caplog):
    """The memory that is free when a run goes on, or that other workers have left, decides no bit of its pictures."""
    asked, shares = [], []

    def half_fits(model, plan, batch_size, processes=1):
        asked.append(batch_size)
        shares.append(processes)
        return batch_size // 2 if len(asked) == 1 else batch_size

    monkeypatch.setattr(engine, "fitting_batch", half_fits)
    few = dataclasses.replace(settings(16), workers=2)
    caplog.set_level("INFO")
    assert choose(few, Model(), plan(99), run).batch_size == 8
    assert caplog.messages == []
    assert choose(few, Model(), plan(99), run).batch_size == 8
    assert caplog.messages == ["batch_size=16 came to 8 when this run started: keeping that."]
    for lowered in ("auto", 8):
        assert choose(dataclasses.replace(few, batch_size=lowered), Model(), plan(99), run).batch_size == 8
    assert len(caplog.messages) == 1
    asked, shares = asked[:2], shares[:2]
    assert (asked, shares) == ([16, 8], [2, 1])
    keep_smaller_batch(run, plan(), torch.device("cpu"), few.batch_size, Rows(2, (64, 64)))
    assert choose(few, Model(), plan(99), run).batch_size == 2
    assert choose(dataclasses.replace(few, batch_size=32), Model(), plan(99), run).batch_size == 32


def test_a_run_that_could_not_fill_a_call_chooses_again_once_it_has_grown(run):
    assert choose(settings(), Model(), plan(2, ["baseline"]), run).batch_size == 2
    assert kept(run)["rows_of_run"] == 2
    assert choose(settings(), Model(), plan(2, ["baseline"]), run).batch_size == 2
    assert choose(settings(), Model(), plan(9), run).batch_size == 32
    assert "rows_of_run" not in kept(run)


def test_a_scheduler_that_makes_more_calls_than_steps_fills_what_follows_a_warm_up_of_as_many_steps(run):
    """Of two prompts of one size: two evaluations for both, after sld_medium's ten calls two and three."""
    heun, few = Model(more=9), plan(3, steps=10)
    assert choose(settings(), Model(), few, RunDir(run.root / "euler")).batch_size == 2 * 2
    assert choose(settings(), heun, few, run).batch_size == 2 * (2 + 3)
    assert choose(settings(12), heun, few, RunDir(run.root / "asked")).batch_size == 2 * (2 + 3)
    assert (kept(run)["rows_of_run"], kept(run)["calls_per_picture"]) == (2 * (2 + 3), 19)
    grown = choose(settings(12), heun, plan(9, steps=10), RunDir(run.root / "asked"))
    assert grown.batch_size == 12, "all that was asked for, which it could not fill before"
    assert choose(settings(), heun, few, run).batch_size == 2 * (2 + 3)
    keep_smaller_batch(run, few, torch.device("cpu"), "auto", Rows(99, (64, 64)))
    assert kept(run)["calls_per_picture"] == 19
    assert choose(settings(), heun, plan(4, steps=10), run).batch_size == 3 * (2 + 3), "it has grown"


def test_a_run_that_an_earlier_version_filled_by_its_steps_keeps_its_batch_size_until_it_grows(run):
    heun, few = Model(more=9), plan(3, steps=10)
    begun = CHOICES | {"batch_size": 4, "asked_batch_size": "auto", "units_per_batch": 2, "rows_of_run": 4}
    run.create_engine("cpu", begun)
    assert choose(settings(), heun, few, run).batch_size == 4
    assert kept(run) == begun
    assert choose(settings(), heun, plan(4, steps=10), run).batch_size == 3 * (2 + 3)


def test_a_run_whose_calls_were_lowered_to_the_memory_keeps_to_that_once_it_has_grown(run):
    choose(settings(), Model(), plan(2, ["baseline"]), run)
    keep_smaller_batch(run, plan(), torch.device("cpu"), "auto", Rows(1, (64, 64)))
    assert choose(settings(), Model(), plan(9), run).batch_size == 1


def test_a_run_of_an_earlier_version_goes_on_with_the_batch_size_it_was_begun_with(run):
    run.create_engine("cpu", CHOICES | {"batch_size": 16})
    assert choose(settings(16), Model(), plan(), run).batch_size == 16
    assert choose(settings(12), Model(), plan(), run).batch_size == 2 * (2 + 3)  # all that its plan can fill
    keep_smaller_batch(run, plan(), torch.device("cpu"), 16, Rows(8, (64, 64)))
    assert choose(settings(16), Model(), plan(), run).batch_size == 8, "what it took was what was asked for"


def test_a_user_who_names_the_batch_size_that_auto_came_to_gets_that_though_the_run_can_not_fill_it(run):
    """As some runs of earlier versions can't: they counted rows as if no warm-up were shared."""
    run.create_engine("cpu", CHOICES | {"batch_size": 16, "asked_batch_size": "auto", "units_per_batch": 8})
    assert choose(settings(16), Model(), plan(), run).batch_size == 16
    keep_smaller_batch(run, plan(), torch.device("cpu"), 16, Rows(8, (64, 64)))
    assert kept(run)["batch_size"] == 8


@pytest.mark.parametrize("device", ["cpu", "mps"])
@pytest.mark.parametrize("attention", ["cudnn", "efficient"])
def test_attention_that_only_gpus_of_cuda_have_is_refused_elsewhere(run, device, attention):
    with pytest.raises(InputError, match=f"engine.attention={attention} must have a GPU, found {device}"):
        choose(settings(attention=attention), Model(device), plan(), run)
    engine.check_attention(attention, torch.device("cuda"))


@pytest.fixture
def card(monkeypatch):
    """An H100 that fits 64 rows and likes cuDNN's attention, with a compiler beside it; it notes what was measured."""
    monkeypatch.setattr(engine, "fitting_batch", lambda model, plan, asked, processes: asked)  # a card that is not here
    lists = {name: [] for name in ("chunks", "rows", "prompts", "methods", "decoded", "tunings")}
    noted = SimpleNamespace(**lists, convolutions=set(), full_from=65, fault=None)
    noted.seconds = {"channels_last": 0.9, "compiled": 0.5}  # as shares of the time without

    def sample(model, prompts, methods, *, batch_size, decode, seeds, **options):
        if model.tuned and model.tuned[0].compiled and noted.fault:
            raise noted.fault
        assert (options["height"], options["width"]) == (64, 64)
        assert len(prompts) == len(seeds)
        sld.resolve_methods(methods)  # as the real one does
        noted.tuning = model.tuned[0] if model.tuned else Tuning()
        noted.tunings.append(noted.tuning)
        assert not noted.tuning.compiled or model.tuned[1:] == (64, 64), "code is for pictures of this size"
        noted.convolutions.add((torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32))
        noted.rows.append(batch_size)
        noted.prompts.append(len(prompts))
        noted.methods.append([(method.name, method.safety and method.safety.warmup_steps) for method in methods])
        noted.decoded.append(decode)
        if batch_size >= noted.full_from:
            raise torch.OutOfMemoryError("CUDA out of memory")

    def largest_batch(run, device, fixed, row_bytes):
        run(2)
        fixed()
        noted.row_bytes = row_bytes
        return 64

    def fastest_attention(run, device, names):
        run()
        assert names == ("flash", "cudnn", "efficient")  # "math" would take the memory
        return "cudnn"

    def median_seconds(run, device):
        run()
        return math.prod(share for name, share in noted.seconds.items() if getattr(noted.tuning, name))

    def decode_images(model, latents, size):
        noted.chunks.append(tuple(latents.shape))

    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(sld, "sample", sample)
    monkeypatch.setattr(trials, "largest_batch", largest_batch)
    monkeypatch.setattr(trials, "decode_images", decode_images)
    monkeypatch.setattr(trials, "fastest_attention", fastest_attention)
    monkeypatch.setattr(trials, "median_seconds", median_seconds)
    monkeypatch.setattr(engine.torch, "zeros", lambda *shape, device: torch.empty(shape, device="meta"))
    return noted


def test_a_card_is_measured_with_all_that_a_late_call_holds_and_attention_and_layout_with_fewer_rows(run, card):
    model = Model("cuda")
    assert choose(settings(), model, plan(99), run) == half(64, Tuning(True, "cudnn"), True)
    assert model.tuned == (Tuning(True, "cudnn"), 64, 64)
    assert card.rows == [2, 32, 32, 32]  # memory; attention; the layout, without and with
    assert card.prompts == [2, 16, 16, 16]  # of the last ones a call per step holds all
    assert card.methods == [[("baseline", None), ("sld_medium_without_warm_up", 0)], *[[("baseline", None)]] * 3]
    assert card.decoded == [False] * 4
    assert card.convolutions == {(True, False)}, "with cuDNN, without TensorFloat-32, as while drawing"
    assert card.tunings == [Tuning(), Tuning(), Tuning(False, "cudnn"), Tuning(True, "cudnn")]
    assert card.chunks == [(8, 4, 8, 8)]
    assert card.row_bytes == 4 * 2 * 64 * 64 * 3  # four batches wait at most, two methods each
    chosen = {"batch_size": 64, "channels_last": True, "attention": "cudnn", "compile": False}
    assert kept(run, "nvidia-h100-80gb-hbm3") == chosen | {"asked_batch_size": "auto", "units_per_batch": 32}


def test_a_card_gets_no_more_rows_than_the_run_can_fill(run, card):
    assert choose(settings(), Model("cuda"), plan(), run).batch_size == 2 * (2 + 3)  # two prompts of the usual size


def test_a_card_is_measured_once_a_run_and_for_nothing_that_the_user_says(run, card):
    choose(settings(), Model("cuda"), plan(), run)
    card.rows.clear()
    choose(settings(), Model("cuda"), plan(), run)
    asked = settings(7, attention="default", channels_last=False, background=False)
    chosen = choose(asked, Model("cuda"), plan(), RunDir(run.root / "other"))
    assert chosen == half(7, Tuning(), False)
    assert card.rows == []


def test_a_card_that_is_measured_says_so_once_a_run(run, card, capsys):
    def told(asked, model, plan, name):
        choose(asked, model, plan, RunDir(run.root / name))
        return capsys.readouterr().err

    measuring = "Measuring what is fastest here …\n"
    assert told(settings(), Model("cuda"), plan(), "run") == measuring
    assert told(settings(), Model("cuda"), plan(), "run") == ""
    assert told(settings(attention="flash"), Model("cuda"), plan(), "layout") == measuring
    assert told(settings(channels_last=True), Model("cuda"), plan(), "attention") == measuring
    assert told(settings(attention="flash", channels_last=True), Model("cuda"), plan(COMPILED_FROM), "nothing") == ""
    assert told(settings(), Model(), plan(COMPILED_FROM), "cpu") == ""


def test_memory_is_measured_with_the_layout_and_the_attention_that_the_user_says(run, card):
    """The math kernel takes more of it than the others, which take as much as torch's own choice."""
    asked = settings(channels_last=True, attention="math")
    assert choose(asked, Model("cuda"), plan(99), run).tuning == Tuning(True, "math")
    assert card.tunings == [Tuning(True, "math")]
    flash = settings(channels_last=True, attention="flash")
    choose(flash, Model("cuda"), plan(99), RunDir(run.root / "flash"))
    assert card.tunings[1:] == [Tuning(True)]


def test_another_kind_of_card_has_choices_of_its_own(run, card, monkeypatch):
    choose(settings(), Model("cuda"), plan(99), run)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Quadro RTX 6000/8000 (24 GB)")
    choose(settings(8), Model("cuda"), plan(), run)
    assert kept(run, "nvidia-h100-80gb-hbm3")["batch_size"] == 64
    assert kept(run, "quadro-rtx-6000-8000-24-gb")["batch_size"] == 8


def test_a_card_on_which_no_kind_of_attention_works_runs_with_torchs_own_choice(run, card, monkeypatch):
    monkeypatch.setattr(trials, "fastest_attention", lambda run, device, names: None)
    assert choose(settings(), Model("cuda"), plan(99), run).tuning.attention is None
    assert kept(run, "nvidia-h100-80gb-hbm3")["attention"] == "default"


def test_a_layout_that_is_no_faster_is_not_chosen(run, card):
    card.seconds["channels_last"] = 1.0
    assert choose(settings(), Model("cuda"), plan(99), run).tuning == Tuning(False, "cudnn")


def test_compiled_code_is_channels_last_whatever_is_faster_uncompiled_unless_the_user_says(run, card):
    card.seconds["channels_last"] = 1.1
    long = plan(COMPILED_FROM)
    assert choose(settings(), Model("cuda"), long, run).tuning == Tuning(True, "cudnn", True, True)
    assert kept(run, "nvidia-h100-80gb-hbm3")["channels_last"] is True
    card.seconds["compiled"] = 0.95  # and so slower than the other layout uncompiled
    slower = choose(settings(), Model("cuda"), long, RunDir(run.root / "slower"))
    assert slower.tuning == Tuning(False, "cudnn")
    asked = settings(channels_last=False, compile=True)
    assert choose(asked, Model("cuda"), long, RunDir(run.root / "asked")).tuning == Tuning(False, "cudnn", True, True)


@pytest.mark.parametrize(("prompts", "compiles"), [(COMPILED_FROM // 2, True), (COMPILED_FROM // 2 - 1, False)])
def test_only_a_long_run_is_compiled(run, card, prompts, compiles):
    assert COMPILED_FROM == 2000
    assert choose(settings(), Model("cuda"), plan(prompts), run).tuning.compiled is compiles
    assert choose(settings(), Model(), plan(prompts), run).tuning.compiled is False
    shard = dataclasses.replace(plan(prompts), shard_count=2)
    assert choose(settings(), Model("cuda"), shard, RunDir(run.root / "shard")).tuning.compiled is compiles


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (sld.InputError("it fails."), "it fails. Continuing without it."),
        (InputError("it fails."), "it fails. Continuing without it."),
        (RuntimeError("Triton Error [CUDA]: no kernel\nimage"), "fails here (Triton Error [CUDA]: no kernel)"),
        (KeyError("uid"), "fails here ('uid'): continuing without it"),
    ],
)
def test_a_run_goes_on_without_compiling_where_that_fails(run, card, fault, sentence, caplog):
    card.fault = fault
    assert choose(settings(), Model("cuda"), plan(9999), run).tuning == Tuning(True, "cudnn")
    assert sentence in caplog.text


def test_code_is_compiled_with_its_decoder_for_the_runs_own_shapes_unless_it_is_slower(run, card, caplog):
    few, long = settings(4), plan(COMPILED_FROM)
    chosen = choose(few, Model("cuda"), long, run)
    assert chosen.tuning == Tuning(True, "cudnn", True, True)
    assert kept(run, "nvidia-h100-80gb-hbm3")["compile_decoder"] is True
    assert card.chunks == [(4, 4, 8, 8)] * 2
    assert choose(few, Model("cuda"), long, run) == chosen
    assert caplog.text == ""
    for times in ("1.00", "1.25"):
        card.seconds["compiled"] = float(times)
        slower = choose(few, Model("cuda"), long, RunDir(run.root / times))
        assert slower.tuning == Tuning(True, "cudnn")
        assert f"{times} times as long" in caplog.text


def test_a_batch_that_is_too_large_to_be_tried_is_compiled_for_since_drawing_will_halve_it(run, card, caplog):
    card.full_from = 4
    assert choose(settings(4), Model("cuda"), plan(COMPILED_FROM), run).tuning.compiled is True
    assert "without it" not in caplog.text


def test_a_fault_of_uncompiled_code_is_none_of_the_compilers(card, monkeypatch):
    def fail(run, device):
        raise RuntimeError("a bug")

    monkeypatch.setattr(trials, "median_seconds", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        trials.try_compiling(Model("cuda"), plan(99), Tuning(), Tuning(compiled=True), 4)


def test_a_chunk_of_the_decoder_is_tried_in_the_size_of_the_pictures(card):
    wide = plan(9)
    prompts = tuple(dataclasses.replace(prompt, width=96) for prompt in wide.prompts)
    trials._decode(Model("cuda"), dataclasses.replace(wide, prompts=prompts), 4)
    trials._decode(Model("cuda"), dataclasses.replace(wide, prompts=prompts), 64)
    assert card.chunks == [(4, 4, 8, 12), (8, 4, 8, 12)], "eight pictures at most"


@pytest.mark.parametrize(("decoder", "chunks"), [(True, [(4, 4, 8, 8)]), (False, [])])
def test_the_first_worker_compiles_the_decoder_too_and_for_as_many_rows_as_fit(card, decoder, chunks):
    tuning = Tuning(compiled=True, compiled_decoder=decoder)
    trials.compile_now(Model("cuda"), plan(99), tuning, 4)
    assert (card.rows, card.chunks) == ([4], chunks)
    card.full_from = 4
    card.rows.clear()
    card.chunks.clear()
    trials.compile_now(Model("cuda"), plan(99), tuning, 4)
    assert (card.rows, card.chunks) == ([4, 2], [(2, *chunk[1:]) for chunk in chunks])
    for full_from, asked, tried in ((2, 4, [4, 2, 1]), (65, 64, [64])):
        card.full_from = full_from
        card.rows.clear()
        trials.compile_now(Model("cuda"), plan(99), tuning, asked)
        assert card.rows == tried
    card.full_from, card.fault = 9, RuntimeError("no kernel image")
    model = Model("cuda")
    model.tune(tuning, 64, 64)
    with pytest.raises(RuntimeError, match="no kernel image"):
        trials.compile_now(model, plan(99), tuning, 4)


def test_a_run_whose_decoder_was_not_compiled_goes_on_so(run, card):
    run.create_engine("nvidia-h100-80gb-hbm3", CHOICES | {"compile": True})
    assert choose(settings(), Model("cuda"), plan(), run).tuning == Tuning(True, "math", True, False)
    other = RunDir(run.root / "other")
    assert choose(settings(compile=True), Model("cuda"), plan(), other).tuning.compiled_decoder is True
    assert choose(settings(compile=True), Model(), plan(), other).tuning.compiled_decoder is False


def test_a_batch_of_the_users_that_does_not_fit_is_left_to_the_loop_to_halve(run, card):
    assert choose(settings(256), Model("cuda"), plan(99), run).batch_size == 256
    assert card.rows == [32] * 3
    card.full_from = 9
    card.rows.clear()
    assert choose(settings(256), Model("cuda"), plan(99), RunDir(run.root / "less")).tuning == Tuning(True, "cudnn")
    assert card.rows == [32, 16, 8, 32, 16, 8, 8]
    card.full_from = 1
    assert choose(settings(2), Model("cuda"), plan(), RunDir(run.root / "o")).tuning == Tuning()


@pytest.fixture(scope="module")
def demo():
    return sld.load_model(trained.model_folder(), device="cpu", dtype="float32", scheduler="ddim")


def test_what_a_card_is_measured_with_is_drawn_by_the_real_sampler(demo, monkeypatch, caplog):
    """All that only a GPU's choices call, but for the memory's own counters."""

    def largest_batch(run, device, fixed, row_bytes):
        results.extend(run(rows) for rows in (1, 2))
        fixed()
        return 2

    results = []
    monkeypatch.setattr(trials, "largest_batch", largest_batch)
    everything = plan(methods=sld.METHODS)
    assert trials.try_rows(demo, everything) == 2
    # Two calls in which every method has a trajectory and a concept of its own, but for the plain one.
    assert [len(result.latents) for result in results] == [len(sld.METHODS)] * 2
    assert trials.try_attention(demo, everything, 2, ("flash",)) == "flash"
    assert trials.try_channels_last(demo, everything, Tuning(), 2) in (True, False)
    caplog.clear()
    if not trials.try_compiling(demo, everything, Tuning(), Tuning(True), 2):
        assert "times as long" in caplog.text  # no other reason
