"""Every bound of docs/numerics.md holds at every instruction-set level, not only at the one chosen on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import xent

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize("level", xent._kernels.levels())
def test_every_level_holds_the_bounds(level):
    if level == xent._kernels.level():
        pytest.skip("test_exactness_sigmoid.py and test_exactness_softmax.py run it in this process")
    program = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not mpmath"]
    program += [str(HERE / f"test_exactness_{family}.py") for family in ("sigmoid", "softmax")]
    run = subprocess.run(program, env=os.environ | {"XENT_ISA": level}, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


def test_the_level_is_the_one_asked_for():
    for level in xent._kernels.levels():
        program = [sys.executable, "-c", "import xent; print(xent._kernels.level())"]
        run = subprocess.run(program, env=os.environ | {"XENT_ISA": level}, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == level
