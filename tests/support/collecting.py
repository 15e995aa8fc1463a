"""The server behind `processes.workers`: `python collecting.py FOLDER WORD …` collects tests once for all workers.

It is a fork of `forking.py` that has had `pytest WORD …` import the tests' files, and forks xdist's workers, which
find imported what they would import. Where the files can't be imported, it ends: the workers say why.
"""

import gc
import os
import sys
from pathlib import Path

import forking
import pytest
from execnet.gateway_io import popen_bootstrapline


def is_worker(request: dict, _: dict) -> bool:
    """Whether xdist asks for a worker."""
    return request["words"][1:] == ["-u", "-c", popen_bootstrapline]


def main() -> None:
    """Collect, then fork workers until killed."""
    folder, *words = sys.argv[1:]
    sys.path.insert(0, os.getcwd())  # as `python -m pytest` has it
    if code := pytest.main([*words, "-n0", "--collect-only", "--quiet"]):
        sys.exit(code)
    gc.collect()
    request = forking.serve(Path(folder), is_worker, stdin=False)
    # Its own interpreter is the real one, so that tests start that; xdist's reader of the input needs no `-u`.
    request["words"] = [sys.executable, "-c", popen_bootstrapline]
    forking.follow(request)


if __name__ == "__main__":
    main()
