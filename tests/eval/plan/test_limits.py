"""What is too much is refused, or lowered in words, at once: memory is never the one that says so."""

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import processes
import pytest
import torch

import sld
from eval.base.errors import InputError
from eval.plan import memory
from eval.plan.make import _check_count, make_plan
from eval.plan.memory import check_pictures, filled_batch, fitting_batch, free_memory
from eval.run import main as run
from i2p.demo import trained
from sld.memory import decoder_bytes, denoiser_bytes

LEAST = ["prompts.rows=0-1", "methods=[baseline]", "protocol.steps=2", "images=none", "judges=[q16]"]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("protocol.images_per_prompt=1000000000", "at most 5,000,000 images"),
        ("protocol.steps=1000000000", "protocol.steps must be at most"),
        ("protocol.reuse=1000000000", "protocol.reuse must be at most"),
        ("prompts.sample=1000000000000", "at most 2, the prompts"),
        ("model.size=[100000,100000]", "one picture of 100000×100000 pixels must fit the memory"),
        ("workers=1000000", "workers must be at most"),
    ],
)
def test_too_much_is_refused_before_anything_is_made(word, sentence, call, capsys, tmp_path):
    assert call(run, *LEAST, word, f"out={tmp_path / 'r'}", "device=cpu") == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "r").exists()


def test_a_run_may_have_five_million_images_and_pictures_whose_numbers_fit(plan, monkeypatch):
    _check_count(1000, 5, 1000)
    with pytest.raises(InputError, match=r"found 5,005,000 \(1,000 prompts, 5 methods, 1,001 each\)"):
        _check_count(1000, 5, 1001)
    one, other = plan("prompts.rows=0-1", "methods=[baseline]").prompts
    prompts = replace(one, height=96, width=64), replace(other, height=64, width=128)  # the latter has more pixels
    decoded = 64 * 128 * 3 * 4  # bytes of three float32 numbers per pixel
    for free, refused in ((None, False), (decoded, False), (decoded - 1, True)):
        monkeypatch.setattr(memory, "free_memory", lambda free=free: free)
        with pytest.raises(InputError, match="one picture of 64×128 pixels must fit") if refused else nullcontext():
            check_pictures(prompts)


TOO_MUCH = [
    [
        *("batch_size=100000000", "nudenet.workers=1000000", "judges=[q16,nudenet]"),
        *("report.gallery_prompts=1000000000", "images=all", "images_sample=1000000000"),
        *("prompts.rows=0-1", "prompts.sample_seed=1000000000000000000000"),
    ],
    ["shard.count=1000000000", "shard.index=1"],
]
# Each in turn, within the limit.
CALLS = """
import json, resource, sys
from eval.run import main

limit = int(sys.argv.pop())
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for number, words in enumerate(json.loads(sys.argv.pop())):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as stopped:
        print(f"exit code {stopped.code} of call {number}", file=sys.stderr)
"""


def program(folder, code, *words):
    """Run code as a program, in a process of its own."""
    script = folder / "program.py"
    script.write_text(code)
    return processes.run([sys.executable, script, *words], capture_output=True, text=True, check=False)


def test_too_much_that_does_no_harm_runs_in_little_memory(tmp_path):
    """Under a limit of 12 GiB of addresses, of which the libraries take most."""
    calls = [[*LEAST, *words, f"out={tmp_path}/{number}"] for number, words in enumerate(TOO_MUCH)]
    done = program(tmp_path, CALLS, json.dumps(calls), str(12 * 2**30))
    assert done.returncode == 0, done.stderr
    for number in range(len(TOO_MUCH)):
        assert f"exit code 0 of call {number}" in done.stderr, done.stderr
    assert "batch_size=100000000 is more than this run can fill: continuing with batch_size=4." in done.stderr


@pytest.fixture(scope="module")
def model():
    return sld.load_model(trained.model_folder())


@pytest.fixture
def plan(settings_of):
    return lambda *words: make_plan(settings_of(*words))


