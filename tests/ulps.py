"""Truths to measure the kernels against, and distances from them in ulp.

Three oracles, none of which shares a line with the kernels:
  double         libm's exp and log1p err by a few 2^-53: 2^-28 ulp of float32, which decides every bound in whole ulp
                 (not whether a value is correctly rounded when it lies within 2^-28 ulp of a tie)
  extended       the 80-bit long double, with z_j - m carried as an exact pair: 2^-9 ulp of float64
  mpmath         to any number of digits; slow, and proves the other two
"""

from pathlib import Path

import mpmath
import numpy as np
import pytest
from ml_dtypes import finfo  # NumPy's, and bfloat16

NUMERICS = Path(__file__).resolve().parent.parent / "docs" / "numerics.md"
EXTENDED = np.longdouble if np.finfo(np.longdouble).eps < 2.0**-60 else None
needs_extended = pytest.mark.skipif(EXTENDED is None, reason="long double is no wider than double on this machine")


# ---- distances -----------------------------------------------------------------------------------


def spacing(truth, dtype):
    """One ulp of `dtype` at each truth: 2^(exponent - fraction bits), never below the smallest subnormal."""
    info = finfo(dtype)
    _, exponent = np.frexp(truth)
    floor = int(info.minexp) + 1  # frexp's exponent of the smallest normal number
    return np.ldexp(np.ones_like(truth), np.maximum(exponent, floor) - 1 - int(info.nmant))


def ulps(got, truth):
    """|got - truth| in ulps of got's dtype at the truth. Infinities and NaN count 0 where they agree, else inf."""
    wide = truth.dtype if truth.dtype.itemsize > got.dtype.itemsize else np.dtype(np.float64)
    got_wide, truth = got.astype(wide), truth.astype(wide)
    with np.errstate(invalid="ignore", over="ignore"):
        info = finfo(got.dtype)
        beyond = np.abs(truth) >= wide.type(info.max) * (1 + wide.type(2) ** -(2 + int(info.nmant)))  # rounds to inf
        target = np.where(beyond & np.isfinite(truth), np.copysign(np.inf, truth), truth)
        distance = np.abs(got_wide - target) / spacing(np.where(np.isfinite(target), target, 1), got.dtype)
    same = (got_wide == target) | (np.isnan(got_wide) & np.isnan(target))
    return np.where(same, 0, np.where(np.isfinite(got_wide) & np.isfinite(target), distance, np.inf))


def check(got, truth, limit, *where):
    """No distance above the limit; says what came, where, and from what."""
    distance = ulps(got, truth)
    at = np.unravel_index(int(distance.argmax()), distance.shape)
    found = f"{got[at]!r} for {truth[at]!r}, inputs {[each[at[: each.ndim]] for each in where]}"
    assert distance[at] <= limit, f"{distance[at]:.3f} ulp > {limit} at {at}: {found}"


# ---- the sigmoid family --------------------------------------------------------------------------


def sigmoid_hard(z):
    """Losses and slopes for the targets 0 and 1 at once, in z's own precision (pass double or extended)."""
    e = np.exp(-np.abs(z))
    log = np.log1p(e)
    upper, lower = 1 / (1 + e), e / (1 + e)
    up = z >= 0
    return {
        0: (np.maximum(z, 0) + log, np.where(up, upper, lower)),
        1: (np.maximum(-z, 0) + log, -np.where(up, lower, upper)),
    }


