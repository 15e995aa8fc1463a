"""The bench of one call measures its variants, and says which failed."""

import importlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import in_process
import pytest

from sld.models.base import LatentDiffusion

BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench_denoiser.py"


def cells(text: str) -> list[dict[str, str]]:
    """The rows of the first table, each by its headers."""
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    split = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return [dict(zip(split[0], line, strict=True)) for line in split[1:]]


def test_every_variant_is_measured_with_its_kernels_and_one_that_fails_is_named(tmp_path, monkeypatch):
    tune = LatentDiffusion.tune

    def tune_some(self, tuning, *size):
        if tuning.attention == "efficient":
            raise RuntimeError("no kernel\nfor this shape")
        tune(self, tuning, *size)

    monkeypatch.setattr(LatentDiffusion, "tune", tune_some)
    monkeypatch.syspath_prepend(BENCH.parent)
    one_call = importlib.import_module("engine_bench.one_call")
    monkeypatch.setattr(one_call, "CALLS", 1)  # of which the median is taken
    monkeypatch.setattr(one_call, "PICTURES", 1)
    out = tmp_path / "table.md"
    words = ["--device", "cpu", "--rows", "1", "2", "--compiled-rows", "--out", out]
    done = in_process.run(BENCH, *words)
    assert done.returncode == 1, done.stderr
    text = out.read_text()
    assert done.stdout.strip() == text.strip()
    assert "Written by `python scripts/bench_denoiser.py --rows 1 2 --compiled-rows --device cpu`." in text
    rows = cells(text)
    named = [row["tuning"].partition(" attention")[0] for row in rows]
    assert named[:3] == ["plain", "flash", "cudnn"]
    assert [(name[:13], row["rows"]) for name, row in zip(named[3:], rows[3:], strict=True)] == [
        ("channels-last", "1"),
        ("channels-last", "2"),
    ]
    assert all(float(row["ms per row"]) > 0 and float(row["decoder, ms"]) > 0 for row in rows)
    assert "Failed: efficient attention, 2 rows (RuntimeError: no kernel for this shape)." in text
    assert "| kind of kernel | ms | % |" in text
    assert "aten::mkldnn_convolution" in text


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCH.parent)
    return importlib.import_module("bench_denoiser")


@pytest.fixture
def one_call(script):
    return importlib.import_module("engine_bench.one_call")


def bench_of(script, tmp_path, **options):
    """A bench of a model that is not there."""
    bench = object.__new__(script.DenoiserBench)
    bench.arguments = SimpleNamespace(**{"device": "cuda", "rows": [16, 32], "compiled_rows": [64, 128], **options})
    bench.world = SimpleNamespace(model=lambda: "a model", dtype="float16", device="cuda")
    bench.rows, bench.out, bench._began = [], tmp_path / "page.md", 0.0
    bench.say = bench.write_so_far = lambda *words: None
    return bench


def test_the_compiled_variants_are_of_either_layout_two_attentions_and_two_kinds_of_options(script, tmp_path):
    def named(**options):
        variants = list(bench_of(script, tmp_path, **options)._compiled())
        return [(v.rows, v.tuning.channels_last, v.tuning.attention, v.other_options) for v in variants]

    first = [(64, True, "cudnn", False), (64, True, "flash", False), (64, False, "cudnn", False)]
    assert named() == [*first, (64, True, "cudnn", True), (128, True, "cudnn", False)]
    assert named(device="cpu", compiled_rows=[4]) == [
        (4, True, "flash", False),
        (4, False, "flash", False),
        (4, True, "flash", True),
    ]
    decoders = [v.tuning.compiled_decoder for v in bench_of(script, tmp_path)._compiled()]
    assert decoders == [True, True, False, False, False]


def test_the_layout_is_measured_with_the_fastest_attention(script, one_call, monkeypatch, tmp_path):
    seconds = {"flash": 0.03, "cudnn": 0.01}

    class Tuned:
        def __init__(self, world, model, variant):
            self.variant = variant

        def measure(self):
            return one_call.Measured(self.variant, call=seconds.get(self.variant.tuning.attention, 0.02))

    monkeypatch.setattr(one_call, "Tuned", Tuned)
    bench = bench_of(script, tmp_path)
    bench._measure_uncompiled("a model")
    layout = [row.variant for row in bench.rows if row.variant.tuning.channels_last]
    assert [(variant.rows, variant.tuning.attention) for variant in layout] == [(16, "cudnn"), (32, "cudnn")]
    assert {row.variant.rows for row in bench.rows if not row.variant.tuning.channels_last} == {64}


def test_nothing_is_measured_before_all_has_compiled_and_what_fails_to_is_named(
    script, one_call, monkeypatch, tmp_path
):
    compiled, loaded = [], threading.Event()

    class Pool(ThreadPoolExecutor):
        def __init__(self, count, mp_context):
            super().__init__(count)

    def compile_(world, variant):
        assert loaded.wait(60)
        time.sleep(0.05)
        compiled.append(variant)
        if variant.other_options:
            raise RuntimeError("no kernel")

    def peak(device, dtype):
        assert len(compiled) == 3
        return 1.0

    def measure():
        return one_call.Measured(compiled[0], call=1.0)

    monkeypatch.setattr(script, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(script, "_compile", compile_)
    monkeypatch.setattr(script, "_measure", measure)
    monkeypatch.setattr(script.os, "sched_getaffinity", lambda number: range(16))
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "")
    monkeypatch.setattr("engine_bench.harness.flops_of_a_row", lambda model, world: loaded.set() or (1, 2))
    monkeypatch.setattr("engine_bench.meter.matrix_peak", peak)
    bench = bench_of(script, tmp_path, device="cpu", compiled_rows=[4])
    bench._measure_uncompiled = lambda model: None
    bench.measure()
    assert os.environ["TORCHINDUCTOR_COMPILE_THREADS"] == "4"  # a quarter of 16: three compile, and one measures
    assert bench.flops == 3
    assert [row.failure for row in bench.rows] == [None, None, "RuntimeError: no kernel"]


def test_who_compiles_ends_at_an_error(script, monkeypatch):
    killed = []
    child = SimpleNamespace(kill=lambda: killed.append(True))
    monkeypatch.setattr(script.multiprocessing, "active_children", lambda: [child])
    with script._killed_at_an_error():
        pass
    assert not killed
    with pytest.raises(KeyboardInterrupt), script._killed_at_an_error():
        raise KeyboardInterrupt
    assert killed


@pytest.mark.parametrize(("bench", "code"), [(None, 1), ((None, None), 0), (("a deadline", None), 1), ((None, "x"), 1)])
def test_a_bench_that_lacks_something_is_no_success(script, monkeypatch, tmp_path, bench, code):
    if bench:
        bench = SimpleNamespace(unfinished=bench[0], rows=[SimpleNamespace(failure=bench[1])])
    monkeypatch.setattr(script, "run", lambda make, seconds: bench)
    monkeypatch.setattr("sys.argv", ["bench_denoiser.py", "--device", "cpu", "--out", str(tmp_path / "page.md")])
    assert script.main() == code


def test_the_command_of_a_page_has_the_words_that_change_its_numbers(script):
    words = {"rows": [16], "compiled_rows": [], "small": True, "device": "cuda"}
    assert script.command(SimpleNamespace(**words)) == (
        "python scripts/bench_denoiser.py --rows 16 --compiled-rows --small"
    )