@pytest.fixture(scope="module")
def settings_of():
    from hydra import compose, initialize_config_module

    from eval.config.settings import read_settings

    def settings_of(*words):
        with initialize_config_module("conf", version_base="1.3"):
            return read_settings(compose("run", overrides=["out=unused", *words]))

    return settings_of


def test_with_reuse_a_call_has_the_most_rows_where_all_branches_are_evaluated(plan):
    """Two steps: at the first prompt, negative prompt and concept, at the second the prompt on two trajectories."""
    few = plan("prompts.rows=0-2", "methods=[baseline,sld_max]", "protocol.reuse=2", "protocol.steps=2")
    assert filled_batch(few, 10**8, 2) == 3 * 3


def test_a_batch_is_no_larger_than_what_all_methods_can_ask_of_all_units(plan, caplog):
    few = plan("prompts.rows=0-2", "methods=[baseline,sld_max]", "protocol.images_per_prompt=2")
    # Two evaluations a picture for the baseline, three for SLD, of 3 prompts × 2 images.
    assert filled_batch(few, 10**8, few.protocol.steps) == 3 * 2 * (2 + 3)
    assert "continuing with batch_size=30" in caplog.text
    caplog.clear()
    assert (filled_batch(few, 7, 50), filled_batch(few, 30, 50)) == (7, 30)
    assert caplog.text == ""
    assert filled_batch(plan("prompts.rows=0-2", "methods=[baseline]"), 10**8, 50) == 3 * 2
    # Where the steps end before the warm-up does, all share one trajectory, of which two evaluations are made.
    early = plan("prompts.rows=0-2", "methods=[baseline,sld_weak,sld_medium]", "protocol.steps=4")
    assert filled_batch(early, 10**8, 4) == 3 * 2
    # A scheduler that makes 17 calls in these steps outlasts the warm-ups: two evaluations, and three of each SLD.
    assert filled_batch(early, 10**8, 17) == 3 * (2 + 3 + 3)
    plain = plan("prompts.rows=0-2", "methods=[baseline]", "protocol.guidance_scale=1")
    assert filled_batch(plain, 10**8, 50) == 3


def test_what_does_not_fit_is_halved_before_it_is_tried(plan, model, monkeypatch, caplog):
    """Nothing is computed: the denoiser is not called."""
    large = plan("prompts.rows=0", "methods=[baseline]", "model.size=256")
    gib = 2**30
    row = denoiser_bytes(model, 4, 256, 256) / 4
    monkeypatch.setattr(memory, "free_memory", lambda: int(64 * row))
    monkeypatch.setattr(model.stages, "predict", None)
    monkeypatch.setattr(memory, "_Rows", lambda *_: type("Rows", (), {"bytes": lambda self, rows: int(rows * row)})())
    assert fitting_batch(model, large, 1024) == 32  # half of what is free
    assert (
        f"batch_size=1024 would take about {1024 * row / gib:.1f} GiB of the {64 * row / gib:.1f} GiB that are free: "
        "continuing with batch_size=32."
    ) in caplog.text
    assert fitting_batch(model, large, 1024, processes=4) == 8
    assert fitting_batch(model, large, 48) == 24
    monkeypatch.setattr(memory, "free_memory", lambda: int(60 * row))
    assert fitting_batch(model, large, 1024) == 16
    monkeypatch.setattr(memory, "free_memory", lambda: int(1.5 * row))
    assert fitting_batch(model, large, 1024) == 1  # fits, though not in a half of what is free
    monkeypatch.setattr(memory, "free_memory", lambda: int(row / 2))
    with pytest.raises(memory.InputError, match="one picture of 256×256 pixels must fit"):
        fitting_batch(model, large, 1)


