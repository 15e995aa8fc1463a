"""The bench of one call measures its variants, and says which failed."""

import importlib
from pathlib import Path

import in_process

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
