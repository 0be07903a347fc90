"""Exact sums, read back: a register of 68 digits of 32 bits is one integer multiple of 2^-1074.

The kernels add (src/kernels/accumulator.hpp); here a register becomes a `Fraction`, so every mean, variance and
difference below is formed without rounding and rounded once, at the end.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

DIGITS = 68
_UNIT = 1 << 1074


def value(digits: np.ndarray) -> Fraction:
    """The exact sum that a canonical register holds."""
    low = int.from_bytes(digits[:-1].astype("<u4").tobytes(), "little")
    return Fraction(low + (int(digits[-1]) << (32 * (DIGITS - 1))), _UNIT)


def root(x: Fraction) -> float:
    """Square root of an exact number, without the under- or overflow of first rounding it."""
    if x <= 0:
        return 0.0
    shift = max(0, (x.denominator.bit_length() - x.numerator.bit_length()) // 2 + 64)
    return float(Fraction(math.isqrt((x.numerator << (2 * shift)) // x.denominator), 1 << shift))


def rounded(x: Fraction) -> float:
    """The nearest float64; infinity beyond the largest."""
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf
