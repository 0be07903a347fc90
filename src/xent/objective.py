"""Every option of a loss as numbers: frozen, hashable, picklable, validated once.

Numbers live in the record and arrays travel at the call, so a record is a dictionary key, a static argument under a
compiler, a line in a report. What is one number per class may stand here as a tuple of numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Integral, Real
from operator import index
from typing import Any, ClassVar

from xent import laws

PerClass = float | tuple[float, ...] | None
Code = tuple[int, float, float]

REDUCTIONS = ("mean", "sum", "none")
DENOMINATORS = ("weight", "count", "elements", "positives")
EMPTIES = ("zero", "nan", "raise")


def number(name: str, value: Any, rule: str, holds: Callable[[float], bool]) -> float:
    """`value` as a finite float for which the rule holds."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"`{name}` must be {rule}; got {type(value).__name__} {value!r}.")
    held = as_float(value)
    if not (math.isfinite(held) and holds(held)):
        raise ValueError(f"`{name}` must be {rule}; got {show(value)}.")
    return held


def as_float(value: Any) -> float:
    """`value` as a float, infinite where an integer has no float that large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def show(value: Any) -> str:
    """How an error message shows a number."""
    return (
        repr(value) if abs(as_float(value)) < 1e300 or not isinstance(value, Integral) else "an integer beyond float64"
    )


def per_class(name: str, value: Any, rule: str, holds: Callable[[float], bool], nested: bool = False) -> Any:
    """A number, or a tuple of one number per class."""
    if isinstance(value, list):
        value = tuple(tuple(x) if isinstance(x, list) else x for x in value)
    if isinstance(value, tuple):
        if not value:
            raise ValueError(f"`{name}` must be {rule}; got an empty tuple.")
        if nested and all(isinstance(x, tuple) for x in value):
            return tuple(per_class(name, x, rule, holds) for x in value)
        return tuple(number(name, x, rule, holds) for x in value)
    if hasattr(value, "shape") and value.shape != ():
        raise TypeError(
            f"`{name}` lives in the record as a number or a tuple of numbers; got {type(value).__name__} of shape "
            f"{tuple(value.shape)}. Pass the array at the call: `loss(logits, targets, {name}=...)`."
        )
    return number(name, value, rule, holds)


def choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """`value` if it is one of the options."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"`{name}` must be one of {', '.join(map(repr, options))}; got {value!r}.")
    return value


def ignored_of(value: Any) -> Any:
    """None, a number, or a tuple of numbers."""
    if value is None or (isinstance(value, (list, tuple)) and not value):
        return None
    each = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for x in each:
        if isinstance(x, bool) or not isinstance(x, Real) or x != x:
            raise TypeError(f"`ignore_index` must be a number or a tuple of numbers; got {x!r}.")
        if (abs(int(x)) if isinstance(x, Integral) else abs(float(x))) > 2**53:
            raise ValueError(f"`ignore_index` must lie in [-2**53, 2**53], where float64 is exact; got {show(x)}.")
    numbers = tuple(int(x) if isinstance(x, Integral) else float(x) for x in each)
    return numbers if len(numbers) > 1 else numbers[0]


def denominator_of(value: Any, names: tuple[str, ...]) -> str | float:
    if isinstance(value, str):
        return choice("denominator", value, names)
    return number("denominator", value, f"one of {', '.join(names)}, or a number > 0", positive)


def divides(weight: float) -> None:
    """ValueError unless a mean can be divided by this sum of weights."""
    if not (positive(weight) and math.isfinite(weight)):
        raise ValueError(
            "`sample_weight` and `class_weight` must give a sum of weights in [2.3e-308, 1.7e308], whose reciprocal "
            f"float64 holds; got the sum {weight:.9g}. Multiply the weights by a constant."
        )


def nothing_left(size: int) -> str:
    """The message of `empty`="raise"."""
    return f"nothing is left to average: none of {size} losses counts. `empty`='zero' or 'nan' makes that a value."


def axis_of(value: Any) -> int:
    try:
        return index(value)
    except TypeError:
        raise TypeError(f"`axis` must be an integer; got {value!r}.") from None


def positive(x: float) -> bool:
    return x >= 2.0**-1022  # its reciprocal is finite


def at_least_zero(x: float) -> bool:
    return x >= 0


def share(x: float) -> bool:
    return 0 <= x <= 1


def anything(x: float) -> bool:
    return True


