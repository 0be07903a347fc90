"""From exact sums to a mean with its interval, and the test of what the model claims against what it suffers."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from .registers import root, rounded
from .tally import Tally

# Below this share of m^2, a spread is what rounding l^2 to float64 leaves behind (2^-53 a row, a few of them): none.
NO_SPREAD = Fraction(1, 1 << 48)
_LARGEST = Fraction(sys.float_info.max)


@dataclass(frozen=True)
class Interval:
    """A mean, its standard error, and its interval corrected for skewness; None where there is none."""

    standard_error: float | None
    low: float | None
    high: float | None
    skewness: float | None


def interval(tally: Tally, groups: slice, confidence: float) -> Interval:
    r"""Interval of the (weighted) mean loss of some groups.

    With residuals :math:`r_i = w_i (l_i - m)` the standard error is linearised,
    :math:`SE = \sqrt{\sum r_i^2}/\sum w_i`, and the bounds are :math:`m + SE\,(\pm z + g (2 z^2 + 1)/(6 \sqrt n))` with
    :math:`g/\sqrt n = \sum r_i^3 / (\sum r_i^2)^{3/2}` (Johnson, JASA 73, 1978; Hall, JRSS B 54, 1992). None with fewer
    than two rows, when a row is infinite, or when losses are beyond 1e102.
    """
    rows = tally.count("rows", groups)
    if rows < 2 or tally.count("infinite", groups):
        return Interval(None, None, None, None)
    s = {name: tally.total(name, groups) for name in ("w", "w2", "w3", "wl", "w2l", "w2l2", "w3l", "w3l2", "w3l3")}
    if s["w3l3"] >= _LARGEST:  # a power was held at the end of float64 (tally.hpp): its sum says nothing
        return Interval(None, None, None, None)
    m = s["wl"] / s["w"]
    second = s["w2l2"] - 2 * m * s["w2l"] + m * m * s["w2"]
    third = s["w3l3"] - 3 * m * s["w3l2"] + 3 * m * m * s["w3l"] - m**3 * s["w3"]
    if second <= NO_SPREAD * m * m * s["w2"]:
        return Interval(0.0, rounded(m), rounded(m), None)
    error = root(second / (s["w"] * s["w"]))
    tilt = math.copysign(root(third * third / second**3), third)
    z = -NormalDist().inv_cdf((1.0 - confidence) / 2)  # the tail keeps its digits
    centre = float(m) + error * tilt * (2 * z * z + 1) / 6
    effective = math.sqrt(s["w"] * s["w"] / s["w2"])
    return Interval(error, max(0.0, centre - z * error), centre + z * error, tilt * effective)


@dataclass(frozen=True)
class Claim:
    """What the model says it will suffer (its mean entropy) against what it suffers."""

    entropy: float
    gap: float
    z: float | None
    p_value: float | None


def claim(tally: Tally, groups: slice) -> Claim:
    r"""Over- or under-confidence without fitting anything: the score test of temperature at T = 1.

    Under the model's own probabilities a row's loss has mean H (entropy) and variance V (varentropy), so
    :math:`gap = \sum w (l - H) / \sum w` is about 0 and :math:`z = \sum w (l - H) / \sqrt{\sum w^2 V}` about standard
    normal (Rao's score test; the log-loss twin of Spiegelhalter, Stat. Med. 5, 1986). gap > 0: over-confident.
    """
    weight = tally.weight(groups)
    own = tally.total("wh", groups) + tally.total("wh_inf", groups)
    entropy = rounded(own / weight)
    if tally.count("infinite", groups):
        return Claim(entropy, math.inf, math.inf, 0.0)
    excess = tally.total("wl", groups) - own
    variance = tally.total("w2v", groups)
    z = None if not variance else math.copysign(root(excess * excess / variance), excess)
    return Claim(entropy, rounded(excess / weight), z, None if z is None else math.erfc(abs(z) / math.sqrt(2)))


def label_entropy(tally: Tally) -> Fraction | None:
    """Mean entropy of soft labels, the part of the loss that no model can save; None for hard labels."""
    if not tally.soft:
        return None
    return tally.total("wh_label", tally.cells) / tally.weight(tally.cells)


def entropy_of(weights: list[Fraction]) -> float:
    """Entropy of shares: the log loss of the best constant forecast, in nats."""
    whole = sum(weights, Fraction(0))
    shares = [float(w / whole) for w in weights if w]
    return math.fsum(-share * math.log(share) for share in shares) + 0.0
