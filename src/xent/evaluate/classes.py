"""Which classes there are, what they are called, and which of them a prediction column is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import names
from .faults import BadInput
from .labels import Encoder, distinct
from .sources import Column, Source


@dataclass(frozen=True)
class Request:
    """What the caller said; None where nothing was said."""

    targets: tuple[str, ...] | None = None
    probs: tuple[str, ...] | None = None
    logits: tuple[str, ...] | None = None
    weight: str | None = None  # "none" for no weights
    classes: tuple[str, ...] | None = None
    positive: str | None = None
    kind: str | None = None
    soft: bool | None = None  # the truth is given as probabilities; None: where it turns out to be


def width_of(source: Source, columns: Sequence[str]) -> int | None:
    """How many numbers a row of these columns holds; None when only the rows can say."""
    total = 0
    for name in columns:
        column = source.columns[name]
        if column.kind != "list":
            total += 1
        elif column.width is None:
            return None
        else:
            total += column.width
    return total


def outputs_of(source: Source, outputs: Sequence[str]) -> int:
    """How many numbers a row predicts, reading the first row when the lists are not of fixed size."""
    width = width_of(source, outputs)
    if width is not None:
        return _some(width, outputs[0])
    from .arrow import values

    if not source.replays:
        raise BadInput(f"column `{outputs[0]}`: lists without a fixed size need a table that can be read twice.")
    for batch in source.read(outputs[:1], 1):
        return _some(int(values(batch[outputs[0]], outputs[0], source.name, 0).shape[1]), outputs[0])
    raise BadInput(f"{source.name or 'input'}: there are no rows to score.")


def _some(width: int, column: str) -> int:
    if not width:
        raise BadInput(f"column `{column}` holds no number at all in a row: nothing is predicted.")
    return width


def class_names(source: Source, outputs: list[str], request: Request) -> tuple[tuple[str, ...], bool]:
    """Names of the classes, and whether they come from the caller or from column names rather than from counting."""
    width = outputs_of(source, outputs)
    if request.classes is not None:
        expected = 2 if width == 1 else width
        if len(request.classes) != expected or len(set(request.classes)) != expected:
            raise BadInput(
                f"`classes` must name {expected} different classes, in the order of the predictions; got"
                f" {list(request.classes)}."
            )
        return request.classes, True
    if len(outputs) > 1:
        cut = names.stem(outputs)
        return tuple(name[cut:] for name in outputs), True
    return tuple(str(i) for i in range(max(width, 2))), False


def encoder_of(
    sources: Sequence[Source], request: Request, targets: list[str], outputs: list[str], kind: str,
    named: tuple[tuple[str, ...], bool], seen: list[str] | None,
) -> tuple[Encoder, list[str]]:  # fmt: skip
    classes, known = named
    column = sources[0].columns[targets[0]]
    wide = len(targets) > 1 or column.kind == "list" or kind == "multilabel"
    if request.positive is not None and kind != "binary":
        raise BadInput("`positive` says what a single prediction a row is for; here a row has several.")
    if wide:
        width = width_of(sources[0], targets)
        count = outputs_of(sources[0], outputs)
        if width is not None and width != count:
            raise BadInput(
                f"as many true labels as predictions are needed a row; got {width} and {count}."
                + (" Class ids must be [rows]: drop the extra axis." if width == 1 else "")
            )
        labels = (
            tuple(t[names.stem(targets) :] for t in targets)
            if len(targets) > 1 and request.classes is None
            else classes
        )
        return Encoder(labels if not known or len(targets) > 1 else classes), _wide_note(kind, count)
    if kind == "binary":
        return _binary(sources, request, column)
    if column.kind == "text" and not known:
        seen = seen or distinct(sources, column.name)
        if len(seen) != len(classes):
            raise BadInput(
                f"column `{column.name}` holds {len(seen)} labels ({names.listed(seen, 5)}) and a row predicts"
                f" {len(classes)} classes;"
                " name the classes in the order of the predictions with `classes` (--classes a,b,c)."
            )
        return Encoder(tuple(seen)), [f"classes in sorted order: {', '.join(seen[:6])}" + (" ..." if seen[6:] else "")]
    return Encoder(classes, tuple(outputs) if len(outputs) > 1 else None), _by_position(column, classes, known)


def _by_position(column: Column, classes: tuple[str, ...], known: bool) -> list[str]:
    by_name = sorted(c.lower() for c in classes) == ["false", "true"] if column.kind == "bool" else False
    numbers = column.kind in ("int", "float", "bool") and not by_name
    if known and numbers and not all(c.lstrip("-").isdecimal() for c in classes):
        return [f"label ids count the classes in column order: 0 is {classes[0]}, {len(classes) - 1} is {classes[-1]}"]
    return []


def _wide_note(kind: str, count: int) -> list[str]:
    return [f"{count} labels, each its own yes/no problem"] if kind == "multilabel" and count > 1 else []


def _binary(sources: Sequence[Source], request: Request, column: Column) -> tuple[Encoder, list[str]]:
    if request.classes is not None:
        return Encoder(request.classes), [f"the prediction is for {request.classes[1]}"]
    if request.positive is None and column.kind != "text":
        return Encoder(("0", "1"), binary=True), []
    seen = distinct(sources, column.name)
    if len(seen) > 2:
        raise BadInput(
            f"column `{column.name}` holds {len(seen)} labels ({names.listed(seen, 5)}), but there is one"
            " prediction a row: two classes."
        )
    if request.positive is not None:
        if request.positive not in seen:
            raise BadInput(
                f"`positive` is {request.positive!r}, but column `{column.name}` holds {names.listed(seen)}."
            )
        other = next((s for s in seen if s != request.positive), f"not {request.positive}")
        return Encoder((other, request.positive)), [f"the prediction is for {request.positive}"]
    if len(seen) < 2:
        raise BadInput(
            f"column `{column.name}` holds one label only ({names.listed(seen)}); say what the prediction is for"
            " with `positive` (--positive)."
        )
    return Encoder(tuple(seen)), [
        f"the prediction is taken to be for {seen[1]}, second in sorted order (--positive {seen[0]} for the other)"
    ]
