"""How threads wait for each other: what OpenMP itself says that it does."""

import os
import re
import subprocess
import sys

import pytest

IMPORTED = "from eval.base.cli import exit_code_of; exit_code_of(lambda: bool(__import__('torch')) - 1)"


@pytest.mark.skipif(sys.platform != "linux", reason="torch has GCC's OpenMP on Linux alone")
@pytest.mark.parametrize(
    ("chosen", "spins"), [({}, "3000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "passive"}, "0")]
)
def test_threads_sleep_soon_while_they_wait_unless_the_user_chose_otherwise(chosen, spins):
    ours = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment = ours | chosen | {"OMP_DISPLAY_ENV": "verbose"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)) == {spins}
