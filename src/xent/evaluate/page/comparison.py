"""What the page of a comparison shows: which model is better, by how much, where."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from . import curves
from .detail import Detail
from .numbers import Numbers, shown
from .provenance import provenance
from .section import Section, first, short
from .tables import Column, Forest, Table

OPEN = 2  # pairs whose slices are not folded away


def view(numbers: Numbers, detail: Detail) -> dict[str, Any]:
    """The variables of the template."""
    makers = (_verdict, _models, _pairs, _plane, _wins, _where, _infinite)
    sections = [section for make in makers if (section := make(numbers, detail)) is not None]
    sections.append(provenance(numbers, "", detail))
    names = " · ".join(short(model["name"]) for model in numbers.data["models"][:4])
    return {
        "n": numbers, "sections": sections, "title": f"comparison of {len(numbers.data['models'])} models",
        "heading": f"{len(numbers.data['models'])} models compared", "about": Markup("<bdi>{}</bdi>").format(names),
    }  # fmt: skip


def _verdict(numbers: Numbers, detail: Detail) -> Section:
    data = numbers.data
    return Section("best", "Verdict", {
        "alerts": first(data["alerts"], detail.notes), "unmatched": first(data["unmatched"], detail.models),
        "unit": "a label" if data["kind"] == "multilabel" else "a row",
    })  # fmt: skip


def _models(numbers: Numbers, detail: Detail) -> Section:
    models = numbers.data["models"]
    lost, parts = any(m["infinite"] for m in models), any(m["miscalibration"] is not None for m in models)
    table = Table(numbers, "Models, best first", "models", first(models, detail.models), (
        Column("model", "name", "name"), Column("log loss", "log_loss"),
        Column("log loss with its interval", "log_loss", "forest"),
        Column("low", "low"), Column("high", "high"), Column("accuracy", "accuracy", "percent"),
        Column("claims", "entropy", hint="the loss that the model expects"),
        *([Column("infinite", "infinite", "count"), Column("finite part", "finite_part")] if lost else []),
        *([Column("discrimination", "discrimination"), Column("miscalibration", "miscalibration")] if parts else []),
        Column("form", "form", "text"), Column("from", "source", "path"),
    ), Forest("log_loss", "low", "high", zero=False), max(len(models) - detail.models, 0))  # fmt: skip
    return Section("models", "Models", {"table": table})


def _pairs(numbers: Numbers, detail: Detail) -> Section | None:
    pairs = numbers.data["pairs"]
    if not pairs:
        return None
    order = sorted(range(len(pairs)), key=lambda i: -abs(float(pairs[i]["finite_difference"])))
    lost = any(p["infinite_a"] or p["infinite_b"] or p["infinite_both"] for p in pairs)
    table = Table(numbers, "Log loss of A less that of B: above 0, B is better", "pairs",
                  order[: detail.pairs], (
        Column("A", "a", "name"), Column("B", "b", "name"), Column("A − B", "difference", "signed"),
        *([Column("finite rows", "finite_difference", "signed")] if lost else []),
        Column("with its interval", "finite_difference", "forest"), Column("low", "low", "signed"),
        Column("high", "high", "signed"), Column("of A's loss", "percent", "already"), Column("p", "p_value", "p"),
        Column("p, Holm", "p_holm", "p"), Column("B better", "better", "percent", "share of the rows"),
        Column("ties", "ties", "percent"), Column("rows for 80 % power", "rows_for_power", "count"),
        *([Column("∞ in A alone", "infinite_a", "count"), Column("∞ in B alone", "infinite_b", "count"),
           Column("∞ in both", "infinite_both", "count")] if lost else []),
    ), Forest("finite_difference", "low", "high"), max(len(pairs) - detail.pairs, 0))  # fmt: skip
    return Section("pairs", "Paired differences", {"table": table})


def _plane(numbers: Numbers, detail: Detail) -> Section | None:
    models = [m for m in numbers.data["models"] if m["miscalibration"] is not None and m["discrimination"] is not None]
    models = models[: detail.models]
    return (
        Section("plane", "Calibration against discrimination", {"chart": curves.plane(models, "plane")})
        if models
        else None
    )


def _wins(numbers: Numbers, detail: Detail) -> Section | None:
    """Share of rows on which the model of the row is better than that of the column."""
    models, pairs = numbers.data["models"], numbers.data["pairs"]
    if not 3 <= len(models) <= detail.models or len(pairs) < len(models) * (len(models) - 1) // 2:
        return None
    places = {(pair["a"], pair["b"]): i for i, pair in enumerate(pairs)}
    cells = [(f"models.{i}.name", [_win(numbers, places, row["name"], column["name"]) for column in models])
             for i, row in enumerate(models)]  # fmt: skip
    return Section("wins", "Who wins how many rows", {"cells": cells})


def _win(numbers: Numbers, places: dict[tuple[str, str], int], row: str, column: str) -> tuple[str, float]:
    """The path of the share and its warmth; of a pair (a, b) the JSON holds how often b is better, and the ties."""
    if (column, row) in places:
        path = f"pairs.{places[column, row]}.better"
    elif (row, column) in places:
        at = f"pairs.{places[row, column]}"
        path = f"1 - {at}.better - {at}.ties"
    else:
        return "", 0.0
    value = numbers.value(path)
    return path, round(100 * value) if math.isfinite(value) else 0.0


def _where(numbers: Numbers, detail: Detail) -> Section | None:
    slices = numbers.data["slices"]
    if not slices:
        return None
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for i, part in enumerate(slices):
        groups.setdefault((part["a"], part["b"]), {}).setdefault(part["column"], []).append(i)
    best = numbers.data["models"][0]["name"]
    order = sorted(groups, key=lambda pair: best not in pair)[: detail.pairs]
    pairs = [(f"{shown(a)} less {shown(b)}", best in (a, b) and i < OPEN,
              [_parts(numbers, column, rows, detail) for column, rows in groups[a, b].items()])
             for i, (a, b) in enumerate(order)]  # fmt: skip
    return Section("where", "Where the difference lies", {"pairs": pairs})


def _parts(numbers: Numbers, column: str, rows: list[int], detail: Detail) -> Table:
    return Table(numbers, f"By {shown(column).strip('()')}", "slices", rows[: detail.slices], (
        Column("value", "value", "name"), Column("rows", "rows", "count"), Column("A − B", "difference", "signed"),
        Column("with 95 %", "difference", "forest"), Column("part", "part", "signed", "nats a row of all rows"),
        Column("SE", "standard_error"), Column("p", "p_value", "p"),
        Column("q", "q_value", "p", "Benjamini-Hochberg"),
    ), Forest("difference", error="standard_error"), max(len(rows) - detail.slices, 0))  # fmt: skip


def _infinite(numbers: Numbers, detail: Detail) -> Section | None:
    rows = numbers.data["infinite"]
    if not rows:
        return None
    places = first(rows, detail.dearest)
    return Section("infinite", "Infinite rows", {
        "rows": [(f"infinite.{i}", [f"infinite.{i}.models.{j}" for j in first(rows[i]["models"], 8)]) for i in places],
        "more": len(rows) - len(places), "ids": any(row["id"] is not None for row in rows), "nothing": Markup("–"),
    })  # fmt: skip
