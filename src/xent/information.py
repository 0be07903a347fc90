"""Entropy and divergences of distributions in nats, and the activations.

Divergences of nearly equal distributions are sums of tiny terms that cancel when written with logarithms. Here
p log(p/q) = p f(d) - (q - p) with d = (q - p) / p and f(d) = d - log1p(d) >= 0, which keeps the digits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent import _kernels, backends
from xent.objective import axis_of
from xent.probabilities import sum_tolerance
from xent.rows import ALL
from xent.tables import show

Array = Any


def _distribution(name: str, x: Any, axis: int, log: bool) -> Array:
    """The distributions in float64 along the last axis, checked row by row."""
    a, axis = backends.of(x).floating(name, x), axis_of(axis)
    if a.ndim == 0 or not -a.ndim <= axis < a.ndim:
        raise ValueError(f"`axis` must name one of the axes of `{name}`; got {axis} with shape {a.shape}.")
    slack = sum_tolerance(a.dtype, a.shape[axis])
    rows = np.moveaxis(a, axis, -1).astype(np.float64)
    mass = np.exp(rows) if log else rows
    inside = (rows <= slack) if log else (rows >= 0) & (rows <= 1 + slack)
    kind = "log-probabilities" if log else "probabilities"
    if not inside.all():
        at = tuple(int(i) for i in np.argwhere(~inside)[0])
        where = f" at row {show(at[:-1])}" if len(at) > 1 else ""
        hint = "" if log else " (Logits? `xent.softmax` first; logarithms? `log=True`.)"
        raise ValueError(f"`{name}` must hold {kind}; got {rows[at]:.9g}{where}.{hint}")
    total = mass.sum(-1)
    wrong = ~(abs(total - 1) <= slack)
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        where = f" at row {show(at)}" if at else ""
        raise ValueError(
            f"`{name}` must hold {kind} that sum to 1 within {slack:.2g}; got the sum {total[at]:.9g}{where}."
        )
    return rows


def _pair(p: Any, q: Any, axis: int, log: bool) -> tuple[Array, Array]:
    a, b = _distribution("p", p, axis, log), _distribution("q", q, axis, log)
    if a.shape != b.shape:
        raise ValueError(f"`p` and `q` must have the same shape; got {np.shape(p)} and {np.shape(q)}.")
    return a, b


def _finish(rows: Array, reduction: str) -> Any:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"`reduction` must be one of 'none', 'mean', 'sum'; got {reduction!r}.")
    if reduction == "none":
        return rows[()]
    if reduction == "mean" and rows.size == 0:
        raise ValueError(f"`reduction`='mean' needs at least one distribution; got shape {rows.shape} of them.")
    return rows.sum() if reduction == "sum" else rows.mean()


def _weighted_log(p: Array, log_q: Array) -> Array:
    """-sum p log q with 0 log 0 = 0."""
    with np.errstate(invalid="ignore"):
        return np.where(p == 0, 0.0, -p * log_q).sum(-1) + 0.0


def _log(p: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.log(p)


def _defect(d: Array) -> Array:
    """f(d) = d - log1p(d) for d >= -1 with full relative accuracy; a few ulp."""
    r = d / (2.0 + d)  # log1p(d) = 2 atanh(r), so f = r d - 2 r^3 (1/3 + r^2/5 + ...); r^2 <= 1/9 where it is used
    series = np.zeros_like(d)
    for k in range(37, 1, -2):  # (1/9)^18 < 2^-57
        series = series * r * r + 1.0 / k
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(abs(d) <= 0.5, r * d - 2.0 * r**3 * series, d - np.log1p(d))


def _exact_sum(x: Array) -> Array:
    """Sum along the last axis with the rounding errors of a tree of two-sums added back."""
    lost = np.zeros(x.shape[:-1])
    while x.shape[-1] > 1:
        if x.shape[-1] % 2:
            x = np.concatenate([x, np.zeros((*x.shape[:-1], 1))], -1)
        a, b = x[..., ::2], x[..., 1::2]
        s = a + b
        part = s - a
        lost = lost + ((a - (s - part)) + (b - part)).sum(-1)
        x = s
    return x[..., 0] + lost if x.shape[-1] else lost


def entropy(p: Any, *, axis: int = -1, log: bool = False, reduction: str = "none") -> Any:
    """H(p) = -sum_k p_k log p_k in nats, one value per distribution.

    `p` holds probabilities (log-probabilities with `log=True`) along `axis`; 0 log 0 = 0. float64 out. ValueError names
    the first row that is not a distribution. Also called Shannon entropy (Shannon 1948).

    >>> print(f"{entropy([0.5, 0.5]):.6f}")
    0.693147
    """
    rows = _distribution("p", p, axis, log)
    return _finish(_weighted_log(np.exp(rows), rows) if log else _weighted_log(rows, _log(rows)), reduction)


def cross_entropy(p: Any, q: Any, *, axis: int = -1, log: bool = False, reduction: str = "none") -> Any:
    """H(p, q) = -sum_k p_k log q_k = H(p) + KL(p || q) in nats, one value per distribution.

    Shapes, `log` and errors as in `entropy`; inf where q = 0 and p > 0. From logits use `softmax_cross_entropy`.

    >>> print(f"{cross_entropy([0.5, 0.5], [0.9, 0.1]):.6f}")
    1.203973
    """
    a, b = _pair(p, q, axis, log)
    return _finish(_weighted_log(np.exp(a), b) if log else _weighted_log(a, _log(b)), reduction)


def kl_divergence(p: Any, q: Any, *, axis: int = -1, log: bool = False, reduction: str = "none") -> Any:
    """KL(p || q) = sum_k p_k log(p_k / q_k) in nats, one value per distribution.

    Accurate for nearly equal distributions; inf where q = 0 and p > 0. With `log=True` both are taken as normalised, so
    rounding in their sums does not show. Shapes and errors as in `entropy`. Also called relative entropy, information
    gain (Kullback & Leibler 1951).

    >>> print(f"{kl_divergence([0.5, 0.5], [0.9, 0.1]):.6f}")
    0.510826
    """
    a, b = _pair(p, q, axis, log)
    with np.errstate(all="ignore"):
        if log:  # p f(e^x - 1) = p (e^x - 1 - x) with x = log q - log p
            x = np.where(a == -np.inf, 0.0, b - a)
            grown = np.expm1(x)
            near = np.where(abs(x) <= 0.25, _defect(grown), grown - x)
            mass = np.where(a == -np.inf, np.exp(b), np.exp(a) * near)
            mass = np.where(np.isinf(mass) & np.isfinite(b), np.exp(b) + np.exp(a) * (a - b - 1.0), mass)
            return _finish(mass.sum(-1), reduction)
        d = (b - a) / a
        near = abs(d) <= 0.5
        ratio = a / b
        plain = (ratio > 1e-300) & (ratio < 1e300)
        far = np.where(a == 0, 0.0, a * np.where(plain, np.log(ratio), np.log(a) - np.log(b)))
        return _finish(np.where(near, a * _defect(np.where(near, d, 0.0)), far).sum(-1)
                       - _exact_sum(np.where(near, b - a, 0.0)), reduction)  # fmt: skip


def js_divergence(p: Any, q: Any, *, axis: int = -1, log: bool = False, reduction: str = "none") -> Any:
    """JS(p, q) = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, in nats: symmetric, at most log 2.

    Shapes, `log` and errors as in `entropy`. Also called Jensen-Shannon divergence, the square of the distance of that
    name (Lin 1991).

    >>> print(f"{js_divergence([1.0, 0.0], [0.0, 1.0]):.6f}")
    0.693147
    """
    a, b = _pair(p, q, axis, log)
    if log:
        with np.errstate(invalid="ignore"):
            step: Array = np.where(a == b, 0.0, np.expm1(-abs(a - b)))  # (smaller - larger) / larger
        big = np.exp(np.maximum(a, b))
        small: Array = np.where(step == 0, big, np.exp(np.minimum(a, b)))
        gap = -big * step
    else:
        big, small = np.maximum(a, b), np.minimum(a, b)
        gap = big - small
    with np.errstate(all="ignore"):  # the two sums of m - p and m - q cancel exactly
        down = np.where(big > 0, big * _defect(-gap / (2.0 * big)), 0.0)
        d = gap / (2.0 * small)
        up = np.where(np.isfinite(d), small * _defect(np.where(np.isfinite(d), d, 0.0)), gap / 2.0)
    return _finish((down + up).sum(-1) / 2.0, reduction)


_SOFTMAX, _LOG_SOFTMAX, _LOGSUMEXP, _SIGMOID, _LOG_SIGMOID = range(5)


def _activation(kind: int, x: Any, axis: int | None, out: Any) -> Any:
    """Elementwise where `axis` is None."""
    backend = backends.of(x)
    z = backend.floating("logits", x)
    axis = None if axis is None else axis_of(axis)
    if axis is None:
        shape: tuple[int, ...] = z.shape
        view = (1, z.size, 1)
        kept: tuple[int, ...] = view
    else:
        if not -z.ndim <= axis < z.ndim:
            raise ValueError(f"`axis` must name one of the logits' {z.ndim} axes; got {axis} with shape {z.shape}.")
        axis %= z.ndim
        if z.shape[axis] == 0:
            raise ValueError(f"`logits` must have at least one class; got shape {z.shape} with the class axis {axis}.")
        outer, inner = math.prod(z.shape[:axis]), math.prod(z.shape[axis + 1 :])
        shape, view = z.shape, (outer, z.shape[axis], inner)
        kept = view
        if kind == _LOGSUMEXP:
            shape, kept = z.shape[:axis] + z.shape[axis + 1 :], (outer, inner)
    if out is not None:
        backend.buffer("out", out, shape, z.dtype, (z,))
    made = out if out is not None and out.flags.c_contiguous else np.empty(shape, z.dtype)
    if z.size:
        _kernels.activation(kind, backend.bits(z.reshape(view)), backend.bits(made.reshape(kept)), ALL)
    if out is not None and made is not out:
        out[...] = made
        return out
    return made[()] if made.ndim == 0 and out is None else made


def sigmoid(logits: Any, *, out: Any = None) -> Any:
    """sigma(z) = 1 / (1 + e^-z), elementwise, in the logits' dtype and shape; relative accuracy in the lower tail too.

    float16, bfloat16, float32, float64; lists become float64; `out` takes the result. Also called logistic function,
    expit.

    >>> print(sigmoid([-1.0, 0.0]).round(4))
    [0.2689 0.5   ]
    """
    return _activation(_SIGMOID, logits, None, out)


def log_sigmoid(logits: Any, *, out: Any = None) -> Any:
    """log sigma(z) = -log(1 + e^-z), elementwise, in the logits' dtype and shape, accurate in both tails.

    Also called -softplus(-z).

    >>> print(log_sigmoid([-1000.0, 0.0]).round(4))
    [-1.000e+03 -6.931e-01]
    """
    return _activation(_LOG_SIGMOID, logits, None, out)


def softmax(logits: Any, *, axis: int = -1, out: Any = None) -> Any:
    """p_k = e^z_k / sum_j e^z_j along `axis`, in the logits' dtype and shape.

    -inf masks a class; a row of nothing but -inf, or with several +inf, is NaN. Also called the Boltzmann distribution.

    >>> print(softmax([2.0, 0.0, 0.0]).round(4))
    [0.787  0.1065 0.1065]
    """
    return _activation(_SOFTMAX, logits, axis, out)


def log_softmax(logits: Any, *, axis: int = -1, out: Any = None) -> Any:
    """log p_k = z_k - log sum_j e^z_j along `axis`, in the logits' dtype and shape; exact for the class on top.

    >>> print(log_softmax([200.0, 0.0]))
    [-1.38389653e-87 -2.00000000e+02]
    """
    return _activation(_LOG_SOFTMAX, logits, axis, out)


def logsumexp(logits: Any, *, axis: int = -1, out: Any = None) -> Any:
    """lse = log sum_k e^z_k along `axis`, which is dropped, in the logits' dtype.

    Also called log-partition function, cumulant, smooth maximum.

    >>> print(f"{logsumexp([1000.0, 1000.0]):.4f}")
    1000.6931
    """
    return _activation(_LOGSUMEXP, logits, axis, out)
