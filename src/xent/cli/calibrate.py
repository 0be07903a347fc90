"""`xent calibrate`: repair predictions, if that pays."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from . import columns
from .paper import BAD_INPUT, as_json, attempt, only_ascii, show, split

DOES_NOT_PAY = 3


def calibrate(
    data: columns.Files = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="auto, temperature, platt, beta, isotonic; of several classes vector, matrix."
        ),
    ] = "auto",
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write: .parquet, .arrow, .csv, .tsv, .npz, .npy."
        ),
    ] = None,
    save: Annotated[str | None, typer.Option(metavar="FILE", help="Keep the map as JSON.")] = None,
    apply: Annotated[
        str | None, typer.Option(metavar="FILE", help="Fit nothing: apply a map kept before. No labels needed.")
    ] = None,
    output_form: Annotated[
        str | None, typer.Option(metavar="FORM", help="Write probs or logits; left out: what the input holds.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write even if the gain is not sure to be above 0.")] = False,
    floor: Annotated[
        float | None, typer.Option(metavar="P", help="The least probability believed, such as 1e-6; none by default.")
    ] = None,
    target: columns.Target = None,
    probs: columns.Probs = None,
    logits: columns.Logits = None,
    weight: columns.Weight = None,
    classes: columns.Classes = None,
    positive: columns.Positive = None,
    kind: columns.Kind = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column: rows that share it are alike, and share a fold.")
    ] = None,
    tolerance: columns.Tolerance = None,
    renormalize: columns.Renormalize = False,
    confidence: columns.Confidence = 0.95,
    json: columns.Json = False,
    ascii: columns.Ascii = False,
) -> None:
    """Repair predictions: fit a calibration, say what it saves on rows it has not seen, write the repaired table.

    \b
    xent calibrate valid.parquet -o calibrated.parquet --save map.json
    xent calibrate test.parquet --apply map.json -o calibrated.parquet

    Exit code 0; 2 when the input cannot be read or fitted; 3 when the interval of the gain includes 0: then the
    repair does not pay, and nothing is written without --force.
    """
    from xent.evaluate.repair.door import apply as run_map
    from xent.evaluate.repair.door import calibrate as run
    from xent.evaluate.repair.text import text

    named = {"probs": split(probs), "logits": split(logits)}
    if apply is not None:
        fitting = {
            "--method": method != "auto", "--force": force, "--floor": floor, "--target": target, "--weight": weight,
            "--classes": classes, "--positive": positive, "--kind": kind, "--cluster": cluster,
            "--renormalize": renormalize,
        }  # fmt: skip
        if output is None or save is not None or not data:
            _refuse("--apply needs FILES and -o, and fits nothing that --save could keep")
        if given := [name for name, value in fitting.items() if value not in (None, False)]:
            _refuse(f"{given[0]} is for a fit, and --apply fits nothing: the map says what becomes of the predictions")
        found = attempt("calibrate", lambda progress: run_map(
            data, apply, str(output), output_form=output_form, tolerance=tolerance, progress=progress, **named
        ))  # fmt: skip
    else:
        found = attempt("calibrate", lambda progress: run(
            data or None, method=method, output=output, save=save, output_form=output_form, force=force, floor=floor,
            targets=split(target), sample_weight=weight, classes=split(classes), positive=positive, kind=kind,
            tolerance=tolerance, renormalize=renormalize, cluster=cluster, confidence=confidence, progress=progress,
            **named,
        ))  # fmt: skip
    if json:
        print(as_json(found))
    else:
        show(text(found, ascii_only=ascii or only_ascii()))
    raise SystemExit(0 if found.pays or (found.forced and found.wrote) else DOES_NOT_PAY)


def _refuse(said: str) -> None:
    print(f"xent calibrate: {said}.", file=sys.stderr)
    raise SystemExit(BAD_INPUT)
