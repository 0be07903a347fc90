"""The page of the sigmoid family: every logit is a yes-or-no question of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
    sigma,
    softplus,
    summed,
    times,
    wrap,
)


def sigmoid_page(z: Sequence[float], t: Sequence[float]) -> list[str]:
    losses = [_loss(a, b) for a, b in zip(z, t, strict=True)]
    page = [
        "Sigmoid cross-entropy: every logit is a yes-or-no question of its own.",
        "",
        *wrap(f"logits   z = {listed(z)}"),
        *wrap(f"targets  t = {listed(t)}"),
        "",
        "1. The formula",
        "   p = σ(z) = 1/(1 + e^-z)                  the probability of 'yes'",
        "   loss = -[t·log p + (1-t)·log(1-p)]       the surprise at the truth, in nats",
        "        = t·softplus(-z) + (1-t)·softplus(z),   softplus(x) = log(1 + e^x)",
        "   d loss/dz = σ(z) - t                     t=1: -σ(-z);   t=0: σ(z)",
        "",
        "2. Step by step",
    ]
    for a, b in list(zip(z, t, strict=True))[:SHOWN]:
        page += _step(a, b)
    page += [*left_out(len(z), "labels"), ""]
    page += [*_total(losses, [_slope(a, b) for a, b in zip(z, t, strict=True)]), ""]
    page += [*_information(z, t, losses), ""]
    page += [*likelihood([(1.0, loss) for loss in losses], len(losses)), ""]
    return page + _naive(z, t)


def _loss(z: float, t: float) -> float:
    return times(t, softplus(-z)) + times(1 - t, softplus(z))


def _slope(z: float, t: float) -> float:
    return -sigma(-z) if t == 1 else sigma(z) - t  # never σ(z) - 1: its digits would be gone


def _step(z: float, t: float) -> list[str]:
    e, p, loss, slope = math.exp(-abs(z)), sigma(z), _loss(z, t), _slope(z, t)
    top, power = ("1", f"e^-{num(z)}") if z >= 0 else (num(e), f"e^{num(z)}")
    first = f"{'1' if z >= 0 else power}/(1 + {power})"
    page = wrap(f"z = {num(z)}, t = {num(t)}:  p = {first} = {top}/(1 + {num(e)}) = {num(p)}")
    if 0 < t < 1:
        page += wrap(
            f"   loss = {num(t)}·{num(softplus(-z))} + {num(1 - t)}·{num(softplus(z))} = {num(loss)}, "
            f"gradient = {num(p)} - {num(t)} = {num(slope)}"
        )
        return page
    x, sign = (-z, "-") if t else (z, "")
    large = f"{num(x)} + " if x > 0 else ""
    page += [f"      loss = softplus({num(x)}) = {large}log(1 + {num(e)}) = {num(loss)}"]
    return [*page, f"      gradient = {sign}σ({num(x)}) = {num(slope)}"]


def _total(losses: Sequence[float], slopes: Sequence[float]) -> list[str]:
    total, n = math.fsum(losses), len(losses)
    return [
        "3. The loss",
        *wrap(f"sum  = {summed(losses)}" + (f" = {num(total)}" if n > 1 else "")),
        *wrap(f"mean = {num(total)} / {n} = {num(total / n)} nats = {num(total / n / LOG2)} bits"),
        *wrap(f"gradient of the sum  = {listed(slopes)}"),
        *wrap(f"gradient of the mean = {listed([g / n for g in slopes])}, divided by {n}"),
    ]


def _information(z: Sequence[float], t: Sequence[float], losses: Sequence[float]) -> list[str]:
    rows = []
    for a, b, loss in zip(z, t, losses, strict=True):
        own = times(sigma(a), softplus(-a)) + times(sigma(-a), softplus(a))
        known = entropy([b, 1 - b])
        rows.append((known, max(loss - known, 0.0), loss, own))
    means = [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
    return [
        "4. As information: H(t,p) = H(t) + KL(t||p), label by label",
        "   H(t): what nobody could have known.  KL: what this forecast adds to it.",
        "   H(p): the loss that the forecast itself expects.",
        row("label", "H(t)", "KL(t||p)", "H(t,p)", "H(p)"),
        *(row(str(i), *map(num, numbers)) for i, numbers in enumerate(rows[:SHOWN])),
        *left_out(len(rows), "labels"),
        row("mean", *map(num, means)),
    ]


def _naive_formula(z: float, t: float) -> tuple[float, float]:
    one, x, y = np.float32(1), np.float32(z), np.float32(t)
    with np.errstate(all="ignore"):
        p = one / (one + np.exp(-x))
        return float(-(y * np.log(p) + (one - y) * np.log(one - p))), float(p - y)


def _naive(z: Sequence[float], t: Sequence[float]) -> list[str]:
    widest = max(range(len(z)), key=lambda i: abs(z[i]))
    page = [
        "6. How the naive formula fails",
        "   p = 1/(1 + exp(-z)), then -[t·log p + (1-t)·log(1-p)] and p - t, in float32;",
        "   first at the largest logit from above, then further out:",
        row("z, t", "loss", "naive", "gradient", "naive"),
    ]
    for a, b in [(z[widest], t[widest]), (17.0, 1.0), (40.0, 1.0), (-104.0, 1.0)]:
        loss, slope = _naive_formula(a, b)
        page.append(row(f"{num(a)}, {num(b)}", num(_loss(a, b)), num(loss), num(_slope(a, b)), num(slope)))
    return [
        *page,
        "   From z = 17 on p rounds to 1: 0·log 0 is nan, and a gradient of 0 teaches",
        "   nothing. At z = -104 p is 0 and the loss infinite, though it is just 104.",
        "   With softplus every digit survives, and xent computes it that way.",
    ]
