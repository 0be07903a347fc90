"""Entropy and divergences of rows along the last axis, in one formula for NumPy and for every framework.

Divergences of nearly equal distributions are sums of tiny terms that cancel when written with logarithms. Here
p log(p/q) = p f(d) - (q - p) with d = (q - p) / p and f(d) = d - log1p(d) >= 0, which keeps the digits. Derivatives are
closed forms in which nothing cancels either.
"""

from __future__ import annotations

from math import inf, log
from typing import Any

Array = Any
LOG_2 = log(2.0)


def product(ops: Any, x: Array, y: Array) -> Array:
    """x y with 0 inf = 0."""
    endless = ((x == 0) & ops.isinf(y)) | (ops.isinf(x) & (y == 0))
    return ops.where(endless, 0.0, x * y)


def defect(ops: Any, d: Array) -> Array:
    """f(d) = d - log1p(d) for d >= -1 with full relative accuracy; a few ulp."""
    r = d / (2.0 + d)  # log1p(d) = 2 atanh(r), so f = r d - 2 r^3 (1/3 + r^2/5 + ...); r^2 <= 1/9 where it is used
    series = ops.zeros_like(d)
    for k in range(37, 1, -2):  # (1/9)^18 < 2^-57
        series = series * r * r + 1.0 / k
    return ops.where(ops.abs(d) <= 0.5, r * d - 2.0 * r**3 * series, d - ops.log1p(d))


def exact_sum(ops: Any, x: Array) -> Array:
    """Sum along the last axis with the rounding errors of a tree of two-sums added back."""
    lost = ops.zeros_like(ops.sum(x, -1))
    while x.shape[-1] > 1:
        if x.shape[-1] % 2:
            x = ops.concatenate([x, ops.zeros_like(x[..., :1])], -1)
        a, b = x[..., ::2], x[..., 1::2]
        s = a + b
        part = s - a
        lost = lost + ops.sum((a - (s - part)) + (b - part), -1)
        x = s
    return x[..., 0] + lost if x.shape[-1] else lost


def weighted_log(ops: Any, p: Array, log_q: Array) -> Array:
    """-sum p log q with 0 log 0 = 0."""
    return ops.sum(ops.where(p == 0, 0.0, -p * log_q), -1) + 0.0


def kl(ops: Any, a: Array, b: Array) -> Array:
    """sum a log(a / b)."""
    d = (b - a) / a
    near = ops.abs(d) <= 0.5
    far = ops.where(a == 0, 0.0, a * log_quotient(ops, a, b))
    return ops.sum(ops.where(near, a * defect(ops, ops.where(near, d, 0.0)), far), -1) - exact_sum(
        ops, ops.where(near, b - a, 0.0)
    )


def log_quotient(ops: Any, a: Array, b: Array) -> Array:
    """log(a / b), also where the quotient leaves the range of its dtype."""
    end = 1e300 if a.dtype.itemsize == 8 else 1e30
    ratio = a / b
    return ops.where((ratio > 1 / end) & (ratio < end), ops.log(ratio), ops.log(a) - ops.log(b))


def kl_of_logs(ops: Any, a: Array, b: Array) -> Array:
    """sum p f(e^x - 1) = sum p (e^x - 1 - x) with p = e^a and x = b - a."""
    x = ops.where(a == -inf, 0.0, b - a)
    grown = ops.expm1(x)
    near = ops.where(ops.abs(x) <= 0.25, defect(ops, grown), grown - x)
    mass = ops.where(a == -inf, ops.exp(b), ops.exp(a) * near)
    mass = ops.where(ops.isinf(mass) & ops.isfinite(b), ops.exp(b) + ops.exp(a) * (a - b - 1.0), mass)
    return ops.sum(mass, -1)


def _spread(ops: Any, big: Array, small: Array, gap: Array) -> Array:
    """JS of the larger and the smaller masses; the two sums of m - p and m - q cancel exactly."""
    down = ops.where(big > 0, big * defect(ops, -gap / (2.0 * big)), 0.0)
    d = gap / (2.0 * small)
    up = ops.where(ops.isfinite(d), small * defect(ops, ops.where(ops.isfinite(d), d, 0.0)), gap / 2.0)
    return ops.sum(down + up, -1) / 2.0


def js(ops: Any, a: Array, b: Array) -> Array:
    """JS(a, b)."""
    big, small = ops.maximum(a, b), ops.minimum(a, b)
    return _spread(ops, big, small, big - small)


def js_of_logs(ops: Any, a: Array, b: Array) -> Array:
    """JS(e^a, e^b)."""
    step = ops.where(a == b, 0.0, ops.expm1(-ops.abs(a - b)))  # (smaller - larger) / larger
    big = ops.exp(ops.maximum(a, b))
    small = ops.where(step == 0, big, ops.exp(ops.minimum(a, b)))
    return _spread(ops, big, small, -big * step)


def log_ratio(ops: Any, a: Array, b: Array) -> Array:
    """log(a / b) with full relative accuracy near 0, which it is at a = b."""
    d = (b - a) / a
    near = ops.abs(d) <= 0.5
    close = -ops.log1p(ops.where(near, d, 0.0))
    return ops.where(a == b, 0.0, ops.where(near, close, log_quotient(ops, a, b)))


def log_share(ops: Any, a: Array, b: Array) -> Array:
    """log(a / m), m = (a + b) / 2, with full relative accuracy near 0, which it is at a = b."""
    d = (b - a) / (2.0 * a)
    near = d <= 1
    close = -ops.log1p(ops.where(near, d, 0.0))
    return ops.where(a == b, 0.0, ops.where(near, close, ops.log(a) - ops.log((a + b) / 2.0)))


def log_share_of_logs(ops: Any, x: Array) -> Array:
    """log(p / m), m = (p + q) / 2, x = log q - log p."""
    near = x <= 1
    close = -ops.log1p(ops.expm1(ops.where(near, x, 0.0)) / 2.0)
    far = ops.where(near, 0.0, x)
    return ops.where(near, close, LOG_2 - far - ops.log1p(ops.exp(-far)))


def excess(ops: Any, a: Array, b: Array) -> Array:
    """e^b - e^a with full relative accuracy near 0."""
    x = ops.where(a == -inf, 0.0, b - a)
    near = ops.abs(x) <= 1
    close = ops.exp(a) * ops.expm1(ops.where(near, x, 0.0))
    return ops.where(near & (a != -inf), close, ops.exp(b) - ops.exp(a))


VALUES: dict[tuple[str, bool], Any] = {  # (measure, of logarithms)
    ("entropy", False): lambda ops, a: weighted_log(ops, a, ops.log(a)),
    ("entropy", True): lambda ops, a: weighted_log(ops, ops.exp(a), a),
    ("cross_entropy", False): lambda ops, a, b: weighted_log(ops, a, ops.log(b)),
    ("cross_entropy", True): lambda ops, a, b: weighted_log(ops, ops.exp(a), b),
    ("kl_divergence", False): kl,
    ("kl_divergence", True): kl_of_logs,
    ("js_divergence", False): js,
    ("js_divergence", True): js_of_logs,
}
