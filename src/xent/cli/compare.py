"""`xent compare`: which of several models is better, by how much, how surely, and where."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from . import columns
from .paper import FAILED, attempt, split
from .showing import Reports

Models = Annotated[
    columns.Names,
    typer.Argument(
        metavar="[[NAME=]FILE]...", show_default=False,
        help="Models: files, or NAME=PATH for folders and globs; or one file whose columns are the models.",
    ),
]  # fmt: skip


def compare(
    data: Models = None,
    model: Annotated[
        columns.Names,
        typer.Option(metavar="NAME=COLUMNS", help="A model of one file by its columns: b='p_b_*', b=logits:'z_*'."),
    ] = None,
    id: Annotated[str | None, typer.Option(metavar="NAME", help="Column that rows are matched by.")] = None,
    by: Annotated[
        columns.Names, typer.Option(metavar="NAMES", help="Column(s) to see where the difference is.")
    ] = None,
    cluster: columns.Cluster = None,
    time: columns.Time = None,
    target: columns.Target = None,
    probs: columns.Probs = None,
    logits: columns.Logits = None,
    weight: columns.Weight = None,
    classes: columns.Classes = None,
    positive: columns.Positive = None,
    kind: columns.Kind = None,
    soft: columns.Soft = None,
    tolerance: columns.Tolerance = None,
    renormalize: columns.Renormalize = False,
    confidence: columns.Confidence = 0.95,
    seed: columns.Seed = 0,
    json: columns.Json = False,
    markdown: columns.Markdown = False,
    html: columns.Html = None,
    ascii: columns.Ascii = False,
    fail_unless_better: Annotated[
        str | None, typer.Option(metavar="NAME", help="Exit with 1 unless this model is better than all others.")
    ] = None,
) -> None:
    """Which model is better, by how much, how surely, and where: paired differences of log losses on the same rows.

    \b
    xent compare a.parquet b.parquet                      row by row
    xent compare a.parquet b.parquet --id id              rows matched by a key
    xent compare old=runs/1/ new=runs/2/                  folders of shards
    xent compare one.parquet --probs p_a --probs p_b      columns of one file
    xent compare one.parquet --model a='p_a_*' --model b=logits:'z_b_*'

    Exit code 0; 1 unless --fail-unless-better holds; 2 when the rows cannot be compared.
    """
    reports = Reports(json, markdown, html, ascii)
    asked: dict[str, Any] = {
        "targets": split(target), "probs": split(probs), "logits": split(logits), "sample_weight": weight, "id": id,
        "by": split(by), "cluster": cluster, "time": time, "classes": split(classes), "positive": positive,
        "kind": kind, "soft": soft, "tolerance": tolerance, "renormalize": renormalize, "confidence": confidence,
        "seed": seed,
    }  # fmt: skip

    def work(progress: Any) -> Any:
        from xent.evaluate.compare import compare as run
        from xent.evaluate.compare.entrants import files_of, named_columns, open_named

        named = open_named(data) if data else None
        reports.ready(files_of(named) if named else ())
        found = run(named, models=named_columns(model), progress=progress, **asked)
        _refuse_unknown(found, fail_unless_better)
        if html is not None:
            from xent.evaluate.page import write_comparison

            write_comparison(found, html)
        return found

    found = attempt("compare", work)
    _show(found, reports)
    raise SystemExit(_gate(found, fail_unless_better))


def _show(found: Any, reports: Reports) -> None:
    from xent.evaluate.compare.markdown import markdown
    from xent.evaluate.compare.text import text

    reports.show(found, text, markdown)


def _refuse_unknown(found: Any, name: str | None) -> None:
    from xent.evaluate import BadInput

    names = [model.name for model in found.models]
    if name is not None and name not in names:
        raise BadInput(f"`--fail-unless-better` must name one of the models ({', '.join(names)}); got {name}.")


def _gate(found: Any, name: str | None) -> int:
    """Exit code of `--fail-unless-better`: every other model must be beaten at the level of intervals, after Holm."""
    from xent.evaluate.compare.verdicts import unbeaten

    reasons = [] if name is None else unbeaten(found, name)
    for reason in reasons:
        print(f"xent compare: {name} is not shown to be better than all others. {reason}", file=sys.stderr)
    return FAILED if reasons else 0
