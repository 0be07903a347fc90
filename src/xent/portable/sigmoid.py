"""The sigmoid family: loss = w [P phi+(softplus(-z')) + Q phi-(softplus(z'))], every element its own."""

from __future__ import annotations

from typing import Any, NamedTuple

from xent import laws, tables
from xent.objective import SigmoidObjective
from xent.portable.mean import Weighed, scale_of
from xent.portable.ops import Array, Ops
from xent.portable.options import blend, column, piped, sigmoid_table, through
from xent.portable.rules import priced, rules, times
from xent.portable.targets import floating, known
from xent.portable.targets import labels as targets_of
from xent.rows.shapes import weight_axes


class Elements(NamedTuple):
    """Logits, targets and weights, element by element; nothing that does not count can make a NaN."""

    logits: Array  # before the pipe
    z: Array  # after it
    bias: Array | None
    positive: Array  # P
    negative: Array  # Q
    weight: Array  # w: 0 where nothing counts, NaN where the input was bad
    weighed: Weighed


def read(ops: Ops, record: SigmoidObjective, logits: Array, targets: Any, arrays: dict[str, Any]) -> Elements:
    """The arrays of a call, checked and masked."""
    sample_weight, where, given = tables.given(record, arrays)
    floating(ops, "logits", logits)
    shape, z = tuple(logits.shape), ops.compute(logits)
    labels, single = (shape[-1], False) if len(shape) > 1 else (1, True)
    table, unequal = sigmoid_table(ops, record, given, labels, single, z)
    bias = column(ops, record, given, "bias", labels, "label", z)
    if not shape:  # one logit alone has no label axis, and neither have its options
        table, bias = [x.reshape(()) for x in table], bias if bias is None else ops.reshape(bias, ())
    s = known(ops, sample_weight, where, shape, z, weight_axes)
    t, s = targets_of(ops, targets, record.ignored, s, z)
    w = s * blend(ops, t, table[4], table[5])
    positive, negative = blend(ops, t, table[0], table[1]), blend(ops, t, table[2], table[3])

    silent = (w == 0) | ((positive == 0) & (negative == 0))
    z = ops.where(silent & ~ops.isfinite(z), 0.0, z)
    x = piped(ops, record, bias, z)
    plain = sample_weight is None and where is None and not unequal and not record.ignored
    weighed = Weighed(w, plain, t)
    return Elements(z, ops.where(silent & ~ops.isfinite(x), 0.0, x), bias, positive, negative, w, weighed)


def law_pair(record: SigmoidObjective) -> tuple[laws.Law, laws.Law]:
    """The laws of positives and negatives."""
    gammas = record.gamma if isinstance(record.gamma, tuple) else (record.gamma, record.gamma)
    first, second = (laws.choose(gamma, record.poly, record.gce) for gamma in gammas)
    return first, second


def losses(ops: Ops, record: SigmoidObjective, e: Elements) -> Array:
    """One loss per element."""
    r, total = rules(ops), 0.0
    for rate, nll, law in zip(
        (e.positive, e.negative), (r.softplus(-e.z), r.softplus(e.z)), law_pair(record), strict=True
    ):
        total = total + priced(ops, rate, nll, law)
    return times(ops, e.weight, total)


def grad_and_hess(ops: Ops, record: SigmoidObjective, e: Elements) -> tuple[Array, Array]:
    """Derivatives of the value in the logits, in closed form."""
    r, (law1, law0) = rules(ops), law_pair(record)
    p, q = r.sigma(e.z), r.sigma(-e.z)
    _, slope1, bend1 = law1.terms(ops, r.softplus(-e.z))
    _, slope0, bend0 = law0.terms(ops, r.softplus(e.z))
    slope = e.negative * slope0 * p - e.positive * slope1 * q
    curve = e.positive * q * (bend1 + slope1 * p) + e.negative * p * (bend0 + slope0 * q)
    weight = e.weight / scale_of(ops, record, e.weighed).divisor
    pair = through(ops, record, e.bias, e.logits, slope, curve)
    one, two = (ops.where(weight == 0, 0.0, weight * d) for d in pair)
    return one, two
