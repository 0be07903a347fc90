"""What numbers, moments and ranges of them are called in a report."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

_EPOCH = datetime.datetime(1970, 1, 1)
_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")
_SHORT = 10_000  # whole numbers below it are not rounded
_LEAST, _ENOUGH = 3, 17  # significant digits of a number: to begin with, and to tell any two apart


def value_labels(values: Sequence[float], moment: bool = False) -> list[str]:
    """Names of different numbers (moment: microseconds since 1970): as short as tells them apart, or whole."""
    if moment:
        return _apart(values, [partial(_moment, form=form) for form in _FORMS])
    if all(abs(v) < 2.0**53 and v == int(v) for v in values):
        return [str(int(v)) for v in values]
    return _apart(values, _ROUNDED)


def bin_labels(edges: Sequence[float], moment: bool = False) -> list[str]:
    """Names of the bins between inner edges (each the least of the bin above): "below 30", "30 to 45", "45 or more"."""
    if not len(edges):
        return ["all"]
    said = value_labels(edges, True) if moment else _apart(edges, _ROUNDED)
    inner = [f"{low} to {high}" for low, high in pairwise(said)]
    return [f"below {said[0]}", *inner, f"{said[-1]} or more"]


def _apart(values: Sequence[float], forms: Sequence[Callable[[float], str]]) -> list[str]:
    for form in forms:
        said = [form(v) for v in values]
        if len(set(said)) == len(said):
            break
    return said


def _number(value: float, digits: int) -> str:
    if abs(value) < _SHORT and value == int(value):
        return str(int(value))
    return f"{float(f'{value:.{digits}g}'):.15g}" if digits < 15 else repr(value)


_ROUNDED = [partial(_number, digits=n) for n in range(_LEAST, _ENOUGH + 1)]


def _moment(value: float, form: str) -> str:
    try:
        return (_EPOCH + datetime.timedelta(microseconds=int(value))).strftime(form)
    except (OverflowError, ValueError):  # beyond the years 1 to 9999
        return _number(value / 1e6, _ENOUGH) + " s"