@dataclass(frozen=True, kw_only=True, repr=False)
class Objective:
    """The options both families share. Abstract: the families below complete it."""

    class_weight: Any = None
    label_smoothing: float = 0.0
    prior: PerClass = None
    gamma: Any = 0.0
    alpha: PerClass = None
    poly: float = 0.0
    gce: float = 0.0
    bias: PerClass = None
    softcap: float | None = None
    temperature: float = 1.0
    ignore_index: Any = None
    reduction: str = "mean"
    denominator: str | float = "weight"
    empty: str = "zero"

    tables: ClassVar[tuple[str, ...]]  # options that may also come as arrays at the call
    law: ClassVar[Code]
    ignored: ClassVar[tuple[float, ...]]
    memory: ClassVar[dict[Any, Any]]  # what rows.py works out of the numbers, once per record

    def __post_init__(self) -> None:
        put = self._put
        put("label_smoothing", number("label_smoothing", self.label_smoothing, "a number in [0, 1]", share))
        put("poly", number("poly", self.poly, "a finite number (epsilon of poly-1)", anything))
        put("gce", number("gce", self.gce, "a number in [0, 1] (0: plain cross-entropy)", share))
        put("temperature", number("temperature", self.temperature, "a number > 0 (at least 2.3e-308)", positive))
        if self.softcap is not None:
            put("softcap", number("softcap", self.softcap, "None or a number > 0 (at least 2.3e-308)", positive))
        for name, rule, holds in (
            ("class_weight", "finite and >= 0", at_least_zero),
            ("bias", "finite", anything),
        ):
            if getattr(self, name) is not None:
                put(name, per_class(name, getattr(self, name), rule, holds, nested=name == "class_weight"))
        put("ignore_index", ignored_of(self.ignore_index))
        each = self.ignore_index if isinstance(self.ignore_index, tuple) else (self.ignore_index,)
        put("ignored", () if self.ignore_index is None else tuple(map(float, each)))
        choice("reduction", self.reduction, REDUCTIONS)
        choice("empty", self.empty, EMPTIES)
        put("memory", {})

    def _put(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        changed = (f for f in fields(self) if getattr(self, f.name) != f.default)
        return f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in changed)})"

    def text(self) -> str:
        """The record as one line of JSON that `losses.record` reads back: for compilers, which carry strings."""
        if "text" not in self.memory:
            changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
            self.memory["text"] = json.dumps({"kind": type(self).__name__} | changed)
        known: str = self.memory["text"]
        return known

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), {f.name: getattr(self, f.name) for f in fields(self)})


def _rebuild(kind: type[Objective], options: dict[str, Any]) -> Objective:
    return kind(**options)


def _law_code(law_pos: laws.Law, law_neg: laws.Law) -> Code:
    """How the kernels call a law: (kind, a, b)."""
    match law_pos, law_neg:
        case (laws.Poly(epsilon), _):
            return 2, epsilon, 0.0
        case (laws.Generalised(order), _):
            return 3, order, 0.0
        case (laws.Log(), laws.Log()):
            return 0, 0.0, 0.0
    return 1, getattr(law_pos, "gamma", 0.0), getattr(law_neg, "gamma", 0.0)


@dataclass(frozen=True, kw_only=True, repr=False)
class SigmoidObjective(Objective):
    """The options of the sigmoid family."""

    pos_weight: PerClass = None

    tables = ("class_weight", "pos_weight", "alpha", "prior", "bias")

    def __post_init__(self) -> None:
        super().__post_init__()
        rule = "a number >= 0, or a pair (gamma of positives, gamma of negatives)"
        gamma = tuple(self.gamma) if isinstance(self.gamma, (tuple, list)) else (self.gamma, self.gamma)
        if len(gamma) != 2:
            raise ValueError(f"`gamma` must be {rule}; got {self.gamma!r}.")
        gamma = tuple(number("gamma", g, rule, at_least_zero) for g in gamma)
        self._put("gamma", gamma[0] if gamma[0] == gamma[1] else gamma)
        for name, rule, holds in (
            ("pos_weight", "finite and >= 0", at_least_zero),
            ("alpha", "in [0, 1] (positives weigh alpha, negatives 1 - alpha)", share),
            ("prior", "in [0, 1]: the probability that label smoothing moves towards", share),
        ):
            if getattr(self, name) is not None:
                self._put(name, per_class(name, getattr(self, name), rule, holds))
        self._put("denominator", denominator_of(self.denominator, DENOMINATORS))
        self._put("law", _law_code(*(laws.choose(g, self.poly, self.gce) for g in gamma)))
        self.text()  # now, because a compiler reads it and cannot write it


@dataclass(frozen=True, kw_only=True, repr=False)
class SoftmaxObjective(Objective):
    """The options of the softmax family."""

    axis: int = -1
    z_loss: float = 0.0

    tables = ("class_weight", "alpha", "prior", "bias")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._put("axis", axis_of(self.axis))
        if isinstance(self.gamma, (tuple, list)):
            raise TypeError(f"`gamma` must be a number >= 0: only the sigmoid family has a pair; got {self.gamma!r}.")
        self._put("gamma", number("gamma", self.gamma, "a number >= 0", at_least_zero))
        self._put("z_loss", number("z_loss", self.z_loss, "a number >= 0", at_least_zero))
        if self.alpha is not None:
            self._put("alpha", per_class("alpha", self.alpha, "finite and >= 0", at_least_zero))
        if self.prior is not None:
            if not isinstance(self.prior, (tuple, list)) and getattr(self.prior, "shape", ()) == ():
                raise TypeError(f"`prior` must hold one probability per class; got {self.prior!r}.")
            self._put("prior", per_class("prior", self.prior, "in [0, 1], one per class", share))
        if isinstance(self.denominator, str) and self.denominator == "positives":
            raise ValueError(
                "`denominator`='positives' counts positive labels, which only the sigmoid family has; "
                "use 'weight', 'count', 'elements' or a number."
            )
        self._put("denominator", denominator_of(self.denominator, DENOMINATORS[:-1]))
        law = laws.choose(self.gamma, self.poly, self.gce)
        self._put("law", _law_code(law, law))
        self.text()
