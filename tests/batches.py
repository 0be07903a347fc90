"""Batches as the parts of a state get them, straight from arrays; hostile ones; and the law that every part obeys."""

import numpy as np

from xent.evaluate.state.rows import Judged, Problem
from xent.evaluate.tally import Details, Rules, Tally

RULES = Rules(1e-5)


def judged(kind, x, target, weight=None, *, logits, seed=0):
    """(problem, rows): judged by the tally, in random buckets."""
    x = x[:, None] if x.ndim == 1 else x
    rows, width = x.shape
    many = kind == "multilabel"
    details = Details.room(rows, width, multilabel=many)
    tally = Tally.empty(width if many else max(width, 2), multilabel=many, weighted=weight is not None)
    target = np.ascontiguousarray(target, np.int32)
    loss = tally.add(x, target, weight, logits=logits, rules=RULES, details=details)
    assert isinstance(loss, np.ndarray), loss
    bucket = np.random.default_rng(seed).integers(0, 256, rows).astype(np.int32)
    found = Judged(
        x, target, weight, loss, details.entropy, details.variance, details.margin, details.best,
        np.arange(rows, dtype=np.uint64), bucket, logits, {},
    )  # fmt: skip
    classes = tuple(f"c{k}" for k in range(max(width, 2)))
    form = "logits" if logits else "probs"
    return Problem(kind, form, x.dtype.name, classes, width, weight is not None), found


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True), dtype=np.float64)
    return e / e.sum(1, keepdims=True)


def hostile(kind, *, logits, weighted=False, n=400, seed=0):
    """Rows of every size and sharpness: certain, infinite, one ulp apart, subnormal, tied, each several times."""
    rng = np.random.default_rng(seed)
    weight = 2.0 ** rng.integers(-40, 40, n) * (1 + rng.random(n)) if weighted else None
    if kind == "multiclass":
        z = rng.normal(size=(n, 5)) * np.array([1e-9, 1.0, 8.0, 300.0])[rng.integers(0, 4, n)][:, None]
        z[rng.random((n, 5)) < 0.02] = -np.inf
        z[:, 0] = np.where(np.isinf(z).all(1), 0.0, z[:, 0])
        z[n // 2 :, 3] = z[n // 2 :, 1]
        target = rng.integers(0, 5, n)
        if not logits:
            return judged(kind, softmax(z), target, weight, logits=False)
        z[:3] = [[np.inf, 0, 0, 0, -np.inf], [1e300, -1e300, 0, 0, 0], [0.0] * 5]
        return judged(kind, z, target, weight, logits=True)
    shape = (n, 3) if kind == "multilabel" else (n, 1)
    z = (rng.normal(size=shape) * np.array([1e-9, 1.0, 30.0, 1e4])[rng.integers(0, 4, n)][:, None]).round(2)
    edges = np.array([np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 37.0, np.nextafter(37.0, 38)])
    p = 1 / (1 + np.exp(-np.clip(z, -700, 700)))
    sharp = np.array([0.0, 1.0, 0.5, 5e-324, 2e-310, 1 - 2.0**-53, np.nextafter(0.3, 1), 0.3])
    for array, values in ((z, edges), (p, sharp)):
        chosen = rng.random(shape) < 0.2
        array[chosen] = rng.choice(values, int(chosen.sum()))
    target = rng.integers(0, 2, shape)
    return judged(kind, z if logits else p, target if kind == "multilabel" else target[:, 0], weight, logits=logits)


def content(part):
    """All that a part holds, as bytes."""
    told, arrays = part.pack()
    return repr(told), {name: (a.dtype.str, a.shape, np.ascontiguousarray(a).tobytes()) for name, a in arrays.items()}


def fed(part, problem, *batches):
    """A part that has seen these batches."""
    out = part.empty(problem)
    for rows in batches:
        out.add(rows)
    return out


def assert_a_monoid(part, problem, rows, cuts, seed):
    """The same bytes for any partition, order and grouping of the rows, and after a file."""
    n = len(rows.loss)
    order = np.random.default_rng(seed).permutation(n)
    pieces = [rows.take(order[a:b]) for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), n], strict=True)]
    whole = fed(part, problem, rows)
    left = right = part.empty(problem)
    for piece in pieces:
        left = left.merge(fed(part, problem, piece))
    for piece in reversed(pieces):
        right = fed(part, problem, piece).merge(right)
    for other in (left, right, fed(part, problem, *pieces), part.unpack(problem, *whole.pack())):
        assert content(other) == content(whole)
    return whole
