"""The definition of both families in float64 NumPy: what every kernel is tested against. Slow and readable.

Exactness comes from never subtracting what was added: `left_out(x)[k]` sums every entry but the k-th, so 1 - p_k,
the nll of the class on top and every gradient entry are sums of terms of one sign wherever the mathematics allows it.
Inputs are taken as valid; the public functions check them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from xent import laws

Array = Any
Shape = tuple[int, ...]


class Outcome(NamedTuple):
    """Everything there is to know about one call. Derivatives are those of `value` (of the sum for "none")."""

    value: Array  # the reduced loss, or the losses
    losses: Array  # one per row (softmax) or element (sigmoid), weighted, not divided
    weight: Array  # effective weights, the shape of `losses`
    gradient: Array
    hessian: Array  # the diagonal
    product: Array  # Hessian times `v`


def left_out(x: Array) -> Array:
    """sum_{j != k} x_j for every k of the last axis, without subtracting."""
    before, after = np.zeros_like(x), np.zeros_like(x)
    np.cumsum(x[..., :-1], -1, out=before[..., 1:])
    np.cumsum(x[..., :0:-1], -1, out=after[..., -2::-1])
    return before + after


def times(a: Array, b: Array) -> Array:
    """a * b with 0 * inf = 0; `a` is the factor that may be an honest zero."""
    a, b = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(b, np.float64))
    return np.where((a == 0) & ~np.isnan(b), 0.0, a * np.where((a == 0) & np.isinf(b), 0.0, b))


def pipeline(z: Array, bias: Array, softcap: float | None, temperature: float) -> tuple[Array, Array, Array]:
    """z' = softcap * tanh((z + bias) / softcap) / temperature, with its first and second derivative."""
    x = z + (0.0 if bias is None else np.asarray(bias, np.float64))
    if softcap is None:
        return x / temperature, np.ones_like(x) / temperature, np.zeros_like(x)
    u = x / softcap
    e = np.exp(-2.0 * np.abs(u))
    sech2 = 4.0 * e / (1.0 + e) ** 2  # 1 - tanh^2, which would cancel
    return softcap * np.tanh(u) / temperature, sech2 / temperature, -2.0 * np.tanh(u) * sech2 / (softcap * temperature)


def reduced(
    losses: Array, weight: Array, positives: float, reduction: str, denominator: Any, empty: str
) -> tuple[Any, float]:
    """(value, scale): the reduced loss and what derivatives of the sum are multiplied with."""
    if reduction == "none":
        return losses, 1.0
    if reduction == "sum":
        return np.sum(losses), 1.0
    if not np.any(weight > 0):
        if empty == "raise":
            raise ValueError("nothing to average")
        return (0.0 if empty == "zero" else np.nan), 0.0
    named = {"weight": np.sum(weight), "count": np.sum(weight > 0), "elements": weight.size, "positives": positives}
    scale = 1.0 / (named[denominator] if isinstance(denominator, str) else denominator)
    return np.sum(losses) * scale, scale


def _ignored(values: Array, ignore_index: Any) -> Array:
    return np.isin(values, np.atleast_1d([] if ignore_index is None else ignore_index).astype(np.float64))


def _rows_weight(shape: Shape, sample_weight: Array, where: Array, ignored: Array) -> Array:
    w = np.ones(shape) if sample_weight is None else np.array(np.broadcast_to(sample_weight, shape), np.float64)
    w[np.asarray(ignored)] = 0.0
    if where is not None:
        w[~np.broadcast_to(where, shape)] = 0.0
    return w


# ---------------------------------------------------------------------------------------------- sigmoid family


def sigmoid_rates(z: Array) -> tuple[Array, Array]:
    """sigma(z) and sigma(-z)."""
    e = np.exp(-np.abs(z))
    big, small = 1.0 / (1.0 + e), e / (1.0 + e)
    return np.where(z < 0, small, big), np.where(z < 0, big, small)


def softplus(z: Array) -> Array:
    """log(1 + e^z)."""
    return np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))