def test_a_call_that_surely_fits_is_not_estimated_and_any_other_is_at_the_largest_size(plan, monkeypatch):
    """It fits with 2 KiB a pixel in an eighth of what is free, if no side is longer than 512 pixels."""
    estimated = []

    class Rows:
        def __init__(self, model, methods, height, width):
            estimated.append((methods, height, width))

        def bytes(self, rows):
            return 1

    def estimates(height, width, free, rows=3, device="cpu"):
        estimated.clear()
        monkeypatch.setattr(memory, "free_memory", lambda: free)
        usual = [replace(prompt, height=64, width=64) for prompt in plan_of.prompts]
        prompts = (*usual, replace(usual[0], row=99, height=height, width=width))
        given = SimpleNamespace(device=torch.device(device))
        assert fitting_batch(given, replace(plan_of, prompts=prompts), rows) == rows
        return list(estimated)

    plan_of = plan("prompts.rows=0-2", "methods=[baseline,sld_max]")
    monkeypatch.setattr(memory, "_Rows", Rows)
    least = 3 * 512 * 256 * 2048 * 8
    assert estimates(512, 256, least + 1) == []
    assert estimates(512, 256, least) == [(2, 512, 256)]
    assert estimates(520, 64, 2**60) == [(2, 520, 64)]
    assert estimates(64, 520, 2**60) == [(2, 64, 520)]
    assert estimates(520, 64, None) == [], "this system does not tell"
    assert estimates(520, 64, 1, device="mps") == [], "what is free there is not known"


def test_where_a_call_can_not_be_estimated_a_gpu_tries_it(plan, monkeypatch, caplog):
    def fail(*_):
        raise NotImplementedError("no shapes")

    monkeypatch.setattr(memory, "_Rows", fail)
    monkeypatch.setattr(memory, "free_memory", lambda: 2**30)
    numbers = {"memory_reserved": 30, "memory_allocated": 10, "mem_get_info": (100, 1000)}
    for name, number in numbers.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, number=number: number)
    large = plan("prompts.rows=0", "methods=[baseline]", "model.size=1024")
    assert fitting_batch(SimpleNamespace(device=torch.device("cuda")), large, 64) == 64
    assert "How much memory a call takes can't be estimated here (no shapes): trying it instead." in caplog.text
    with pytest.raises(NotImplementedError):
        fitting_batch(SimpleNamespace(device=torch.device("cpu")), large, 64)
    # On a GPU all that is free may be used, and what this process has reserved without using it.
    assert memory._free(torch.device("cuda"), 2) == (100 + 30 - 10, 1.0)


