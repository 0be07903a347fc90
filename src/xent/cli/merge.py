"""`xent merge`: the report over several runs, from what they kept."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import columns
from .paper import attempt, refuse_nan
from .showing import Reports, show_score


def merge(
    states: Annotated[list[str], typer.Argument(metavar="STATES...", help="Files of `xent score --save-state`.")],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Keep them as one state: name.xent.")
    ] = None,
    json: columns.Json = False,
    markdown: columns.Markdown = False,
    html: columns.Html = None,
    ascii: columns.Ascii = False,
    fail_above: columns.FailAbove = None,
) -> None:
    """The report of several runs as if one had read all their files, from their saved states; every digit the same.

    \b
    xent score monday.parquet --save-state monday.xent
    xent score tuesday.parquet --save-state tuesday.xent
    xent merge monday.xent tuesday.xent -o week.xent --html week.html

    Exit code 0; 1 when above --fail-above; 2 when the states do not fit together.
    """
    refuse_nan("merge", fail_above)
    reports = Reports(json, markdown, html, ascii)

    def work(progress: Any) -> Any:
        from xent.evaluate import finish
        from xent.evaluate.state.storage import load_all

        reports.ready(states, output)
        merged = load_all(states)
        if output is not None:
            merged.save(output)
        return finish(merged)

    show_score("merge", attempt("merge", work), reports, fail_above)