def sigmoid_terms(
    z: Array, positive: Array, negative: Array, law_pos: laws.Law, law_neg: laws.Law
) -> tuple[Array, Array, Array]:
    """Loss, slope and curvature in z of positive * phi+(softplus(-z)) + negative * phi-(softplus(z))."""
    p, q = sigmoid_rates(z)
    cost1, slope1, bend1 = law_pos(softplus(-z))
    cost0, slope0, bend0 = law_neg(softplus(z))
    loss = times(positive, cost1) + times(negative, cost0)
    slope = negative * slope0 * p - positive * slope1 * q
    return loss, slope, positive * q * (bend1 + slope1 * p) + negative * p * (bend0 + slope0 * q)


def _sigmoid_targets(targets: Any, shape: Shape) -> Array:
    if not isinstance(targets, tuple):
        return np.asarray(targets, np.float64)
    ids, probs = np.asarray(targets[0]), np.asarray(targets[1], np.float64)
    t = np.zeros((int(np.prod(shape[:-1])), shape[-1]))
    rows = np.arange(len(t))[:, None]
    np.add.at(t, (rows, ids.reshape(len(t), -1)), probs.reshape(len(t), -1))
    return t.reshape(shape)


def _class_pair(class_weight: Any, ndim: int) -> tuple[Array, Array]:
    """Weights of the classes 0 and 1 of every label."""
    w = np.asarray(1.0 if class_weight is None else class_weight, np.float64)
    if w.ndim == 2 or (w.ndim == 1 and ndim < 2):
        return w[..., 0], w[..., 1]
    return w, w


def sigmoid_cross_entropy(
    logits: Array, targets: Any, *, v: Array = None, sample_weight: Array = None, class_weight: Any = None,
    pos_weight: Any = None, label_smoothing: float = 0.0, prior: Any = None, gamma: Any = 0.0, alpha: Any = None,
    poly: float = 0.0, gce: float = 0.0, bias: Any = None, softcap: float | None = None, temperature: float = 1.0,
    ignore_index: Any = None, where: Array = None, reduction: str = "mean", denominator: Any = "weight",
    empty: str = "zero",
) -> Outcome:  # fmt: skip
    """loss = w * [A t' phi+(softplus(-z')) + B (1 - t') phi-(softplus(z'))], element by element."""
    with np.errstate(all="ignore"):
        z = np.asarray(logits, np.float64)
        raw, v = _sigmoid_targets(targets, z.shape), np.ones_like(z) if v is None else np.asarray(v, np.float64)
        per_row = sample_weight is not None and z.ndim >= 2 and np.shape(sample_weight) == z.shape[:-1]
        where_row = where is not None and z.ndim >= 2 and np.shape(where) == z.shape[:-1]
        sample_weight = np.asarray(sample_weight)[..., None] if per_row else sample_weight
        where = np.asarray(where)[..., None] if where_row else where
        w = _rows_weight(z.shape, sample_weight, where, _ignored(raw, ignore_index))
        t = np.where(w > 0, raw, 0.0)
        w0, w1 = _class_pair(class_weight, z.ndim)
        w = w * ((1.0 - t) * w0 + t * w1)

        at = np.asarray(0.5 if prior is None else prior, np.float64)
        a, b = (1.0, 1.0) if alpha is None else (np.asarray(alpha, np.float64), 1.0 - np.asarray(alpha, np.float64))
        a = a * np.asarray(1.0 if pos_weight is None else pos_weight, np.float64)
        positive = a * ((1.0 - label_smoothing) * t + label_smoothing * at)
        negative = b * ((1.0 - label_smoothing) * (1.0 - t) + label_smoothing * (1.0 - at))

        gammas = gamma if isinstance(gamma, tuple) else (gamma, gamma)
        law_pos, law_neg = (laws.choose(g, poly, gce) for g in gammas)
        x, first, second = pipeline(z, bias, softcap, temperature)
        loss, slope, curve = sigmoid_terms(x, positive, negative, law_pos, law_neg)
        priced = (w > 0) & (positive + negative > 0)
        losses = np.where(priced, w * loss, 0.0)
        gradient = np.where(priced, w * times(first, slope), 0.0)
        hessian = np.where(priced, w * (times(first**2, curve) + times(second, slope)), 0.0)
        positives = max(1.0, float(np.sum(np.where(w > 0, t, 0.0))))
        value, scale = reduced(losses, w, positives, reduction, denominator, empty)
        return Outcome(value, losses, w, scale * gradient, scale * hessian, scale * times(hessian, v))


