"""The laws of xent.keras on each backend it works on, each in a process of its own; and what it says elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BACKENDS = ("torch", "jax")
LAWS = Path(__file__).with_name("laws.py")
DOCTESTS = "--doctest-modules --import-mode=importlib --strict-markers -ra"  # without what skips xent.keras


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One process per backend, side by side; nothing is written to the user's home."""
    processes = {}
    for backend in BACKENDS:
        home = tmp_path_factory.mktemp(backend)
        processes[backend] = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"addopts={DOCTESTS}", str(LAWS),
             "--pyargs", "xent.keras"],
            env={**os.environ, "KERAS_BACKEND": backend, "KERAS_HOME": str(home), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    return processes


@pytest.mark.parametrize("backend", BACKENDS)
def test_laws(runs, backend):
    said, _ = runs[backend].communicate(timeout=300)
    assert runs[backend].returncode == 0, said[-6000:]
    passed = re.search(r"(\d+) passed", said)
    assert passed and int(passed[1]) >= 50 and "skipped" not in said, said[-2000:]


@pytest.mark.parametrize(
    "before, says",
    [
        ("import sys, types; k = sys.modules['keras'] = types.ModuleType('keras'); "
         "k.config = types.SimpleNamespace(backend=lambda: 'tensorflow')", "KERAS_BACKEND=torch or KERAS_BACKEND=jax"),
        ("import sys, types; k = sys.modules['keras'] = types.ModuleType('keras'); k.__version__ = '2.15.0'",
         "needs Keras 3; got Keras 2.15.0"),
        ("import sys; sys.modules['keras'] = None", 'pip install "xent[keras]"'),
    ],
    ids=["another backend", "Keras 2", "no Keras"],
)  # fmt: skip
def test_elsewhere(before, says):
    done = subprocess.run([sys.executable, "-c", f"{before}; import xent.keras"], capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError") and says in last