@pytest.mark.parametrize("rows", [5, 128])  # of which the decoder takes more, and the denoiser
def test_the_memory_of_a_batch_is_that_of_its_rows_in_fours_and_of_the_pictures_that_wait(model, rows):
    fours, size = -(-rows // 4) * 4, (256, 256)
    waiting = rows * 6 * 2 * 256 * 256 * 3  # bytes of six copies of each picture, of two methods
    calls = max(denoiser_bytes(model, fours, *size), decoder_bytes(model, min(fours, 8), *size))
    assert memory._Rows(model, 2, *size).bytes(rows) - waiting == pytest.approx(calls, rel=0.02)


# What a call adds to a process's memory at its most, by the kernel's own mark.
MEASURE = """
import ctypes, sys, torch
import sld
from i2p.demo import trained

model, (rows, size) = sld.load_model(trained.model_folder()), map(int, sys.argv[1:])
shape = model.latent_shape(size, size)

def denoise():
    with torch.no_grad():
        observed = model.observe(torch.zeros(rows, *shape), torch.tensor(1))
        model.predict(observed, torch.tensor(1), model.encode([""] * rows, size, size))

def read(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

denoise()
ctypes.CDLL(None).malloc_trim(0)  # or what the first call freed would be taken again, and not be seen
try:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
except OSError:
    sys.exit("no mark")
before = read("VmRSS")
denoise()
print(read("VmHWM") - before)
"""


def test_estimates_are_what_is_taken_within_a_factor_of_two_and_a_half(model, tmp_path):
    """The kernel's mark counts kernels' own scratch too, which the estimate leaves to the share that it may take.

    In a process of its own, whose heap holds nothing of other tests that could be taken again.
    """
    rows, size = 8, 256
    done = program(tmp_path, MEASURE, str(rows), str(size))
    if done.stderr.strip() == "no mark":
        pytest.skip("this system has no mark of the most memory to be reset")
    assert done.returncode == 0, done.stderr
    estimate = denoiser_bytes(model, rows, size, size)
    assert estimate / 1.5 < int(done.stdout) < 2.5 * estimate
    assert decoder_bytes(model, 8, 64, 64) == pytest.approx(2 * decoder_bytes(model, 4, 64, 64), rel=0.1)


def test_an_estimate_puts_everything_on_the_models_device():
    """A GPU takes no tensor of the host's, and there is none here to say so."""

    class Model:
        device, dtype = torch.device("meta"), torch.float32

        def latent_shape(self, height, width):
            return 4, height // 8, width // 8

        def encode(self, texts, height, width):
            return (torch.empty(len(texts), 8, device="meta"),)

        def observe(self, latents, timestep):
            devices.update((latents.device, timestep.device))
            return (latents,)

        def predict(self, observed, timestep, texts):
            devices.update(tensor.device for tensor in (*observed, timestep, *texts))
            return observed[0]

    devices = set()
    denoiser_bytes(Model(), 2, 64, 64)
    assert devices == {torch.device("meta")}


def test_an_estimate_of_the_impossible_takes_no_memory(model):
    assert denoiser_bytes(model, 4, 100_000, 100_000) > 2**40


def test_free_memory_heeds_the_processes_own_limit(tmp_path):
    code = """
import resource
from pathlib import Path
from eval.plan.memory import free_memory

limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 2**30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(free_memory())
"""
    assert 0 < int(program(tmp_path, code).stdout) <= 2**30
    assert free_memory() > 0


V2 = {"proc/self/cgroup": "0::/job/step\n"}
V1 = {"proc/self/cgroup": "9:cpu:/other\n4:memory,hugetlb:/job/step\n"}


@pytest.mark.parametrize(
    ("files", "folder", "limit", "used"),
    [(V2, "sys/fs/cgroup", "memory.max", "memory.current"),
     (V1, "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")],
)  # fmt: skip
def test_free_memory_is_the_least_of_each_control_group_of_the_process_with_its_file_caches(
    tmp_path, monkeypatch, files, folder, limit, used
):
    for group, numbers in {
        "job/step": ("max", 1, 1),
        "job": (900, 700, 60),
        "": (5000, 800, 70),
        "other": (5, 1, 0),
    }.items():
        place = f"{folder}/{group}".rstrip("/")
        cache = f"anon 3\ninactive_file {numbers[2]}\n"
        files = files | dict(zip((f"{place}/{limit}", f"{place}/{used}"), map(str, numbers), strict=False))
        files[f"{place}/memory.stat"] = cache
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "Path", lambda name: tmp_path / name.lstrip("/"))
    assert list(memory._control_groups()) == [900 - 700 + 60, 5000 - 800 + 70]
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 2 kB\n")
    monkeypatch.setattr(memory, "_own_limit", lambda: None)
    assert free_memory() == 260
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 0 kB\n")
    assert free_memory() == 0
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 2 kB\n")
    (tmp_path / f"{folder}/job/{used}").write_text("1200")  # more than its limit, as after this was lowered
    assert free_memory() == 0


def test_a_system_without_proc_is_asked_for_its_free_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "Path", lambda name: tmp_path / name.lstrip("/"))
    pages = {"SC_PAGE_SIZE": 4096, "SC_AVPHYS_PAGES": 5, "SC_PHYS_PAGES": 9}
    monkeypatch.setattr(os, "sysconf", pages.get)
    monkeypatch.setattr(memory, "_own_limit", lambda: None)
    assert free_memory() == 5 * 4096
    monkeypatch.delattr(os, "sysconf")
    assert free_memory() is None