# ---------------------------------------------------------------------------------------------- softmax family


class Statistics(NamedTuple):
    """Of every row: p, q = 1 - p, nll = -log p for each class, lse, and whether the row has no limit."""

    p: Array
    q: Array
    nll: Array
    lse: Array
    lost: Array


def statistics(z: Array) -> Statistics:
    """Row statistics of logits [N, K]; exactly one +inf is the limit of a class that wins."""
    hot = z == np.inf
    one = hot.sum(-1, keepdims=True) == 1
    y = np.where(one, np.where(hot, 0.0, -np.inf), z)
    m = y.max(-1, keepdims=True)
    lost = np.isnan(z).any(-1, keepdims=True) | np.isinf(m)
    d = y - m
    part = d - y
    low = (y - (d - part)) + (-m - part)  # what rounding took from d (two-sum), given back to exp
    low = np.where(np.isfinite(low), low, 0.0)
    e = np.where(lost, np.nan, np.exp(d) * (1.0 + low))
    top = np.arange(z.shape[-1]) == y.argmax(-1)[..., None]
    rest = np.where(top, 0.0, e).sum(-1, keepdims=True)
    rise = np.log1p(rest)  # lse - m
    lse = np.where(one & ~lost, np.inf, m + rise)
    return Statistics(e / (1 + rest), left_out(e) / (1 + rest), rise - d - low, lse[..., 0], lost[..., 0])


def softmax_terms(z: Array, c: Array, w: Array, z_loss: float, law: laws.Law, v: Array) -> tuple[Array, ...]:
    """Loss [N], gradient, Hessian diagonal and H v [N, K] of sum_k c_k phi(nll_k) + z_loss * w * lse^2."""
    p, q, nll, lse, _ = statistics(z)
    cost, slope, bend = law(nll)
    u, lift, pull = c * slope, (z_loss * w)[..., None], times(z_loss * w, lse)[..., None]
    loss = times(c, cost).sum(-1) + times(z_loss * w, lse**2)
    total, others = u.sum(-1, keepdims=True), left_out(u)
    gradient = p * others - u * q + 2.0 * times(p, pull)

    steep = np.divide(c * bend, q, out=np.zeros_like(q), where=q != 0)  # c * phi''
    hessian = left_out(steep) * p * p + c * bend * q + total * p * q
    hessian = hessian + 2.0 * (lift * p * p + times(p * q, pull))
    beside = left_out(p * v)
    spread = p * (q * v - beside)  # (diag p - p p^T) v
    mean_beside = np.divide(beside, q, out=np.zeros_like(q), where=q != 0)
    a = c * bend * (mean_beside - v)
    product = p * left_out(a) - a * q + total * spread
    product = product + 2.0 * (lift * p * (p * v).sum(-1, keepdims=True) + times(spread, pull))
    return loss, gradient, hessian, product


def matrix(targets: Any, classes: int, axis: int, by_id: bool, ignore_index: Any) -> tuple[Array, Array]:
    """Targets of any kind as class probabilities [N, K], and which rows are ignored."""
    each = np.atleast_1d([] if ignore_index is None else ignore_index).astype(np.float64)
    if not by_id and not isinstance(targets, tuple):
        t = np.moveaxis(np.asarray(targets, np.float64), axis, -1).reshape(-1, classes)
        hit = np.zeros(len(t), bool)
        for i in each:
            hit |= (t == i).all(-1) | (t == (np.arange(classes) == i)).all(-1) & (t.sum(-1) == 1)
        return t, hit
    if by_id:
        ids, probs = np.reshape(targets, (-1, 1)), np.ones((np.size(targets), 1))
    else:
        ids, probs = (np.moveaxis(np.asarray(x), axis, -1) for x in targets)
        ids, probs = ids.reshape(-1, ids.shape[-1]), probs.reshape(-1, ids.shape[-1]).astype(np.float64)
    hit = np.zeros(len(ids), bool)
    for i in each:
        hit |= (ids == i).any(-1) & ((ids == i) | (probs == 0)).all(-1)
    t, known = np.zeros((len(ids), classes)), (ids >= 0) & (ids < classes)
    np.add.at(t, (np.nonzero(known)[0], ids[known].astype(np.int64)), probs[known])
    return t, hit


