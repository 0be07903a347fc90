"""Every instruction-set level runs, is chosen as asked, and agrees with the others."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from xent import _kernels

RUN = """
import json, numpy as np, xent
from xent import _kernels
rng = np.random.default_rng(5)
z = np.concatenate([rng.normal(0, s, 3000) for s in (1e-3, 4, 30, 120)]).astype(np.float32)[:-1]
t = (rng.random(z.size) < 0.5).astype(np.float32)
w = rng.random(z.size).astype(np.float32)
ids = rng.integers(0, 12, z.size // 12)
out = {"level": _kernels.level()}
loss = xent.SigmoidCrossEntropy(reduction="none")
out["plain"] = [x.tolist() for x in loss.value_and_grad(z, t)]
out["weighted"] = [x.tolist() for x in loss.value_and_grad(z, t, sample_weight=w, pos_weight=3.0)]
out["soft"] = [x.tolist() for x in loss.value_and_grad(z, w)]
out["focal"] = [x.tolist() for x in xent.SigmoidCrossEntropy(gamma=2.0, reduction="none").value_and_grad(z, t)]
out["double"] = [x.tolist() for x in loss.value_and_grad(z.astype(float), t)]
loss = xent.SoftmaxCrossEntropy(reduction="none")
for width in (12, 150):
    ids = rng.integers(0, width, z.size // width)
    out[f"softmax {width}"] = [x.tolist() for x in loss.value_and_grad(z[: ids.size * width].reshape(-1, width), ids)]
long = np.arange(64, dtype=np.float32).astype(np.longdouble)  # x87 registers are as they were: no warning, no NaN
out["long double"] = [(long + long / 3).astype(float).tolist()] * 2
print(json.dumps(out))
"""


def run(level: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN],
        env={**os.environ, "XENT_ISA": level, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_the_best_level_runs_by_default() -> None:
    assert _kernels.levels()[0] == "baseline"
    if "XENT_ISA" not in os.environ:
        assert _kernels.level() == _kernels.levels()[-1]


def test_levels_agree() -> None:
    baseline = run("baseline")
    assert baseline.pop("level") == "baseline"
    for level in _kernels.levels()[1:]:
        other = run(level)
        assert other.pop("level") == level
        for name, (value, gradient) in baseline.items():
            # roundings differ with FMA; 1e-6 is 8 ulp of float32
            rtol, atol = (1e-13, 1e-290) if name == "double" else (1e-6, 1e-44)
            for ours, theirs in ((value, other[name][0]), (gradient, other[name][1])):
                np.testing.assert_allclose(theirs, ours, rtol=rtol, atol=atol, err_msg=f"{level} {name}")


def test_an_unknown_level_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import xent; xent.sigmoid(0.0)"],
        env={**os.environ, "XENT_ISA": "v9"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "XENT_ISA must be one of baseline" in done.stderr and "got v9" in done.stderr


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_do_not_show_in_the_bits(threads: int) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0, 5, 300_001).astype(np.float32).reshape(1, -1)
    t = (rng.random(z.shape) < 0.3).astype(np.float32)
    table = np.array([[0.0], [1], [1], [0], [1], [1]])

    def total(n: int) -> tuple[float, bytes]:
        grad = np.empty_like(z)
        value, bad = _kernels.sigmoid(
            z, t, None, None, None, table, (0, 0.0, 0.0), None, 1.0, None, grad, None, None, n
        )
        assert bad == -1
        return value, grad.tobytes()

    assert total(threads) == total(1)
    rows = z[0, :300_000].reshape(-1, 10, 1)
    ids = rng.integers(0, 10, (len(rows), 1))

    def softmax(n: int) -> tuple[float, bytes]:
        grad = np.empty_like(rows)
        value, _ = _kernels.softmax(
            rows, ids, None, None, None, None, None, 0.0, None, 0.0, (0, 0.0, 0.0), None, 1.0, None, grad, None, None, n
        )
        return value, grad.tobytes()

    assert softmax(threads) == softmax(1)
