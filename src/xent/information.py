"""Entropy and divergences of distributions in nats, and the activations, of arrays of any kind.

The formulas are in `portable/`: NumPy runs their values, a framework differentiates them. Arrays of a framework whose
values are at hand and of which no derivative is asked are NumPy's memory under another name, and go the same way.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from xent import _kernels, backends
from xent.backends.memory import empty
from xent.objective import axis_of
from xent.portable import information, measures
from xent.portable.ops import NUMPY
from xent.probabilities import sum_tolerance
from xent.rows import ALL
from xent.rows.shapes import class_axis
from xent.tables import show

Array = Any


def _distribution(name: str, x: Any, axis: int, log: bool) -> Array:
    """The distributions in float64 along the last axis, checked row by row."""
    a, axis = backends.of(x).floating(name, x), axis_of(axis)
    measures.on_axis(name, a.shape, axis)
    slack = sum_tolerance(a.dtype, a.shape[axis])
    a = backends.numpy.widened(a) if backends.numpy.is_bfloat16(a.dtype) else a
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


def _checked(axis: int, log: bool, **given: Any) -> tuple[Array, ...]:
    """The distributions as rows of float64."""
    rows = tuple(_distribution(name, x, axis, log) for name, x in given.items())
    measures.alike(tuple(r.shape for r in rows), tuple(np.shape(x) for x in given.values()))
    return rows


def _numbers(kind: str, axis: int, log: bool, reduction: str, **given: Any) -> Any:
    """The measure of NumPy's arrays."""
    rows = _checked(axis, log, **given)
    with np.errstate(all="ignore"):
        return measures.reduced(NUMPY, information.VALUES[kind, log](NUMPY, *rows), reduction)[()]


def _measure(kind: str, axis: int, log: bool, reduction: str, **given: Any) -> Any:
    """The measure of arrays of any kind."""
    axis = axis_of(axis)
    face = backends.face(*given.values())
    if face is None:
        return _numbers(kind, axis, log, reduction, **given)
    return face.through(
        given,
        ("measure", (kind, axis, log, reduction)),
        numbers=lambda **views: _numbers(kind, axis, log, reduction, **views),
        check=lambda **views: _checked(axis, log, **views),
    )


def entropy(p: Any, *, axis: int = -1, log: bool = False, reduction: str = "none") -> Any:
    """H(p) = -sum_k p_k log p_k in nats, one value per distribution.

    `p` holds probabilities (log-probabilities with `log=True`) along `axis`; 0 log 0 = 0. float64 out (float32 where
    the framework or the device has none). ValueError names the first row that is not a distribution; where values
    cannot be read (a device, a tracer), value and gradient of that row are NaN. Tensors and JAX arrays are
    differentiated to any order: the slope is -1 - log p, so +inf at p = 0, and 0 with `log=True`. Also called Shannon
    entropy (Shannon 1948).

    >>> print(f"{entropy([0.5, 0.5]):.6f}")
    0.693147
    """
    return _measure("entropy", axis, log, reduction, p=p)


def cross_entropy(p: Any, q: Any, *, axis: int = -1, log: bool = False, reduction: str = "none") -> Any:
    """H(p, q) = -sum_k p_k log q_k = H(p) + KL(p || q) in nats, one value per distribution.

    Shapes, `log` and errors as in `entropy`; inf where q = 0 and p > 0. Both of one framework; lists and NumPy arrays
    beside a tensor or a JAX array become one. From logits use `softmax_cross_entropy`.

    >>> print(f"{cross_entropy([0.5, 0.5], [0.9, 0.1]):.6f}")
    1.203973
    """
    return _measure("cross_entropy", axis, log, reduction, p=p, q=q)


def kl_divergence(p: Any, q: Any, *, axis: int = -1, log: bool = False, reduction: str = "none") -> Any:
    """KL(p || q) = sum_k p_k log(p_k / q_k) in nats, one value per distribution.

    Accurate for nearly equal distributions; inf where q = 0 and p > 0. With `log=True` both are taken as normalised, so
    rounding in their sums does not show, and the gradients p (log p - log q) and q - p keep their digits where the two
    meet; those of probabilities taken as free, 1 + log(p/q) and -p/q, round where a softmax subtracts the 1 again.
    Shapes and errors as in `entropy`. Also called relative entropy, information gain (Kullback & Leibler 1951).

    >>> print(f"{kl_divergence([0.5, 0.5], [0.9, 0.1]):.6f}")
    0.510826
    """
    return _measure("kl_divergence", axis, log, reduction, p=p, q=q)


def js_divergence(p: Any, q: Any, *, axis: int = -1, log: bool = False, reduction: str = "none") -> Any:
    """JS(p, q) = (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, in nats: symmetric, at most log 2.

    Shapes, `log` and errors as in `entropy`. Also called Jensen-Shannon divergence, the square of the distance of that
    name (Lin 1991).

    >>> print(f"{js_divergence([1.0, 0.0], [0.0, 1.0]):.6f}")
    0.693147
    """
    return _measure("js_divergence", axis, log, reduction, p=p, q=q)


KINDS = {"softmax": 0, "log_softmax": 1, "logsumexp": 2, "sigmoid": 3, "log_sigmoid": 4}  # as the kernels number them


def _activation(kind: str, logits: Any, axis: int | None, out: Any) -> Any:
    """Elementwise where `axis` is None."""
    axis = None if axis is None else axis_of(axis)
    face = backends.face(logits)
    if face is None:
        return _activated(kind, axis, logits, out)
    return face.through(
        {"logits": logits},
        ("activation", (kind, axis)),
        numbers=lambda logits, out=None: _activated(kind, axis, logits, out),
        out=out,
    )


def _activated(kind: str, axis: int | None, logits: Any, out: Any) -> Any:
    """The activation of NumPy's arrays, by the kernels."""
    backend = backends.of(logits)
    z = backend.floating("logits", logits)
    if axis is None:
        shape: tuple[int, ...] = z.shape
        view = (1, z.size, 1)
        kept: tuple[int, ...] = view
    else:
        axis = class_axis(axis, z.shape)
        outer, inner = math.prod(z.shape[:axis]), math.prod(z.shape[axis + 1 :])
        shape, view = z.shape, (outer, z.shape[axis], inner)
        kept = view
        if kind == "logsumexp":
            shape, kept = z.shape[:axis] + z.shape[axis + 1 :], (outer, inner)
    if out is not None:
        backend.buffer("out", out, shape, z.dtype, (z,))
    made = out if out is not None and out.flags.c_contiguous else empty(shape, z.dtype)
    if z.size:
        _kernels.activation(KINDS[kind], backend.bits(z.reshape(view)), backend.bits(made.reshape(kept)), ALL)
    if out is not None and made is not out:
        out[...] = made
        return out
    return made[()] if made.ndim == 0 and out is None else made


def sigmoid(logits: Any, *, out: Any = None) -> Any:
    """sigma(z) = 1 / (1 + e^-z), elementwise, in the logits' dtype and shape; relative accuracy in the lower tail too.

    float16, bfloat16, float32, float64; lists become float64; `out` takes the result (of NumPy arrays, and of tensors
    where no derivative is asked). Tensors and JAX arrays are differentiated to any order. Also called logistic
    function, expit.

    >>> print(sigmoid([-1.0, 0.0]).round(4))
    [0.2689 0.5   ]
    """
    return _activation("sigmoid", logits, None, out)


def log_sigmoid(logits: Any, *, out: Any = None) -> Any:
    """log sigma(z) = -log(1 + e^-z), elementwise, in the logits' dtype and shape, accurate in both tails.

    Also called -softplus(-z).

    >>> print(log_sigmoid([-1000.0, 0.0]).round(4))
    [-1.000e+03 -6.931e-01]
    """
    return _activation("log_sigmoid", logits, None, out)


def softmax(logits: Any, *, axis: int = -1, out: Any = None) -> Any:
    """p_k = e^z_k / sum_j e^z_j along `axis`, in the logits' dtype and shape.

    -inf masks a class, which then moves nothing; a row of nothing but -inf, or with several +inf, is NaN (the gradient
    of the former is 0). Also called the Boltzmann distribution.

    >>> print(softmax([2.0, 0.0, 0.0]).round(4))
    [0.787  0.1065 0.1065]
    """
    return _activation("softmax", logits, axis, out)


def log_softmax(logits: Any, *, axis: int = -1, out: Any = None) -> Any:
    """log p_k = z_k - log sum_j e^z_j along `axis`, in the logits' dtype and shape; exact for the class on top.

    >>> print(log_softmax([200.0, 0.0]))
    [-1.38389653e-87 -2.00000000e+02]
    """
    return _activation("log_softmax", logits, axis, out)


def logsumexp(logits: Any, *, axis: int = -1, out: Any = None) -> Any:
    """lse = log sum_k e^z_k along `axis`, which is dropped, in the logits' dtype.

    Also called log-partition function, cumulant, smooth maximum.

    >>> print(f"{logsumexp([1000.0, 1000.0]):.4f}")
    1000.6931
    """
    return _activation("logsumexp", logits, axis, out)
