"""Pencil and paper: the arithmetic in float64 from the definition, and how its numbers are written down.

The pages compute everything themselves, so that they are also an independent check of the library; only the
demonstrations of naive formulas compute in float32, because that is where those fail.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

SHOWN = 12  # labels or classes written out; the sums always hold all of them
LOG2 = math.log(2.0)


def softplus(x: float) -> float:
    # log(1 + e^x) = max(x, 0) + log1p(e^-|x|)
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigma(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def times(weight: float, value: float) -> float:
    return weight * value if weight else 0.0  # 0·inf = 0


def entropy(p: Sequence[float]) -> float:
    return math.fsum(-v * math.log(v) for v in p if v > 0) + 0.0


def likelihood(terms: Sequence[tuple[float, float]], events: int) -> list[str]:
    """Return the loss read as a likelihood: weight · nll is -log of probability ^ weight."""
    total = math.fsum(times(weight, nll) for weight, nll in terms)
    factors = [_prob(nll) + ("" if weight == 1.0 else f"^{num(weight)}") for weight, nll in terms[:SHOWN]]
    more = " × …" if len(terms) > SHOWN else ""
    return [
        "5. As likelihood: the probability the forecast gave to what happened",
        *wrap(" × ".join(factors) + more + (f" = {_prob(total)}" if len(terms) > 1 else "")),
        *wrap(f"-log {_prob(total)} = {num(total)}: the same sum. Lowest loss = greatest likelihood."),
        *wrap(f"{num(total / LOG2)} bits would send the truth to someone who holds the forecast;"),
        *wrap(f"perplexity e^{num(total / events)} = {num(_exp(total / events))}: as unsure as among so many equals."),
    ]


def _prob(nll: float) -> str:
    p = math.exp(-nll)
    return num(p) if p or math.isinf(nll) else f"e^-{num(nll)}"  # below the range of float64: left as a power


def _exp(x: float) -> float:
    return math.exp(x) if x < 709.0 else math.inf


def num(x: float) -> str:
    """Write six significant digits, and zero without a sign."""
    return f"{x:.6g}" if x or math.isnan(x) else "0"


def listed(values: Sequence[float]) -> str:
    return f"[{', '.join(num(v) for v in values[:SHOWN])}{', …' if len(values) > SHOWN else ''}]"


def summed(values: Sequence[float]) -> str:
    return " + ".join(num(v) for v in values[:SHOWN]) + (" + …" if len(values) > SHOWN else "")


def row(name: str, *cells: str) -> str:
    """Write one line of a table: right-aligned cells, a space between them whatever they hold."""
    return f"   {name:<{77 - 13 * max(len(cells), 4)}}" + "".join(f"{cell:>13}" for cell in cells)


def wrap(text: str) -> list[str]:
    """Break a line that is longer than 80 columns, and indent what follows."""
    return textwrap.wrap(text, 80, initial_indent=" " * 3, subsequent_indent=" " * 10, break_on_hyphens=False)


def left_out(n: int, what: str) -> list[str]:
    return [f"   … and {n - SHOWN} more {what}, the same way"] if n > SHOWN else []
