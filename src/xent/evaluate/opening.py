"""What a caller points at, as sources of rows and a request: files, tables, arrays, or .npy files for each part."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .classes import Request
from .faults import BadInput
from .sources import Source, open_sources


def opened(
    data: Any, given: dict[str, Any], classes: Sequence[Any] | None, positive: Any, kind: str | None
) -> tuple[list[Source], Request, tuple[str, ...]]:
    """The sources, which of their columns were named as what, and what has to be said about finding them."""
    named = class_labels(classes)
    chosen = None if positive is None else label(positive)
    if data is None:
        if _single(given["sample_weight"]) == "none":
            given = {**given, "sample_weight": None}
        _refuse_names(given)
    if data is None and not _npy_paths(given):
        from .arrays import from_arrays

        arrays = {name: value for name, value in given.items() if value is not None}
        if "targets" not in arrays or ("probs" in arrays) == ("logits" in arrays):
            raise BadInput("give `data`, or arrays: `targets` with one of `probs` and `logits`.")
        columns = {name: (name,) for name in arrays}
        weighed = "sample_weight" if "sample_weight" in arrays else "none"
        request = Request(columns["targets"], columns.get("probs"), columns.get("logits"), weighed, named, chosen, kind)
        return [from_arrays(arrays)], request, ()
    if data is None:
        return _open_npy(given, Request(None, None, None, None, named, chosen, kind))
    names = {name: None if value is None else column_names(name, value) for name, value in given.items()}
    weight = names["sample_weight"]
    request = Request(
        names["targets"], names["probs"], names["logits"], weight[0] if weight else None, named, chosen, kind
    )
    sources, notes = open_sources(data)
    return sources, request, notes


def _refuse_names(given: dict[str, Any]) -> None:
    """Without `data` there is no table in which a name could be looked up."""
    for name, value in given.items():
        bare = isinstance(value, (str, os.PathLike)) or (name in ("probs", "logits") and _single(value))
        if bare and not _npy_paths(given):
            raise BadInput(
                f"`{name}` is {_single(value)!r}, but there is no `data` with such a column; without `data` give"
                " arrays, or a .npy file for each."
            )


def _npy_paths(given: dict[str, Any]) -> bool:
    """Whether arrays are given as .npy files, one for each."""
    paths = [v for v in given.values() if v is not None]
    return bool(paths) and all(_single(v) and str(_single(v)).lower().endswith(".npy") for v in paths)


def _single(value: Any) -> str | None:
    if isinstance(value, (list, tuple)) and len(value) == 1:
        value = value[0]
    return os.fspath(value) if isinstance(value, (str, os.PathLike)) else None


def _open_npy(given: dict[str, Any], request: Request) -> tuple[list[Source], Request, tuple[str, ...]]:
    """Arrays in .npy files of their own: each becomes a column named after its part."""
    from pathlib import Path

    from .arrays import joined

    paths = {name: Path(str(_single(value))) for name, value in given.items() if value is not None}
    if "targets" not in paths or ("probs" in paths) == ("logits" in paths):
        raise BadInput("give .npy files for `targets` and for one of `probs` and `logits`.")
    source = joined(paths)
    form = {"probs": ("probs",)} if "probs" in paths else {"logits": ("logits",)}
    weight = "sample_weight" if "sample_weight" in paths else "none"
    request = Request(
        ("targets",), form.get("probs"), form.get("logits"), weight, request.classes, request.positive, request.kind
    )
    return [source], request, ()


def column_names(argument: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        return tuple(value)
    raise BadInput(f"`{argument}` must be a column name or several, since `data` is given; got {type(value).__name__}.")


def class_labels(classes: Any) -> tuple[str, ...] | None:
    """The names of `classes`, None where none are given."""
    if isinstance(classes, str) or not isinstance(classes, (Iterable, type(None))):
        raise BadInput(f"`classes` must be a list of names; got {classes!r}.")
    return None if classes is None else tuple(label(c) for c in classes)


def label(value: Any) -> str:
    """A class name as labels of a column are called: 1 and 1.0 and True are "1"."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def file_paths(sources: Sequence[Source], given: dict[str, Any]) -> list[str]:
    """The files behind sources, each once."""
    if any(source.name for source in sources) and _npy_paths(given):
        return list(dict.fromkeys(str(_single(v)) for v in given.values() if v is not None))
    return list(dict.fromkeys(source.name for source in sources if source.name))
