"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Names = list[str] | None
Files = Annotated[
    Names,
    typer.Argument(
        metavar="[FILES]...",
        help="Files, globs or folders: CSV, Parquet, Arrow IPC, JSON lines, NPZ, NPY.",
        show_default=False,
    ),
]
Target = Annotated[
    Names, typer.Option(metavar="NAMES", help="Column(s) of true labels; globs and commas allowed; or a .npy file.")
]
Probs = Annotated[Names, typer.Option(metavar="NAMES", help="Column(s) of probabilities; or a .npy file.")]
Logits = Annotated[Names, typer.Option(metavar="NAMES", help="Column(s) of logits; or a .npy file.")]
Weight = Annotated[str | None, typer.Option(metavar="NAME", help="Column of weights; 'none' for no weights.")]
Classes = Annotated[Names, typer.Option(metavar="NAMES", help="Class names in the order of the predictions: a,b,c.")]
Positive = Annotated[
    str | None, typer.Option(metavar="LABEL", help="The label that a single prediction column is for.")
]
Kind = Annotated[
    str | None,
    typer.Option(metavar="KIND", help="binary, multiclass or multilabel, where the columns leave it open."),
]
Soft = Annotated[
    bool | None,
    typer.Option(
        "--soft/--hard", help="The truth is given as probabilities, or is not; left out: where targets hold fractions."
    ),
]
Cluster = Annotated[str | None, typer.Option(metavar="NAME", help="Column: rows that share it are alike.")]
Time = Annotated[str | None, typer.Option(metavar="NAME", help="Column: rows close in it are alike.")]
Tolerance = Annotated[float | None, typer.Option(metavar="GAP", help="How far a row may be from summing to 1.")]
Renormalize = Annotated[bool, typer.Option("--renormalize", help="Divide every row by its sum, and say so.")]
Confidence = Annotated[float, typer.Option(metavar="LEVEL", help="Level of the interval.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Of everything that is resampled.")]
Json = Annotated[bool, typer.Option("--json", help="Print every number as JSON.")]
Ascii = Annotated[bool, typer.Option("--ascii", help="Print ASCII only.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for pasting.")]
Html = Annotated[str | None, typer.Option(metavar="FILE", help="Also write a page of it.")]
FailAbove = Annotated[
    float | None,
    typer.Option(
        metavar="NATS", help="Exit with 1 when the log loss is above this (with --floor or --compat: theirs)."
    ),
]
