"""Memory that really ends, and memory that does not grow, measured on the command itself."""

import os
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

import sld
from eval.store.rundir import RunDir

LIMITED = """
import resource
from pathlib import Path
from eval import run
from eval.generate import loop
draw = loop.draw

def limited(*arguments):
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
    yield from draw(*arguments)

loop.draw = limited
run.main()
"""
WATCHED = """
import resource
from eval import run
from eval.generate import loop
draw = loop.draw

def peak():
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

def watched(*arguments):
    for number, batch in enumerate(draw(*arguments)):
        if number == 10:
            peak()
        yield batch
    peak()

loop.draw = watched
run.main()
"""
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is measured and limited as on Linux")


def drive(code, model, out, *more, **environment):
    """The command with something done beside it, on a small checkpoint; returns what it printed."""
    options = [f"model.path={model}", f"out={out}", "model=checkpoint", "prompts=demo", "q16=demo", "judges=[q16]"]
    options += ["methods=[baseline]", "protocol.images_per_prompt=1", "protocol.steps=1", "images=none", *more]
    # One heap, so that the limit is met by tensors and not by what allocators put aside.
    environment = os.environ | {"MALLOC_ARENA_MAX": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"} | environment
    command = [sys.executable, "-c", code, *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@linux
def test_memory_that_really_ends_halves_the_batch_and_the_run_is_complete(tmp_path):
    """Attention's scores of 64 rows alone take 2.5 GiB, and the process is given 1 GiB to draw with."""
    model = sld.write_tiny_checkpoint(tmp_path / "model")
    run = RunDir(tmp_path / "run")
    choices = {"batch_size": 64, "channels_last": False, "attention": "math", "compile": False}
    run.create_engine("cpu", choices)
    done = drive(LIMITED, model, run.root, "model.size=384", "prompts.rows=0-3")
    rows = pq.read_table(run.root / "scores").to_pylist()
    assert [(row["row"], row["state"]) for row in rows] == [(row, "ok") for row in range(4)]
    (size,) = {row["batch_size"] for row in rows}
    assert size in (1, 2, 4, 8)
    assert f"cpu is out of memory: continuing with batch_size={size}." in done.stderr
    # Of a run from before it was on record, what was taken is what was asked for.
    assert run.read_engine("cpu") == choices | {"batch_size": size, "asked_batch_size": 64}


@linux
def test_memory_does_not_grow_with_the_number_of_prompts(tmp_path):
    """60 pictures more have 11 MiB of pixels alone; without any kept, the peak was measured to grow by 0 to 1 MiB."""
    model = sld.write_tiny_checkpoint(tmp_path / "model", width=8, text_width=16)
    options = ["model.size=256", "prompts.rows=0-99", "batch_size=4"]
    # What is free is given back, so that the peak is of what is in use.
    given_back = dict.fromkeys(["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"], str(2**20))
    done = drive(WATCHED, model, tmp_path / "run", *options, **given_back)
    after_40, after_100 = (float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("peak"))
    assert after_100 - after_40 < 5
