"""Every law against its formula in 500 digits, slope and bend by differentiating that formula."""

import mpmath as mp
import numpy as np
import pytest

from xent import laws

FORMULAS = {
    laws.Log(): lambda x: x,
    laws.Focal(0.5): lambda x: (-mp.expm1(-x)) ** mp.mpf("0.5") * x,
    laws.Focal(1.0): lambda x: -mp.expm1(-x) * x,
    laws.Focal(2.0): lambda x: mp.expm1(-x) ** 2 * x,
    laws.Focal(5.5): lambda x: (-mp.expm1(-x)) ** mp.mpf("5.5") * x,
    laws.Poly(1.5): lambda x: x - mp.mpf("1.5") * mp.expm1(-x),
    laws.Poly(-0.5): lambda x: x + mp.mpf("0.5") * mp.expm1(-x),
    laws.Generalised(0.7): lambda x: -mp.expm1(-mp.mpf(0.7) * x) / mp.mpf(0.7),
    laws.Generalised(1.0): lambda x: -mp.expm1(-x),
}
POINTS = [1e-30, 1e-9, 1e-3, 0.1, 0.5, 0.6931, 1.0, 2.5, 10.0, 40.0, 300.0, 700.0]


@pytest.mark.parametrize("law", FORMULAS, ids=repr)
@pytest.mark.parametrize("nll", POINTS)
def test_formula(law, nll):
    with mp.workdps(500):
        x, formula = mp.mpf(nll), FORMULAS[law]
        cost, slope, bend = law(np.array([nll]))
        first, second = (mp.diff(formula, x, n, h=x * mp.mpf(10) ** -60) for n in (1, 2))
        q = -mp.expm1(-x)
        assert float(abs(mp.mpf(cost[0]) / formula(x) - 1)) < 1e-14
        assert float(abs(mp.mpf(slope[0]) / first - 1)) < 1e-13
        terms = abs(second) * q + abs(first) * mp.exp(-x)  # bend enters a Hessian next to slope * p
        assert float(abs(mp.mpf(bend[0]) - q * second)) <= 2e-13 * float(terms)


@pytest.mark.parametrize("law", FORMULAS, ids=repr)
def test_ends(law):
    """Finite at nll = 0, the limit at nll = inf, NaN stays NaN."""
    cost, slope, bend = law(np.array([0.0, np.inf, np.nan]))
    assert cost[0] == 0 and np.isfinite(slope[0]) and np.isfinite(bend[0])
    bounded = isinstance(law, laws.Generalised)
    assert cost[1] == (pytest.approx(1 / law.order, rel=1e-15) if bounded else np.inf)
    assert slope[1] == (0 if bounded else 1) and bend[1] == 0
    assert np.isnan([cost[2], slope[2], bend[2]]).all()


def test_laws_of_no_strength_are_the_log_loss():
    assert laws.choose(0.0, 0.0, 0.0) == laws.Log()
    x = np.array([0.0, 1e-9, 1.0, 50.0, np.inf])
    for law in (laws.Focal(0.0), laws.Poly(0.0)):
        for got, want in zip(law(x), laws.Log()(x), strict=True):
            np.testing.assert_array_equal(got, want)


def test_generalised_at_one_is_the_probability_missed():
    x = np.array([1e-9, 0.3, 5.0])
    np.testing.assert_allclose(laws.Generalised(1.0)(x)[0], -np.expm1(-x), rtol=1e-15)


@pytest.mark.parametrize("options", [(2.0, 1.0, 0.0), (2.0, 0.0, 0.5), (0.0, 1.0, 0.5), (2.0, 1.0, 0.5)])
def test_a_loss_has_one_law(options):
    with pytest.raises(ValueError, match="`gamma`, `poly` and `gce`"):
        laws.choose(*options)
