"""Problems of every kind with columns of every sort, and states fed with any partition of their rows."""

import dataclasses
import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from xent.evaluate.asked import Asked
from xent.evaluate.behind import Behind
from xent.evaluate.classes import Request
from xent.evaluate.columns import find
from xent.evaluate.door import _state
from xent.evaluate.scoring import _batch
from xent.evaluate.sources import open_sources
from xent.evaluate.state.storage import pack

KINDS = ["binary", "binary logits", "multilabel", "logits", "probs", "soft"]
FURTHER = {"by": ["town", "age", "flag", "price"], "cluster": "town", "time": "day"}


def table(kind, n=300, seed=0, weighted=True):
    """An Arrow table; some rows certain, some wrong, some weightless, some values missing."""
    pa = pytest.importorskip("pyarrow")
    rng = np.random.default_rng(seed)
    columns = {"town": rng.choice(["Bonn", "Köln", "", "X" * 70], n).astype(object), "flag": rng.random(n) > 0.5,
               "age": rng.integers(20, 90, n), "price": rng.normal(size=n) * 100,
               "day": np.datetime64("2024-01-01") + rng.integers(0, 60, n)}  # fmt: skip
    if weighted:
        columns["sample_weight"] = rng.random(n) * (rng.random(n) > 0.05)
    columns["town"][rng.random(n) < 0.1] = None
    columns["price"] = pa.array(columns["price"], mask=rng.random(n) < 0.1)
    if kind.startswith("binary"):
        p = rng.random(n) * (rng.random(n) > 0.02)
        columns["label"] = rng.integers(0, 2, n)
        columns["logit" if "logits" in kind else "prob"] = rng.normal(size=n) * 30 if "logits" in kind else p
    elif kind == "multilabel":
        columns |= {f"y_{k}": rng.integers(0, 2, n) for k in range(3)}
        columns |= {f"p_{k}": rng.random(n) for k in range(3)}
    else:
        z = (rng.normal(size=(n, 4)) * 8).astype(np.float32)
        e = np.exp(z - z.max(1, keepdims=True), dtype=np.float64)
        p = e / e.sum(1, keepdims=True)
        name, x = ("logit", z) if kind == "logits" else ("p", p)
        columns |= {f"{name}_{k}": x[:, k] for k in range(4)}
        q = rng.dirichlet(np.ones(4), n)
        columns |= {f"y_{k}": q[:, k] for k in range(4)} if kind == "soft" else {"label": rng.integers(0, 4, n)}
    return pa.table(columns)


def planned(data, kind, **options):
    """The source, the plan and an empty state."""
    sources, _ = open_sources(data)
    source = dataclasses.replace(sources[0], name="rows.parquet")
    request = Request(kind="multilabel" if kind == "multilabel" else None, soft=True if kind == "soft" else None)
    plan = find([source], request)
    return source, plan, _state([source], plan, Asked(analyse=True, tolerance=1e-5, **options))


def take(state, plan, source, data, bounds):
    """Feed a state with the rows from low to high of each of `bounds`, batch by batch."""
    with Behind() as behind:
        for low, high in bounds:
            batch = {name: data.column(name).combine_chunks()[low:high] for name in data.column_names}
            _batch(state, plan, source, low, batch, behind)


def fed(data, kind, bounds, **options):
    """A state that has seen these rows."""
    source, plan, state = planned(data, kind, **options)
    take(state, plan, source, data, bounds)
    return state.finish()


def judged(data, kind, **options):
    """All rows as the parts of a state get them."""
    source, plan, state = planned(data, kind, **options)
    seen = []
    state.parts = lambda: [("seen", SimpleNamespace(add=seen.append))]
    take(state, plan, source, data, [(0, data.num_rows)])
    return seen[0]


def content(state):
    """All that a state holds, as bytes."""
    told, arrays = pack(state)
    return json.dumps(told), {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()}


def cuts(n, inner):
    """(low, high) of the pieces between inner cuts."""
    at = [0, *sorted(inner), n]
    return [(low, high) for low, high in pairwise(at) if high > low]
