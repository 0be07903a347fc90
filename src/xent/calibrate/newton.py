"""Minima of convex functions: a safeguarded Newton root in one dimension, damped projected Newton in several.

Both stop where what is left to gain is rounding, far below 1e-9 nats a row; a Newton step gains half its decrement. A
likelihood without a maximum shows in the same two numbers: the gain vanishes while the step keeps moving the logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from .faults import NoFiniteOptimum

Array = Any
Hessian = Any  # a matrix, or a function that multiplies by it together with a preconditioner

STEPS = 100
GAIN = 1e-12  # nats a row; a step that gains less is taken without comparing values, which round
NOTHING = 1e-16  # below it a gain is rounding
MOVES = 0.003  # a last step that moves a logit by this share ends nowhere: it adds 1 to what has grown to 30 or so


SLOW = 0.25  # a step that leaves more of the gain is dearer than a new Hessian, which costs several passes
CHORDS = 60  # steps; with a tenth of the rows' Hessian about 5 are needed


class Objective(Protocol):
    """A convex function of a few parameters."""

    def at(self, x: Array) -> tuple[float, Array, Hessian]:
        """(value, gradient, Hessian)."""
        ...

    def reach(self, x: Array, step: Array) -> float:
        """By which share of 1 + its size a step from x moves any logit; 0 where it is known that an optimum exists."""
        ...


def root(slope: Callable[[float], tuple[float, float]]) -> float:
    """Where an increasing function with slope(0) < 0 and slope(inf) > 0 is 0; `slope` gives value and derivative.

    Newton inside a bracket. Where the derivative has died away, or Newton creeps, a jump: outwards by growing powers of
    2 while there is no bracket, to the geometric middle once there is.
    """
    low, high, x, jump = 0.0, math.inf, 1.0, 2.0
    for trial in range(1, 400):
        first, second = slope(x)
        if first == 0.0:
            return x
        low, high = (x, high) if first < 0 else (low, x)
        step = -first / second if second > 0 else math.inf
        if abs(step) <= 1e-8 * x:  # quadratic: the next error is its square
            return x + step
        if low < x + step < high and (trial % 8 or abs(step) < 1e-3 * x):
            x += step
        elif low == 0.0 or high == math.inf:
            x = x / jump if low == 0.0 else x * jump
            jump = min(jump**2, 2.0**64)
        else:
            x = math.sqrt(low) * math.sqrt(high)
        if not 0.0 < x < math.inf or not low < x < high:
            break
    return x


def direction(hessian: Hessian, gradient: Array, free: Array) -> Array:
    """The Newton step of the free parameters."""
    if callable(hessian):
        return conjugate(hessian, gradient)
    step = np.zeros_like(gradient)
    values, vectors = np.linalg.eigh(hessian[np.ix_(free, free)])
    values = np.maximum(values, 1e-15 * max(values[-1], 1e-300))
    step[free] = -vectors @ ((vectors.T @ gradient[free]) / values)
    return step


def conjugate(hessian: Any, gradient: Array) -> Array:
    """-H^-1 g by preconditioned conjugate gradients, as well as the size of g deserves (Nash 2000, section 5)."""
    x, r = np.zeros_like(gradient), -gradient
    y = hessian.precondition(r)
    d, energy = y, float(np.vdot(r, y))
    wanted = energy * min(1e-2, max(math.sqrt(energy), 1e-6)) ** 2  # beyond that rounding only drifts
    for _ in range(500):
        if energy <= wanted or energy == 0.0:
            break
        h = hessian(d)
        bend = float(np.vdot(d, h))
        if bend <= 0.0:
            break
        x = x + (energy / bend) * d
        r = r - (energy / bend) * h
        y = hessian.precondition(r)
        before, energy = energy, float(np.vdot(r, y))
        d = y + (energy / before) * d
    return x


class Smooth(Protocol):
    """A convex function of which value and gradient come without the Hessian."""

    def slope(self, x: Array) -> tuple[float, Array]: ...
    def curvature(self, x: Array) -> Hessian: ...
    def reach(self, x: Array, step: Array) -> float: ...


def chord(f: Smooth, curvature: Hessian, x: Array, *, renew: bool = True, enough: float = NOTHING) -> Array | None:
    """The minimum of f near x by a Hessian that is only near its own, such as that of other rows.

    Newton's method with one Hessian for many steps (the chord method, Ortega & Rheinboldt 1970, section 7.1), made anew
    where steps shrink too slowly, if `renew`, until a step gains no more than `enough`. None where it does not get
    there, or there may be no minimum.
    """
    solve = inverse(curvature)
    value, gradient = f.slope(x)
    last = math.inf
    for _ in range(CHORDS):
        step = -solve(gradient)
        gain = -0.5 * float(np.vdot(gradient, step))
        if not gain >= 0.0:
            return None
        if gain <= enough:
            return x + step if f.reach(x, step) < MOVES else None
        if gain > SLOW * last and renew:
            solve, last = inverse(f.curvature(x)), math.inf
            continue
        length = 1.0
        while True:
            new = x + length * step
            after, there = f.slope(new)
            if after <= value - 1e-4 * length * gain or gain <= GAIN:
                break
            length /= 2
            if length < 2.0**-10:
                return None
        x, value, gradient, last = new, after, there, gain
    return None


def inverse(hessian: Hessian) -> Callable[[Array], Array]:
    """v -> H^-1 v."""
    if callable(hessian):
        return lambda v: -conjugate(hessian, v)
    size = len(hessian)
    turned = np.linalg.inv(hessian + np.eye(size) * (1e-14 * np.trace(hessian) / size))
    return lambda v: np.asarray(turned @ v)


def minimise(f: Objective, start: Array, lower: Array, fault: Callable[[], NoFiniteOptimum]) -> tuple[Array, float]:
    """(where f is least among x >= lower, its value there); `fault` is raised where f falls for ever.

    Damped Newton on the parameters that are off their bounds or pulled away from them (Bertsekas 1982), Armijo's rule.
    """
    x, settled = start, False
    value, gradient, hessian = f.at(x)
    for _ in range(STEPS):
        free = (x > lower) | (gradient < 0)
        step = direction(hessian, gradient, free)
        gain = -0.5 * float(np.vdot(gradient, step))
        before, settled = settled, gain <= GAIN and f.reach(x, step) < MOVES
        if settled and (before or gain <= NOTHING):
            return x, value
        if gain <= NOTHING:
            raise fault()
        length = 1.0
        while True:
            new = np.maximum(x + length * step, lower)
            after = f.at(new)
            if settled or after[0] <= value + 1e-4 * float(np.vdot(gradient, new - x)):
                break
            length /= 2
            if length < 2.0**-30:  # rounding: nothing better can be told apart from here
                return x, value
        x, (value, gradient, hessian) = new, after
    raise fault()