def softmax_cross_entropy(
    logits: Array, targets: Any, *, axis: int = -1, v: Array = None, sample_weight: Array = None,
    class_weight: Any = None, label_smoothing: float = 0.0, prior: Any = None, gamma: float = 0.0, alpha: Any = None,
    poly: float = 0.0, gce: float = 0.0, z_loss: float = 0.0, bias: Any = None, softcap: float | None = None,
    temperature: float = 1.0, ignore_index: Any = None, where: Array = None, reduction: str = "mean",
    denominator: Any = "weight", empty: str = "zero",
) -> Outcome:  # fmt: skip
    """loss = sum_k t'_k cw_k alpha_k s phi(-log p_k) + z_loss * w * lse^2, row by row."""
    with np.errstate(all="ignore"):
        moved = np.moveaxis(np.asarray(logits, np.float64), axis, -1)
        shape, classes = moved.shape[:-1], moved.shape[-1]
        z = moved.reshape(-1, classes)
        v = np.ones_like(z) if v is None else np.moveaxis(np.asarray(v, np.float64), axis, -1).reshape(z.shape)
        by_id = not isinstance(targets, tuple) and np.ndim(targets) == len(shape)
        t, ignored = matrix(targets, classes, axis, by_id, ignore_index)
        flat = [None if x is None else np.reshape(x, -1) for x in (sample_weight, where)]
        s = _rows_weight((len(z),), flat[0], flat[1], ignored)
        t = np.where(s[:, None] > 0, t, 0.0)
        cw = np.broadcast_to(np.asarray(1.0 if class_weight is None else class_weight, np.float64), (classes,))
        w = s * (t * cw).sum(-1)

        x, first, second = pipeline(z, bias, softcap, temperature)
        at = np.full(classes, 1.0 / classes) if prior is None else np.asarray(prior, np.float64)
        at = np.where((x == -np.inf) & (t == 0), 0.0, at)  # a masked class is not there
        smooth = label_smoothing * (at / at.sum(-1, keepdims=True)) if label_smoothing else 0.0
        c = ((1.0 - label_smoothing) * t + smooth) * cw * np.asarray(1.0 if alpha is None else alpha) * s[:, None]

        loss, g, h, hv = softmax_terms(x, c, w, z_loss, laws.choose(gamma, poly, gce), first * v)
        counts = (w > 0)[:, None]
        gradient = np.where(counts, times(first, g), 0.0)
        hessian = np.where(counts, times(first**2, h) + times(second, g), 0.0)
        product = np.where(counts, times(first, hv) + times(second * v, g), 0.0)
        losses, w = np.where(w > 0, loss, 0.0).reshape(shape), w.reshape(shape)
        value, scale = reduced(losses, w, np.nan, reduction, denominator, empty)
        back = (np.moveaxis(scale * d.reshape(moved.shape), -1, axis) for d in (gradient, hessian, product))
        return Outcome(value, losses, w, *back)


def activation(kind: str, x: Array, axis: int = -1) -> Array:
    """softmax, log_softmax, logsumexp, sigmoid, log_sigmoid in float64."""
    with np.errstate(all="ignore"):
        z = np.asarray(x, np.float64)
        if kind == "sigmoid":
            return sigmoid_rates(z)[0]
        if kind == "log_sigmoid":
            return -softplus(-z)
        s = statistics(np.moveaxis(z, axis, -1).reshape(-1, z.shape[axis]))
        rows = np.moveaxis(z, axis, -1).shape
        if kind == "logsumexp":
            top = z.max(axis)
            return np.where(np.isinf(top), top, s.lse.reshape(rows[:-1]))
        return np.moveaxis((s.p if kind == "softmax" else -s.nll).reshape(rows), -1, axis)
