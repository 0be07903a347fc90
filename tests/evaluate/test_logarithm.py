"""The tally's own log, log1p and exp against mpmath: the bounds that src/kernels/logarithm.hpp states."""

import math

import numpy as np
import pytest

from xent import _kernels

mpmath = pytest.importorskip("mpmath")
RNG = np.random.default_rng(11)
TINY = [5e-324, 2.0**-1074 * 3, 2.0**-1022, np.nextafter(2.0**-1022, 0)]
HALVES = RNG.random(1500)
POWERS = 10.0 ** RNG.uniform(-320, 300, 1500)
SMALL = 10.0 ** RNG.uniform(-300, 0, 800)
POINTS = {
    0: [*HALVES, *POWERS, *(1 + RNG.normal(size=1500) * 1e-8), 1.0, 0.5, *TINY],
    1: [*-HALVES, *HALVES, *POWERS, *-SMALL],
    2: [*-HALVES, *RNG.uniform(-745.1, 0, 3000), *-SMALL, -690.0, -708.4, -745.13, 0.0],
}
TRUTH = {0: lambda x: mpmath.log(x), 1: lambda x: mpmath.log1p(x), 2: lambda x: mpmath.exp(x)}


@pytest.mark.parametrize(("which", "bound"), [(0, 1.0), (1, 2.0), (2, 1.0)], ids=["log", "log1p", "exp"])
def test_worst_error(which, bound):
    worst = 0.0
    with mpmath.workprec(200):
        for x in map(float, POINTS[which]):
            true = TRUTH[which](mpmath.mpf(x))
            if true != 0:
                worst = max(worst, abs(float((mpmath.mpf(_kernels.natural(which, x)) - true) / math.ulp(float(true)))))
    assert worst <= bound


def test_edges():
    assert _kernels.natural(0, 0.0) == -math.inf and _kernels.natural(0, 1.0) == 0.0
    assert _kernels.natural(1, -1.0) == -math.inf and _kernels.natural(1, 0.0) == 0.0
    assert (
        _kernels.natural(2, -math.inf) == 0.0 and _kernels.natural(2, 0.0) == 1.0 and _kernels.natural(2, -1e300) == 0.0
    )
