"""Which columns hold what: decided once, before any row is read, and said aloud. What could mean two things is an
error that shows the choice.

The acting code (scoring.py) then follows a `Plan` without deciding anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import names, soft
from .classes import Request, class_names, encoder_of, outputs_of
from .faults import BadInput
from .labels import Encoder, distinct
from .lines import refuse_text
from .sources import Column, Source


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
    soft: bool = False  # the truth is given as probabilities

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
    _refuse_shared(targets, outputs, weight)
    kind = _kind(sources, request, targets, outputs, form)
    dtype = _dtype(first, outputs)
    _agree(sources, request, targets, outputs, weight)
    outputs, paired = _paired(request, targets, outputs) if len(targets) > 1 else (outputs, [])
    names_of = class_names(first, outputs, request)
    encoder, more = encoder_of(sources, request, targets, outputs, kind, names_of, seen)
    said = _said(first, request, targets, outputs, form, weight)
    told = (*said, *notes, *paired, *more, *(("the targets are probabilities: soft labels",) if request.soft else ()))
    return Plan(tuple(targets), tuple(outputs), form, kind, weight, encoder, dtype, told, bool(request.soft))


def predictions(sources: Sequence[Source], request: Request) -> tuple[str, tuple[str, ...], str]:
    """(form, columns, dtype) of the predictions alone, of rows whose truth is not asked for."""
    form, outputs, _ = _outputs(sources, request, [], None)
    _refuse_kinds(sources[0], [], outputs)
    dtype = _dtype(sources[0], outputs)
    _agree(sources, Request(weight="none"), [], outputs, None)
    return form, tuple(outputs), dtype


def _weight(source: Source, request: Request) -> tuple[str | None, list[str]]:
    if request.weight == "none":
        return None, []
    if request.weight is not None:
        found = names.expand([request.weight], source.columns, "sample_weight", source.name)
        if len(found) > 1:
            raise BadInput(f"`sample_weight` must name one column; {request.weight!r} means {names.listed(found)}.")
    else:
        found = names.among(source.columns.values(), names.WEIGHTS)
    if len(found) > 1:
        raise BadInput(
            f"several columns could be the weights: {names.listed(found)}; choose with `sample_weight` (--weight)."
        )
    if found:
        column = source.columns[found[0]]
        if column.kind not in ("float", "int", "bool"):
            what = f"lists of {column.dtype}" if column.kind == "list" else column.dtype
            raise BadInput(
                f"{source.name + ': ' if source.name else ''}column `{column.name}`: `sample_weight` must be one number"
                f" a row; it holds {what}."
            )
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
    if not choices:  # soft labels
        floats = [c for c in usable if c.kind == "float" and not names.looks_like_score(c)]
        choices = names.groups(floats, names.TARGET_PREFIX)
    if len(choices) == 1:
        return choices[0]
    where = f"{source.name}: " if source.name else ""
    if not choices:
        raise BadInput(
            f"{where}no column is obviously the true label (looked for {', '.join(names.TARGETS[:8])}, ...);"
            " choose with"
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
        raise BadInput(
            f"{where}the predictions could be {shown}; choose with `probs` (--probs) or `logits` (--logits)."
        )
    named = [c for c in source.columns.values() if c.name not in (*targets, weight) and names.looks_like_score(c)]
    if named and named[0].kind == "text":
        raise refuse_text(source, named[0].name)
    if named:
        meant = f"; if it is meant, say so with `probs` or `logits` (--probs '{named[0].name}')."
        raise BadInput(
            f"{where}column `{named[0].name}` has the name of predictions, but holds {named[0].dtype}"
            + (meant if named[0].kind in ("int", "bool") else "; numbers are needed.")
        )
    raise BadInput(
        f"{where}no columns are obviously the predictions (looked for prob, proba, p, score, logit, prob_*,"
        " logit_* and columns"
        f" named after the classes); choose with `probs` (--probs) or `logits` (--logits), globs allowed."
        f" Columns of numbers: {names.listed(c.name for c in usable) or 'none'}."
    )


def _kind(sources: Sequence[Source], request: Request, targets: list[str], outputs: list[str], form: str) -> str:
    source = sources[0]
    if len(outputs) > 1 and any(source.columns[n].kind == "list" for n in outputs):
        raise BadInput(
            f"predictions must be one list column or several columns of numbers; got {names.listed(outputs)}."
        )
    _refuse_kinds(source, targets, outputs)
    wide = len(targets) > 1 or source.columns[targets[0]].kind == "list"
    if request.kind == "binary" and wide:
        raise BadInput("`kind`=binary needs one true label a row; several are `kind`=multilabel.")
    _refuse_extra_axis(source, targets, outputs)
    if request.soft:
        return soft.kind_of(sources, request, targets, outputs, form)
    if request.kind in ("multilabel", "multiclass") or not wide:
        kind = request.kind or ("binary" if outputs_of(source, outputs) == 1 else "multiclass")
        if kind == "multilabel" and not wide and outputs_of(source, outputs) != 1:
            raise BadInput(
                "`kind`=multilabel needs one true label a column: give as many target columns as predictions."
            )
        if kind == "binary" and outputs_of(source, outputs) != 1:
            kind = "multiclass"
        if kind == "multiclass" and outputs_of(source, outputs) == 1:
            raise BadInput("`kind`=multiclass needs a probability for every class; got one column.")
        return kind
    return "multilabel"


def _refuse_kinds(source: Source, targets: list[str], outputs: list[str]) -> None:
    """Predictions are numbers; a true label is text, a number or yes/no, and in lists it is a number or yes/no."""
    where = f"{source.name}: " if source.name else ""
    for name in outputs:
        column = source.columns[name]
        if column.kind == "text":
            raise refuse_text(source, name)
        if column.kind not in ("float", "int", "list", "bool") or not _numeric(column):
            raise BadInput(
                f"{where}column `{name}` must hold numbers to be read as predictions; it holds {column.dtype}."
            )
    for name in targets:
        column = source.columns[name]
        if column.kind == "other":
            raise BadInput(
                f"{where}column `{name}`: labels must be text, whole numbers or booleans; it holds {column.dtype}."
            )
        if column.kind == "list" and not _numeric(column):
            raise BadInput(f"{where}column `{name}`: lists of labels must hold 0 and 1; they hold {column.dtype}.")


def _numeric(column: Column) -> bool:
    return column.kind != "list" or column.dtype.startswith(("float", "bfloat", "decimal", "int", "uint", "bool"))


def _refuse_shared(targets: list[str], outputs: list[str], weight: str | None) -> None:
    """One column cannot be two things; a glob such as `*` easily takes too many."""
    for name in targets:
        if name in outputs:
            raise BadInput(f"column `{name}` is named as true label and as prediction; name the predictions apart.")
    if weight in (*targets, *outputs):
        raise BadInput(f"column `{weight}` is named as weight and as true label or prediction.")


def _refuse_extra_axis(source: Source, targets: list[str], outputs: list[str]) -> None:
    """One number a row on one side, a list of one on the other: probably a slip, never broadcast."""
    if len(targets) == len(outputs) == 1:
        sides = [source.columns[targets[0]], source.columns[outputs[0]]]
        lists = [c.name for c in sides if c.kind == "list"]
        if len(lists) == 1 and outputs_of(source, lists) == 1:
            names_of = " and ".join(f"`{c.name}` ({'[rows, 1]' if c.kind == 'list' else '[rows]'})" for c in sides)
            raise BadInput(f"targets and predictions must have the same shape; got {names_of}: drop the extra axis.")


def _dtype(source: Source, outputs: Sequence[str]) -> str:
    kinds = {source.columns[name].dtype for name in outputs}
    if len(kinds) > 1:
        said = ", ".join(f"`{n}` {source.columns[n].dtype}" for n in outputs[:4])
        raise BadInput(f"the prediction columns must share one dtype; got {said}.")
    kind = kinds.pop()
    return kind if kind in ("float16", "bfloat16", "float32") else "float64"


def _agree(
    sources: Sequence[Source], request: Request, targets: Sequence[str], outputs: Sequence[str], weight: str | None
) -> None:
    """Every file must have the same columns, predictions of one dtype and labels of one kind."""
    first = sources[0]
    for source in sources[1:]:
        extra = [] if weight or request.weight == "none" else names.among(source.columns.values(), names.WEIGHTS)
        if extra:
            raise BadInput(
                f"{source.name}: column `{extra[0]}` is not in {first.name}; every file must have its weights, or say"
                " `sample_weight`='none' (--weight none)."
            )
        for name in (*targets, *outputs, *((weight,) if weight else ())):
            if name not in source.columns:
                raise BadInput(
                    f"{source.name}: column `{name}`, as in {first.name}, is not there. Columns:"
                    f" {names.listed(source.columns)}."
                )
            mine, other = first.columns[name], source.columns[name]
            differs = (
                mine.dtype != other.dtype or mine.width != other.width
                if name in outputs
                else _sort(mine) != _sort(other)
            )
            if differs and name != weight:
                raise BadInput(
                    f"column `{name}` must be of one type in all files; it is {mine.dtype} in {first.name} and"
                    f" {other.dtype} in {source.name}. Convert one of them, or score the files apart."
                )


def _sort(column: Column) -> str:
    """What decides how a label is read: whole numbers are looked up alike, whether stored as int or as float."""
    return "number" if column.kind in ("int", "float") else column.kind


def _paired(request: Request, targets: list[str], outputs: list[str]) -> tuple[list[str], list[str]]:
    """Prediction columns in the order of the target columns that end alike, and what to say about it."""
    if len(outputs) == 1:
        return outputs, []
    wanted = [t[names.stem(targets) :] for t in targets]
    have = {o[names.stem(outputs) :]: o for o in outputs}
    if set(wanted) == set(have):
        found = [have[w] for w in wanted]
        return found, [] if found == outputs else ["targets and predictions paired by the endings of their names"]
    if request.targets is None:
        raise BadInput(
            f"target columns {names.listed(targets, 4)} and prediction columns {names.listed(outputs, 4)} do not"
            " pair up by their endings; list both in the same order."
        )
    return outputs, []


def _said(
    source: Source, request: Request, targets: list[str], outputs: list[str], form: str, weight: str | None
) -> list[str]:
    shown = names.listed(outputs, 4)
    return [
        f"targets {names.listed(targets, 4)}, {form} {shown}" + (f", weights `{weight}`" if weight else ", no weights")
    ]
