"""Shared by all tests: where the real data is, one torch thread a process, no network."""

import os
from pathlib import Path

import pytest

# Set before any library reads them: nothing in a test may reach a hub.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

DATA = Path(os.environ.get("I2P_BENCH_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def _real(path: Path) -> Path:
    if not path.is_file():
        pytest.skip(f"the real file {path.name} is not here (looked in {path.parent}; set I2P_BENCH_DATA)")
    return path


@pytest.fixture(scope="session")
def i2p_csv() -> Path:
    """The real I2P csv, 4703 rows."""
    return _real(DATA / "i2p_benchmark.csv")


@pytest.fixture(scope="session")
def q16_prompts() -> Path:
    """The real Q16 prompt pair for ViT-L/14, the published pickle."""
    return _real(DATA / "q16" / "ViT-L-14.prompts.p")
