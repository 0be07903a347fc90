"""The softmax family: loss = s sum_k c_k phi(nll_k) + z_loss w lse^2, row by row, with the class axis last."""

from __future__ import annotations

from typing import Any, NamedTuple

from xent import laws, tables
from xent.objective import SoftmaxObjective
from xent.portable import targets as kinds
from xent.portable.mean import Weighed, scale_of
from xent.portable.ops import Array, Ops
from xent.portable.options import column, piped, softmax_tables, through
from xent.portable.rules import others, priced, rules, times
from xent.rows.shapes import class_axis


class Rows(NamedTuple):
    """Logits, targets and weights, row by row; nothing that does not count can make a NaN."""

    axis: int
    logits: Array  # [..., K] before the pipe
    z: Array  # after it
    bias: Array | None
    ids: Array | None  # one class per row, or
    rates: Array  # c: one factor per row with ids (None: 1), else one per class
    mass: Any  # sum_k t_k class_weight_k
    share: Array  # s: 0 where nothing counts, NaN where the input was bad
    weighed: Weighed


def read(ops: Ops, record: SoftmaxObjective, logits: Array, targets: Any, arrays: dict[str, Any]) -> Rows:
    """The arrays of a call, checked and masked."""
    sample_weight, where, given = tables.given(record, arrays)
    kinds.floating(ops, "logits", logits)
    full = tuple(logits.shape)
    axis = class_axis(record.axis, full)
    z = ops.compute(ops.moveaxis(logits, axis, -1))
    class_loss, class_weight, prior = softmax_tables(ops, record, given, full[axis], z)
    bias = column(ops, record, given, "bias", full[axis], "class", z)
    s = kinds.known(ops, sample_weight, where, tuple(z.shape[:-1]), z[..., 0], kinds.per_row)
    ids, t, s = kinds.classes(ops, targets, record.ignored, s, axis, z, full)

    mass = mass_of(ops, ids, t, class_weight, s)
    w = s * mass
    plain = t is None and class_weight is None and sample_weight is None and where is None and not record.ignored
    if not plain:
        z = tame(ops, w == 0, z)
    x = piped(ops, record, bias, z)
    if not plain and x is not z:
        x = tame(ops, w == 0, x)
    if record.label_smoothing:
        t = smoothed(ops, record, ops.one_hot(ids, full[axis], z) if t is None else t, x, prior)
        ids, s = None, ops.where((mass == 0) & ~ops.isnan(s), 0.0, s)
    if ids is not None:
        rates = None if class_loss is None else of_class(ops, class_loss, ids)
    else:
        rates = t if class_loss is None else t * class_loss
    return Rows(axis, z, x, bias, ids, rates, mass, s, Weighed(w, plain, None))


def mass_of(ops: Ops, ids: Array | None, t: Array | None, class_weight: Array | None, s: Array) -> Array:
    """sum_k t_k class_weight_k of every row."""
    if t is not None:
        return ops.sum(t if class_weight is None else t * class_weight, -1)
    return ops.ones_like(s) if class_weight is None else of_class(ops, class_weight, ids)


def of_class(ops: Ops, table: Array, ids: Array) -> Array:
    """The table's number of each class id."""
    return ops.reshape(ops.take_along_axis(table, ops.reshape(ids, (-1,)), 0), tuple(ids.shape))


def tame(ops: Ops, silent: Array, z: Array) -> Array:
    """Logits with 0 in silent rows that have no softmax; where they have one, weights of 0 keep their derivative."""
    return ops.where((silent & ~ops.isfinite(ops.max(z, -1)))[..., None], 0.0, z)


def smoothed(ops: Ops, record: SoftmaxObjective, t: Array, x: Array, prior: Array | None) -> Array:
    """(1 - eps) t + eps prior, the prior renormalised over the classes that are there."""
    masked = (x == -float("inf")) & (t == 0)
    at = ops.where(masked, 0.0, ops.ones_like(x) if prior is None else prior)
    total = ops.sum(at, -1, keepdims=True)
    return (1.0 - record.label_smoothing) * t + at * (record.label_smoothing / total)


def law_of(record: SoftmaxObjective) -> laws.Law:
    return laws.choose(record.gamma, record.poly, record.gce)


def losses(ops: Ops, record: SoftmaxObjective, rows: Rows) -> Array:
    """One loss per row."""
    nll, law = rules(ops).nll(rows.z), law_of(record)
    if rows.ids is None:
        total = ops.sum(priced(ops, rows.rates, nll, law), -1)
    else:
        total = priced(ops, rows.rates, ops.take_along_axis(nll, rows.ids[..., None], -1)[..., 0], law)
    if record.z_loss:
        lse = rules(ops).lse(rows.z)
        total = total + times(ops, record.z_loss * rows.mass, lse * lse)
    return times(ops, rows.share, total)


def grad_and_hess(ops: Ops, record: SoftmaxObjective, rows: Rows) -> tuple[Array, Array]:
    """Derivatives of the value in the logits, the diagonal of the second, in closed form."""
    z, (p, q), nll = rows.z, rules(ops).shares(rows.z), rules(ops).nll(rows.z)
    _, slope, bend = law_of(record).terms(ops, nll)
    weight = rows.share / scale_of(ops, record, rows.weighed).divisor
    rates = rows.rates
    if rows.ids is not None:
        rates = ops.one_hot(rows.ids, z.shape[-1], z) * (1.0 if rates is None else rates[..., None])
    u, b = rates * slope, rates * bend
    beside, total = others(ops, z, u), ops.sum(u, -1, keepdims=True)
    gradient = p * beside - u * q
    steep = ops.where(q != 0, b / ops.where(q != 0, q, 1.0), 0.0)  # c phi''
    hessian = others(ops, z, steep) * p * p + b * q + total * p * q
    if record.z_loss:
        lift = (record.z_loss * rows.mass)[..., None]
        pull = times(ops, lift, rules(ops).lse(z)[..., None])
        gradient = gradient + 2.0 * times(ops, p, pull)
        hessian = hessian + 2.0 * (lift * p * p + times(ops, p * q, pull))
    pair = through(ops, record, rows.bias, rows.logits, gradient, hessian)
    silent = (weight == 0)[..., None]
    one, two = (ops.moveaxis(ops.where(silent, 0.0, weight[..., None] * d), -1, rows.axis) for d in pair)
    return one, two