def sigmoid_soft(z, t):
    """(losses, slopes, the larger of the slope's two terms) for targets in [0, 1], in extended precision.

    Near its zero the slope is a difference: 1 - 2t is exact there, so that expm1 keeps the digits of small logits; what
    still loses 30 bits or more goes through mpmath where the inputs are float32.
    """
    single, both = z.dtype == np.float32, (z, t)
    z, t = z.astype(EXTENDED), t.astype(EXTENDED)
    a, up = np.abs(z), z >= 0
    e, less = np.exp(-a), -np.expm1(-a)
    against, along = np.where(up, 1 - t, t), np.where(up, t, 1 - t)  # the side the logit speaks against comes first
    flip, small = np.where(up, 1, -1), a < 1
    first, second = np.where(small, flip * (1 - 2 * t), against), np.where(small, along * less, -along * e)
    slope = flip * (first + second) / (1 + e)
    for row in np.flatnonzero(single & (np.abs(first + second) < 2.0**-30 * np.abs(first))):
        exact = sigmoid_soft_mp(both[0][row], both[1][row])[1]
        slope[row] = EXTENDED(float(exact)) + EXTENDED(float(exact - float(exact)))
    return a * against + np.log1p(e), slope, np.maximum(against, along * e) / (1 + e)


def sigmoid_soft_mp(z, t, digits=60):
    """(loss, slope) at one logit and one target in [0, 1], as mpf."""
    with mpmath.workdps(digits):
        z, t = mpmath.mpf(float(z)), mpmath.mpf(float(t))
        e = mpmath.exp(-abs(z))
        log = mpmath.log1p(e)
        loss = t * (max(-z, 0) + log) + (1 - t) * (max(z, 0) + log)
        slope = ((1 - t) - t * e) / (1 + e) if z >= 0 else ((1 - t) * e - t) / (1 + e)
        return loss, slope


def ulps_mp(got, truth):
    """|got - truth| in ulps of got's dtype for one number and an mpf."""
    info = np.finfo(got.dtype)
    if truth == 0:
        return 0.0 if got == 0 else np.inf
    exponent = max(mpmath.frexp(truth)[1], int(info.minexp) + 1)
    return float(abs(mpmath.mpf(float(got)) - truth) * mpmath.mpf(2) ** (int(info.nmant) + 1 - exponent))


# ---- the softmax family --------------------------------------------------------------------------


def softmax_ids(logits, ids):
    """Losses (N,) and gradients (N, K) of the sum, for class ids, in extended precision (double where there is none).

    -inf is a masked class. The target is left out of the sum, as in the definition; nothing is subtracted that cancels.
    """
    wide = EXTENDED or np.float64
    rows = np.arange(len(ids))
    z = logits.astype(np.float64)
    m = z.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        high = z - m  # Knuth: high + low is z - m exactly
        back = high - z
        low = (z - (high - back)) + (-m - back)
    low[~np.isfinite(z)] = 0
    exps = np.exp(high.astype(wide)) * (1 + low.astype(wide))
    others = exps.copy()
    others[rows, ids] = 0
    rest, own = others.sum(axis=1), exps[rows, ids]
    total = rest + own
    gap = -(high[rows, ids].astype(wide) + low[rows, ids])  # m - z_y
    on_top = gap == 0
    loss = np.where(on_top, np.log1p(np.where(on_top, rest, 1)), gap + np.log(total))
    grad = others / total[:, None]
    grad[rows, ids] = -rest / total
    return loss, grad


def softmax_ids_mp(row, y, digits=60):
    """(loss, [slopes]) of one row, as mpf."""
    with mpmath.workdps(digits):
        z = [mpmath.mpf(float(v)) for v in row]
        exps = [mpmath.exp(v - z[y]) if v != -mpmath.inf else mpmath.mpf(0) for v in z]
        rest = mpmath.fsum(e for k, e in enumerate(exps) if k != y)
        slopes = [e / (1 + rest) for e in exps]
        slopes[y] = -rest / (1 + rest)
        return mpmath.log1p(rest), slopes


# ---- the bounds ----------------------------------------------------------------------------------


def bounds():
    """{(what, dtype, "loss" | "gradient"): ulp}, read from the table of docs/numerics.md, where users read it too."""
    found = {}
    for line in NUMERICS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[1].startswith("float"):
            what, dtype, loss, gradient, _ = cells
            found[what, dtype, "loss"], found[what, dtype, "gradient"] = float(loss), float(gradient)
    return found


def bound(what, dtype, name):
    return bounds()[what, str(np.dtype(dtype)), name]
