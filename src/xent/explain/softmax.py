"""The page of the softmax family: the logits compete for one class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xent.explain.paper import (
    LOG2,
    SHOWN,
    entropy,
    left_out,
    likelihood,
    listed,
    num,
    row,
    summed,
    times,
    wrap,
)


@dataclass(frozen=True)
class _Row:
    """One row of logits: e^(z-m), its sums with every class left out in turn, p and -log p."""

    e: list[float]
    others: list[float]
    p: list[float]
    nll: list[float]

    @classmethod
    def of(cls, z: Sequence[float]) -> _Row:
        m = max(z)
        e = [1.0 if v == m else math.exp(v - m) for v in z]
        others = [math.fsum(e[:k] + e[k + 1 :]) for k in range(len(z))]
        # the term is left out of its own sum: log1p keeps the digits of a small loss, lse - z would not
        nll = [math.log1p(others[k]) if v == m else (m - v) + math.log(math.fsum(e)) for k, v in enumerate(z)]
        return cls(e, others, [v / math.fsum(e) for v in e], nll)

    def loss(self, t: Sequence[float]) -> float:
        return math.fsum(times(a, b) for a, b in zip(t, self.nll, strict=True))

    def slope(self, k: int, t: float) -> float:
        return -self.others[k] / math.fsum(self.e) if t == 1 else self.p[k] - t  # never p - 1


def softmax_page(z: Sequence[float], t: Sequence[float]) -> list[str]:
    of = _Row.of(z)
    return [
        "Softmax cross-entropy: the logits compete for one class.",
        "",
        *wrap(f"logits   z = {listed(z)}"),
        *wrap(f"targets  t = {listed(t)}"),
        "",
        "1. The formula",
        "   p_k = e^z_k / Σ_j e^z_j                  all probabilities sum to 1",
        "   loss = -Σ_k t_k·log p_k                  for a class id y: -log p_y",
        "   d loss/dz_k = p_k - t_k",
        "",
        *_steps(z, of),
        "",
        *_total(z, t, of),
        "",
        *_information(t, of),
        "",
        *likelihood([(a, b) for a, b in zip(t, of.nll, strict=True) if a], 1),
        "",
        *_naive(z, t),
    ]


def _steps(z: Sequence[float], of: _Row) -> list[str]:
    m, mass = max(z), math.fsum(of.e)
    shifted = [0.0 if v == m else v - m for v in z]
    table = list(zip(z, shifted, of.e, of.p, of.nll, strict=True))
    return [
        "2. Step by step",
        f"   Subtract the largest logit, m = {num(m)}: p stays as it is, no e^ overflows.",
        row("class", "z", "z - m", "e^(z-m)", "p", "-log p"),
        *(row(str(k), *map(num, numbers)) for k, numbers in enumerate(table[:SHOWN])),
        *left_out(len(z), "classes"),
        *wrap(f"Σ e^(z-m) = {num(mass)};  lse = m + log Σ = {num(m + math.log(mass))};  -log p = lse - z"),
    ]


def _total(z: Sequence[float], t: Sequence[float], of: _Row) -> list[str]:
    loss, y = of.loss(t), max(range(len(t)), key=t.__getitem__)
    size = f"{num(loss)} nats = {num(loss / LOG2)} bits"
    if t[y] == 1.0:
        page = [f"   loss = -log p_{y} = {size}"]
        if z[y] == max(z):
            page += [f"        = log(1 + {num(of.others[y])}): the other classes alone, so small losses stay exact"]
        else:
            page += [f"        = (m - z_{y}) + log Σ = {num(max(z) - z[y])} + {num(math.log(math.fsum(of.e)))}"]
    else:
        page = wrap(f"loss = {summed([times(a, b) for a, b in zip(t, of.nll, strict=True) if a])} = {size}")
    slopes = [of.slope(k, share) for k, share in enumerate(t)]
    return ["3. The loss", *page, *wrap(f"gradient = p - t = {listed(slopes)}, which sums to 0")]


def _information(t: Sequence[float], of: _Row) -> list[str]:
    known, loss = entropy(t), of.loss(t)
    return [
        "4. As information: H(t,p) = H(t) + KL(t||p)",
        f"   H(t)      = {num(known):<12} what nobody could have known",
        f"   KL(t||p)  = {num(max(loss - known, 0.0)):<12} what this forecast adds to it",
        f"   H(t,p)    = {num(loss):<12} the loss: their sum",
        f"   H(p)      = {num(of.loss(of.p)):<12} the loss that the forecast itself expects",
        f"   log K     = {num(math.log(len(t))):<12} the loss of knowing nothing, K = {len(t)}",
    ]


def _naive_formula(z: Sequence[float], y: int) -> tuple[float, float]:
    with np.errstate(all="ignore"):
        e = np.exp(np.asarray(z, np.float32))
        p = e / e.sum()
        return float(-np.log(p[y])), float(p[y] - np.float32(1))


def _naive(z: Sequence[float], t: Sequence[float]) -> list[str]:
    y = max(range(len(t)), key=t.__getitem__)

    def ahead(margin: float) -> list[float]:
        return [margin if k == y else 0.0 for k in range(len(z))]

    cases = {
        "these": z,
        "these + 100": [v + 100.0 for v in z],
        "y 20 ahead": ahead(20.0),
        "y 110 behind": ahead(-110.0),
    }
    page = [
        "6. How the naive formula fails",
        f"   exp(z)/sum(exp(z)), then -log p_y and p_y - 1, in float32, for class y = {y}:",
        row("logits", "loss", "naive", "gradient", "naive"),
    ]
    for name, logits in cases.items():
        of, (loss, slope) = _Row.of(logits), _naive_formula(logits, y)
        page.append(row(name, num(of.nll[y]), num(loss), num(of.slope(y, 1.0)), num(slope)))
    return [
        *page,
        "   exp overflows above 88.7, so a mere shift turns the loss into nan; a p close",
        "   to 1 rounds to 1, and loss and gradient vanish; a p below 1e-45 is 0 and its",
        "   log infinite. With m and the sum over the others every digit survives.",
    ]
