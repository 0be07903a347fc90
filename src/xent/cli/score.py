"""`xent score`: what predictions cost and where the nats go."""

from __future__ import annotations

from typing import Annotated

import typer

from . import columns
from .paper import as_json, attempt, gate, only_ascii, refuse_nan, show, split


def score(
    data: columns.Files = None,
    target: columns.Target = None,
    probs: columns.Probs = None,
    logits: columns.Logits = None,
    weight: columns.Weight = None,
    classes: columns.Classes = None,
    positive: columns.Positive = None,
    kind: columns.Kind = None,
    floor: Annotated[
        float | None, typer.Option(metavar="P", help="Also say the loss with p(truth) held above this.")
    ] = None,
    compat: Annotated[
        str | None, typer.Option(metavar="LIBRARY", help="Also say what sklearn, torch, keras or xgboost would.")
    ] = None,
    tolerance: columns.Tolerance = None,
    renormalize: columns.Renormalize = False,
    rows: Annotated[int, typer.Option(metavar="N", min=0, help="How many of the dearest rows to show.")] = 10,
    confidence: columns.Confidence = 0.95,
    json: columns.Json = False,
    ascii: columns.Ascii = False,
    fail_above: Annotated[
        float | None,
        typer.Option(
            metavar="NATS", help="Exit with 1 when the log loss is above this (with --floor or --compat: theirs)."
        ),
    ] = None,
) -> None:
    """What predictions cost: log loss with its interval, where the nats go, class by class, the dearest rows.

    Exit code 0; 1 when above --fail-above; 2 when the input cannot be scored.
    """
    from xent.evaluate import score as run
    from xent.evaluate.report import text

    refuse_nan("score", fail_above)
    found = attempt("score", lambda progress: run(
        data or None, targets=split(target), probs=split(probs), logits=split(logits), sample_weight=weight,
        classes=split(classes), positive=positive, kind=kind, floor=floor, compat=compat, tolerance=tolerance,
        renormalize=renormalize, rows=rows, confidence=confidence, progress=progress,
    ))  # fmt: skip
    if json:
        print(as_json(found))
    else:
        show(text(found, ascii_only=ascii or only_ascii()))
    value = found.compat.log_loss if found.compat else found.log_loss
    raise SystemExit(gate("score", value, f" ({found.compat.name})" if found.compat else "", fail_above))
