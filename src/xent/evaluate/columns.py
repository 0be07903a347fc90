"""Which columns hold what: decided once, before any row is read, and said aloud. What could mean two things is an error.

The acting code (scoring.py) then follows a `Plan` without deciding anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Plan:
    """What each row is read from and how."""

    targets: tuple[str, ...]
    outputs: tuple[str, ...]
    form: str  # probs | logits
    kind: str  # binary | multiclass | multilabel
    weight: str | None
    encoder: Encoder
    dtype: str
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        return self.encoder.names

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.targets, *self.outputs, *((self.weight,) if self.weight else ()))


def find(sources: Sequence[Source], request: Request) -> Plan:
    """The plan for these sources, or an error that shows the choice."""
    first = sources[0]
    if request.kind not in (None, "binary", "multiclass", "multilabel"):
        raise BadInput(f"`kind` must be binary, multiclass or multilabel; got {request.kind!r}.")
    weight, notes = _weight(first, request)
    targets = _targets(first, request, weight)
    form, outputs, seen = _outputs(sources, request, targets, weight)
    kind = _kind(first, request, targets, outputs)
    dtype = _dtype(first, outputs)
    names_of = _class_names(first, outputs, request)
    encoder, more = _encoder(sources, request, targets, outputs, kind, names_of, seen)
    _agree(sources, targets, outputs, weight)
    if kind == "multilabel" and len(targets) > 1 and request.targets is None:
        outputs = _paired(targets, outputs)
    said = _said(first, request, targets, outputs, form, weight)
    return Plan(tuple(targets), tuple(outputs), form, kind, weight, encoder, dtype, (*said, *notes, *more))


def _weight(source: Source, request: Request) -> tuple[str | None, list[str]]:
    if request.weight == "none":
        return None, []
    if request.weight is not None:
        found = names.expand([request.weight], source.columns, "sample_weight", source.name)
        if len(found) > 1:
            raise BadInput(f"`sample_weight` must name one column; {request.weight!r} means {names.listed(found)}.")
        return found[0], []
    found = names.among(source.columns.values(), names.WEIGHTS)
    if len(found) > 1:
        raise BadInput(f"several columns could be the weights: {names.listed(found)}; choose with `sample_weight` (--weight).")
    if found:
        return found[0], []
    maybe = names.among(source.columns.values(), names.MAYBE_WEIGHTS)
    return None, [f"column `{name}` is not used; --weight {name} would weigh the rows by it" for name in maybe]


def _targets(source: Source, request: Request, weight: str | None) -> list[str]:
    columns = source.columns
    if request.targets is not None:
        return names.expand(request.targets, columns, "targets", source.name)
    usable = [c for c in columns.values() if c.name != weight]
    single = names.among(usable, names.TARGETS)
    groups = names.groups([c for c in usable if c.kind in ("int", "bool")], names.TARGET_PREFIX)
    choices = [[name] for name in single] + groups
    if len(choices) == 1:
        return choices[0]
    where = f"{source.name}: " if source.name else ""
    if not choices:
        raise BadInput(
            f"{where}no column is obviously the true label (looked for {', '.join(names.TARGETS[:8])}, ...); choose with"
            f" `targets` (--target). Columns: {names.listed(columns)}."
        )
    shown = " or ".join(names.listed(choice, 3) for choice in choices)
    raise BadInput(f"{where}several columns could be the true label: {shown}; choose with `targets` (--target).")


def _outputs(
    sources: Sequence[Source], request: Request, targets: list[str], weight: str | None
) -> tuple[str, list[str], list[str] | None]:
    """(form, columns, labels seen if they had to be looked at)."""
    source = sources[0]
    if request.probs is not None and request.logits is not None:
        raise BadInput("give `probs` or `logits`, not both: they are two forms of the same thing.")
    for form, given in (("probs", request.probs), ("logits", request.logits)):
        if given is not None:
            return form, names.expand(given, source.columns, form, source.name), None
    usable = [c for c in source.columns.values() if c.name not in (*targets, weight) and names.is_score(c)]
    choices = [("probs", [name]) for name in names.among(usable, names.PROBS)]
    choices += [("logits", [name]) for name in names.among(usable, names.LOGITS)]
    choices += [("probs", group) for group in names.groups(usable, names.PROB_PREFIX)]
    choices += [("logits", group) for group in names.groups(usable, names.LOGIT_PREFIX)]
    seen = None
    if not choices and len(targets) == 1 and source.columns[targets[0]].kind in ("text", "int", "bool"):
        seen = distinct(sources, targets[0])
        called = [c.name for c in usable if c.name in seen]
        choices = [("probs", called)] if len(called) > 1 else []
    if len(choices) == 1:
        return choices[0][0], choices[0][1], seen
    where = f"{source.name}: " if source.name else ""
    if choices:
        shown = " or ".join(f"{form} {names.listed(cols, 3)}" for form, cols in choices)
        raise BadInput(f"{where}the predictions could be {shown}; choose with `probs` (--probs) or `logits` (--logits).")
    raise BadInput(
        f"{where}no columns are obviously the predictions (looked for prob, proba, p, score, logit, prob_*, logit_* and columns"
        f" named after the classes); choose with `probs` (--probs) or `logits` (--logits), globs allowed."
        f" Columns of numbers: {names.listed(c.name for c in usable) or 'none'}."
    )


def _width(source: Source, columns: Sequence[str]) -> int | None:
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


def _kind(source: Source, request: Request, targets: list[str], outputs: list[str]) -> str:
    if len(outputs) > 1 and any(source.columns[n].kind == "list" for n in outputs):
        raise BadInput(f"predictions must be one list column or several columns of numbers; got {names.listed(outputs)}.")
    for name in outputs:
        if source.columns[name].kind not in ("float", "int", "list", "bool"):
            raise BadInput(f"column `{name}` must hold numbers to be read as predictions; it holds {source.columns[name].dtype}.")
    wide = len(targets) > 1 or source.columns[targets[0]].kind == "list"
    if request.kind in ("multilabel", "multiclass") or not wide:
        kind = request.kind or ("binary" if outputs_of(source, outputs) == 1 else "multiclass")
        if kind == "multilabel" and not wide and outputs_of(source, outputs) != 1:
            raise BadInput("`kind`=multilabel needs one true label a column: give as many target columns as predictions.")
        if kind == "binary" and outputs_of(source, outputs) != 1:
            kind = "multiclass"
        if kind == "multiclass" and outputs_of(source, outputs) == 1:
            raise BadInput("`kind`=multiclass needs a probability for every class; got one column.")
        return kind
    return "multilabel"


def outputs_of(source: Source, outputs: Sequence[str]) -> int:
    """How many numbers a row predicts, reading the first row when the lists are not of fixed size."""
    width = _width(source, outputs)
    if width is not None:
        return width
    from .arrow import values

    if not source.replays:
        raise BadInput(f"column `{outputs[0]}`: lists without a fixed size need a table that can be read twice.")
    for batch in source.read(outputs[:1], 1):
        return int(values(batch[outputs[0]], outputs[0], source.name, 0).shape[1])
    raise BadInput(f"{source.name or 'input'}: there are no rows to score.")


def _dtype(source: Source, outputs: Sequence[str]) -> str:
    kinds = {source.columns[name].dtype for name in outputs}
    if len(kinds) > 1:
        said = ", ".join(f"`{n}` {source.columns[n].dtype}" for n in outputs[:4])
        raise BadInput(f"the prediction columns must share one dtype; got {said}.")
    kind = kinds.pop()
    return kind if kind in ("float16", "bfloat16", "float32") else "float64"


def _class_names(source: Source, outputs: list[str], request: Request) -> tuple[tuple[str, ...], bool]:
    """Names of the classes, and whether they come from the caller or from column names rather than from counting."""
    width = outputs_of(source, outputs)
    if request.classes is not None:
        expected = 2 if width == 1 else width
        if len(request.classes) != expected or len(set(request.classes)) != expected:
            raise BadInput(f"`classes` must name {expected} different classes, in the order of the predictions; got {list(request.classes)}.")
        return request.classes, True
    if len(outputs) > 1:
        cut = names.stem(outputs)
        return tuple(name[cut:] for name in outputs), True
    return tuple(str(i) for i in range(max(width, 2))), False


def _encoder(
    sources: Sequence[Source], request: Request, targets: list[str], outputs: list[str], kind: str,
    named: tuple[tuple[str, ...], bool], seen: list[str] | None,
) -> tuple[Encoder, list[str]]:  # fmt: skip
    classes, known = named
    column = sources[0].columns[targets[0]]
    wide = len(targets) > 1 or column.kind == "list" or kind == "multilabel"
    if wide:
        width = _width(sources[0], targets)
        count = outputs_of(sources[0], outputs)
        if width is not None and width != count:
            raise BadInput(f"as many true labels as predictions are needed a row; got {width} and {count}.")
        labels = tuple(t[names.stem(targets) :] for t in targets) if len(targets) > 1 and request.classes is None else classes
        return Encoder(labels if not known or len(targets) > 1 else classes), _wide_note(kind, count)
    if kind == "binary":
        return _binary(sources, request, column)
    if column.kind == "text" and not known:
        seen = seen or distinct(sources, column.name)
        if len(seen) != len(classes):
            raise BadInput(
                f"column `{column.name}` holds {len(seen)} labels ({names.listed(seen, 5)}) and a row predicts {len(classes)} classes;"
                " name the classes in the order of the predictions with `classes` (--classes a,b,c)."
            )
        return Encoder(tuple(seen)), [f"classes in sorted order: {', '.join(seen[:6])}" + (" ..." if seen[6:] else "")]
    return Encoder(classes, tuple(outputs) if len(outputs) > 1 else None), _by_position(column, classes, known)


def _by_position(column: Column, classes: tuple[str, ...], known: bool) -> list[str]:
    if known and column.kind in ("int", "float") and not all(c.lstrip("-").isdecimal() for c in classes):
        return [f"label ids count the classes in column order: 0 is {classes[0]}, {len(classes) - 1} is {classes[-1]}"]
    return []


def _wide_note(kind: str, count: int) -> list[str]:
    return [f"{count} labels, each its own yes/no problem"] if kind == "multilabel" else []


def _binary(sources: Sequence[Source], request: Request, column: Column) -> tuple[Encoder, list[str]]:
    if request.classes is not None:
        return Encoder(request.classes), [f"the prediction is for {request.classes[1]}"]
    if request.positive is None and column.kind != "text":
        return Encoder(("0", "1"), binary=True), []
    seen = distinct(sources, column.name)
    if len(seen) > 2:
        raise BadInput(f"column `{column.name}` holds {len(seen)} labels ({names.listed(seen, 5)}), but there is one prediction a row: two classes.")
    if request.positive is not None:
        if request.positive not in seen:
            raise BadInput(f"`positive` is {request.positive!r}, but column `{column.name}` holds {names.listed(seen)}.")
        other = next((s for s in seen if s != request.positive), f"not {request.positive}")
        return Encoder((other, request.positive)), [f"the prediction is for {request.positive}"]
    if len(seen) < 2:
        raise BadInput(f"column `{column.name}` holds one label only ({names.listed(seen)}); say what the prediction is for with `positive` (--positive).")
    return Encoder(tuple(seen)), [f"the prediction is taken to be for {seen[1]}, second in sorted order (--positive {seen[0]} for the other)"]


def _agree(sources: Sequence[Source], targets: Sequence[str], outputs: Sequence[str], weight: str | None) -> None:
    """Every file must have the same columns, predictions of one dtype and labels of one kind."""
    first = sources[0]
    for source in sources[1:]:
        for name in (*targets, *outputs, *((weight,) if weight else ())):
            if name not in source.columns:
                raise BadInput(names.missing(name, source.columns, "columns of the first file", source.name))
            mine, other = first.columns[name], source.columns[name]
            differs = mine.dtype != other.dtype or mine.width != other.width if name in outputs else mine.kind != other.kind
            if differs and name != weight:
                raise BadInput(
                    f"column `{name}` must be of one type in all files; it is {mine.dtype} in {first.name} and"
                    f" {other.dtype} in {source.name}. Convert one of them, or score the files apart."
                )


def _paired(targets: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Prediction columns in the order of the target columns that end alike."""
    if len(outputs) == 1:
        return list(outputs)
    wanted = [t[names.stem(targets) :] for t in targets]
    have = {o[names.stem(outputs) :]: o for o in outputs}
    if set(wanted) != set(have):
        raise BadInput(f"target columns {names.listed(targets, 4)} and prediction columns {names.listed(outputs, 4)} do not pair up by their endings; list both in the same order.")
    return [have[w] for w in wanted]


def _said(source: Source, request: Request, targets: list[str], outputs: list[str], form: str, weight: str | None) -> list[str]:
    shown = names.listed(outputs, 4)
    return [f"targets {names.listed(targets, 4)}, {form} {shown}" + (f", weights `{weight}`" if weight else ", no weights")]


def rename(plan: Plan, classes: tuple[str, ...]) -> Plan:
    """The same plan with other names for its classes."""
    return replace(plan, encoder=replace(plan.encoder, names=classes))
