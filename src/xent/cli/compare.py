"""`xent compare`: which of several models is better, by how much, how surely, and where."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from . import columns
from .paper import BAD_INPUT, FAILED, as_json, attempt, only_ascii, show, split

Columns = list[str] | None


def compare(
    data: Annotated[
        columns.Names,
        typer.Argument(
            metavar="[[NAME=]FILE]...",
            show_default=False,
            help="Models: files, or folders and globs with NAME=PATH; or one file whose columns are the models.",
        ),
    ] = None,
    model: Annotated[
        Columns,
        typer.Option(metavar="NAME=COLUMNS", help="A model of one file, by its columns: b='p_b_*', b=logits:'z_*'."),
    ] = None,
    id: Annotated[str | None, typer.Option(metavar="NAME", help="Column that rows are matched by.")] = None,
    by: Annotated[Columns, typer.Option(metavar="NAMES", help="Columns to say where the difference lies.")] = None,
    cluster: Annotated[str | None, typer.Option(metavar="NAME", help="Column whose rows are alike.")] = None,
    time: Annotated[str | None, typer.Option(metavar="NAME", help="Column along which rows are alike.")] = None,
    target: columns.Target = None,
    probs: columns.Probs = None,
    logits: columns.Logits = None,
    weight: columns.Weight = None,
    classes: columns.Classes = None,
    positive: columns.Positive = None,
    kind: columns.Kind = None,
    tolerance: columns.Tolerance = None,
    renormalize: columns.Renormalize = False,
    confidence: columns.Confidence = 0.95,
    json: columns.Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for pasting.")] = False,
    ascii: columns.Ascii = False,
    html: Annotated[str | None, typer.Option(metavar="FILE", help="Also write a page of it.")] = None,
    fail_unless_better: Annotated[
        str | None, typer.Option(metavar="NAME", help="Exit with 1 unless this model is better than all others.")
    ] = None,
) -> None:
    """Which model is better, by how much, how surely, and where: paired differences of log losses on the same rows.

    \b
    xent compare a.parquet b.parquet                    two models, row by row
    xent compare a.parquet b.parquet --id id            rows matched by a key
    xent compare old=runs/1/ new=runs/2/                folders of shards
    xent compare one.parquet --probs p_a --probs p_b    columns of one file
    xent compare one.parquet --model a='p_a_*' --model b=logits:'z_b_*'

    Exit code 0; 1 unless --fail-unless-better holds; 2 when the rows cannot be compared.
    """
    from xent.evaluate.compare import compare as run
    from xent.evaluate.compare.entrants import named_columns, open_named
    from xent.evaluate.compare.markdown import markdown as as_markdown
    from xent.evaluate.compare.text import text

    def work(progress: Any) -> Any:
        found = run(
            open_named(data or []), models=named_columns(model), targets=split(target), probs=split(probs),
            logits=split(logits), sample_weight=weight, id=id, by=split(by), cluster=cluster, time=time,
            classes=split(classes), positive=positive, kind=kind, tolerance=tolerance, renormalize=renormalize,
            confidence=confidence, progress=progress,
        )  # fmt: skip
        _known(fail_unless_better, found)
        if html is not None:
            from xent.evaluate.page import write_comparison

            write_comparison(found, html)
        return found

    found = attempt("compare", work)
    if json:
        print(as_json(found))
    elif markdown:
        print(as_markdown(found), end="")
    else:
        show(text(found, ascii_only=ascii or only_ascii()))
    raise SystemExit(_gate(found, fail_unless_better))


def _known(name: str | None, found: Any) -> None:
    names = [model.name for model in found.models]
    if name is not None and name not in names:
        print(f"xent compare: --fail-unless-better must name a model ({', '.join(names)}); got {name}", file=sys.stderr)
        raise SystemExit(BAD_INPUT)


def _gate(found: Any, name: str | None) -> int:
    """Exit code of `--fail-unless-better`: every other model must be beaten at the level of intervals, after Holm."""
    from xent.evaluate.compare.verdicts import unbeaten

    reasons = [] if name is None else unbeaten(found, name)
    for reason in reasons:
        print(f"xent compare: {name} is not shown to be better than all others. {reason}", file=sys.stderr)
    return FAILED if reasons else 0
