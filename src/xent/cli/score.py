"""`xent score`: what predictions cost and where the nats go."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import columns
from .paper import attempt, refuse_nan, split
from .showing import Reports, show_score


def score(
    data: columns.Files = None,
    target: columns.Target = None,
    probs: columns.Probs = None,
    logits: columns.Logits = None,
    weight: columns.Weight = None,
    classes: columns.Classes = None,
    positive: columns.Positive = None,
    kind: columns.Kind = None,
    soft: columns.Soft = None,
    by: Annotated[columns.Names, typer.Option(metavar="NAMES", help="Column(s) whose values are slices.")] = None,
    slices: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Where slices are sought: auto (default), none or columns.")
    ] = None,
    cluster: columns.Cluster = None,
    time: columns.Time = None,
    quick: Annotated[bool, typer.Option("--quick", help="The score alone, without the analysis.")] = False,
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
    seed: columns.Seed = 0,
    json: columns.Json = False,
    markdown: columns.Markdown = False,
    html: columns.Html = None,
    save_state: Annotated[
        str | None, typer.Option(metavar="FILE", help="Keep what was found, for `xent merge`: name.xent.")
    ] = None,
    ascii: columns.Ascii = False,
    fail_above: columns.FailAbove = None,
) -> None:
    """What predictions cost: log loss with its interval, where the nats go, slices, repairs, the dearest rows.

    Exit code 0; 1 when above --fail-above; 2 when the input cannot be scored.
    """
    refuse_nan("score", fail_above)
    asked: dict[str, Any] = {
        "targets": split(target), "probs": split(probs), "logits": split(logits), "sample_weight": weight,
        "classes": split(classes), "positive": positive, "kind": kind, "soft": soft, "floor": floor, "compat": compat,
        "tolerance": tolerance, "renormalize": renormalize, "rows": rows, "confidence": confidence, "seed": seed,
        "by": split(by), "slices": _columns(slices), "cluster": cluster, "time": time, "analyse": not quick,
    }  # fmt: skip
    reports = Reports(json, markdown, html, ascii)

    def work(progress: Any) -> Any:
        from xent.evaluate import finish, gather

        _refuse_quick(quick, html, asked)
        reports.ready(_inputs(data, asked), save_state)
        state = gather(data or None, progress=progress, hashed=save_state is not None, **asked)
        if save_state is not None:
            state.save(save_state)
        return finish(state)

    show_score("score", attempt("score", work), reports, fail_above)


def _columns(slices: str | None) -> Any:
    return slices if slices in (None, "auto", "none") else split([slices])


def _refuse_quick(quick: bool, html: str | None, asked: dict[str, Any]) -> None:
    from xent.evaluate import BadInput

    wants = {"--html": html, **{f"--{name}": asked[name] for name in ("by", "slices", "cluster", "time")}}
    given = [name for name, value in wants.items() if value is not None]
    if quick and given:
        raise BadInput(f"`--quick` leaves out the analysis, which {given[0]} is a part of; give one of them.")


def _inputs(data: list[str] | None, asked: dict[str, Any]) -> list[str]:
    """Files that are read, and so must not be written over."""
    from xent.evaluate.sources import find_files

    if data:
        return [str(path) for path in find_files(data)[0]]
    return [name for part in ("targets", "probs", "logits") for name in asked[part] or []]
