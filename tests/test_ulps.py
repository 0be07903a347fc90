"""The measuring itself: ulps count what they should, a result outside its bound is caught, the table is complete."""

import numpy as np
import pytest
from ulps import bounds, check, sigmoid_hard, ulps


def test_ulps_counts():
    one = np.array([1], np.float32)
    assert ulps(np.nextafter(one, np.float32(2)), one.astype(np.float64)) == 1
    assert ulps(np.nextafter(one, np.float32(0)), one.astype(np.float64)) == 0.5
    tiny = np.array([2.0**-149, 0, 2.0**-149], np.float32)
    np.testing.assert_array_equal(ulps(tiny, np.array([2.0**-149, 2.0**-149, 2.0**-150])), [0, 1, 0.5])
    ends = np.array([np.inf, np.nan, np.inf, 1, np.nan], np.float32)
    np.testing.assert_array_equal(ulps(ends, np.array([np.inf, np.nan, 1, np.inf, 1])), [0, 0, np.inf, np.inf, np.inf])


def test_a_result_outside_the_bound_is_caught():
    z = np.linspace(-20, 20, 1001, dtype=np.float32)
    loss, _ = sigmoid_hard(z.astype(np.float64))[0]
    good = loss.astype(np.float32)
    check(good, loss, 0.5000001, z)
    with pytest.raises(AssertionError, match="ulp > 1"):
        check(np.nextafter(np.nextafter(good, np.float32(99)), np.float32(99)), loss, 1, z)


def test_the_table_of_bounds_is_complete():
    names = {(what, dtype) for what, dtype, _ in bounds()}
    kinds = ["sigmoid, hard targets", "sigmoid, soft targets", "softmax, class ids"]
    assert names == {(what, dtype) for what in kinds for dtype in ("float32", "float64")}
