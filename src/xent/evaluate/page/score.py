"""What the page of a score shows: its sections, each only where its numbers exist."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from . import curves, reliability
from .advice import advice
from .bars import portions, waterfall
from .detail import Detail
from .numbers import Numbers
from .provenance import provenance
from .section import Section, first, short
from .tables import Column, Forest, Table


def view(numbers: Numbers, detail: Detail) -> dict[str, Any]:
    """The variables of the template."""
    makers = (_verdict, _waterfall, _reliability, _labels, _claims, _tail, _classes, _slices, _rows, _repair)
    sections = [section for make in makers if (section := make(numbers, detail)) is not None]
    sections.append(provenance(numbers, "analysis.", detail, _spreads(numbers)))
    title = _title(numbers.data)
    return {
        "n": numbers, "sections": sections, "title": f"log loss of {title}" if title else "log loss",
        "heading": Markup("Log loss of <bdi>{}</bdi>").format(title) if title else "Log loss", "about": _about(numbers),
    }  # fmt: skip


def _about(numbers: Numbers) -> Markup:
    """What was scored, in a line."""
    rows, classes = numbers.number("rows", "count"), numbers.number("classes", "count")
    kinds = {"binary": Markup("binary"), "multiclass": Markup("{} classes").format(classes),
             "multilabel": Markup("{} labels").format(classes)}  # fmt: skip
    data = numbers.data
    plural, form = "" if data["rows"] == 1 else "s", "logits" if data["form"] == "logits" else "probabilities"
    return Markup("{} row{}, {}, from {} {}").format(rows, plural, kinds[data["kind"]], data["dtype"], form)


def _title(data: dict[str, Any]) -> str:
    names = [name for name, _ in data["files"] if name]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return short(names[0]) + more if names else ""


def _verdict(numbers: Numbers, detail: Detail) -> Section:
    data = numbers.data
    return Section("verdict", "Verdict", {
        "advice": advice(numbers), "alerts": first(data["analysis"]["alerts"], detail.notes),
        "others": [i for i, s in enumerate(data["analysis"]["spreads"]) if s["method"] != "iid"],
        "unit": "a label" if data["kind"] == "multilabel" else "a row",
    })  # fmt: skip


def _waterfall(numbers: Numbers, detail: Detail) -> Section | None:
    data, steps = numbers.data, "analysis.waterfall"
    bars = waterfall(numbers, steps) if data["analysis"]["waterfall"] else []
    split = []
    if data["top1"] is not None and data["classes"] > 2:
        split = portions(numbers, "log_loss", [("is the favourite right?", "top1"), ("ranking of the rest", "ranking")])
    soft = []
    if data["analysis"]["soft"] is not None:
        at = "analysis.soft."
        soft = portions(numbers, at + "cross_entropy", [
            ("entropy of the labels, which no model can save", at + "entropy"), ("divergence", at + "divergence"),
        ])  # fmt: skip
    if not (bars or split or soft):
        return None
    return Section("waterfall", "Where the nats go", {
        "bars": bars, "split": split, "soft": soft,
        "errors": any(step["standard_error"] is not None for step in data["analysis"]["waterfall"]),
    })  # fmt: skip


def _reliability(numbers: Numbers, detail: Detail) -> Section | None:
    parts = numbers.data["analysis"]["decompositions"]
    if len(parts) != 1:
        return None
    path = "analysis.decompositions.0"
    charts = [reliability.picture(numbers, path, f"rel{i}", stretched=bool(i)) for i in range(2)]
    bins = Table(numbers, "Claims and what came true", path + ".bins", first(parts[0]["bins"], 60), (
        Column("from", "low", "prob"), Column("to", "high", "prob"), Column("rows", "rows", "count"),
        Column("claimed", "claimed", "prob"), Column("came true", "rate", "prob"), Column("nats", "nats"),
    ))  # fmt: skip
    blocks = _blocks(numbers, path + ".blocks", parts[0]["blocks"]) if detail.data else None
    about = "the favourite is right" if parts[0]["name"] == "top-1" else ""
    return Section("reliability", "Reliability", {
        "d": path, "charts": charts, "bins": bins, "blocks": blocks, "about": about,
    })  # fmt: skip


def _blocks(numbers: Numbers, path: str, blocks: list[Any]) -> Table:
    return Table(numbers, "Steps of the isotonic curve", path, first(blocks, 200), (
        Column("from", "low", "prob"), Column("to", "high", "prob"), Column("rows", "rows", "count"),
        Column("claimed", "claimed", "prob"), Column("came true", "rate", "prob"), Column("nats", "nats"),
    ))  # fmt: skip


def _labels(numbers: Numbers, detail: Detail) -> Section | None:
    parts = numbers.data["analysis"]["decompositions"]
    if len(parts) < 2:
        return None
    path = "analysis.decompositions"
    ranked = sorted(range(len(parts)), key=lambda i: (-float(parts[i]["score"]), -parts[i]["infinite_rows"]))
    drawn = [(f"{path}.{i}", reliability.small(numbers, f"{path}.{i}", f"lab{i}")) for i in ranked[: detail.labels]]
    table = Table(numbers, "Labels, dearest first", path, ranked[: detail.classes], (
        Column("label", "name", "name"), Column("rows", "rows", "count"), Column("log loss", "score"),
        Column("uncertainty", "uncertainty"), Column("discrimination", "discrimination"),
        Column("miscalibration", "miscalibration"), Column("expected", "expected", hint="of a calibrated model"),
        Column("p", "p_value", "p"), Column("infinite", "infinite_rows", "count"),
    ), more=max(len(ranked) - detail.classes, 0))  # fmt: skip
    return Section("labels", "Reliability of the labels", {"drawn": drawn, "table": table, "of": len(parts)})


def _claims(numbers: Numbers, detail: Detail) -> Section | None:
    path = "analysis.confidence"
    if not (bins := numbers.data["analysis"]["confidence"]):
        return None
    table = Table(numbers, "Loss by confidence", path, first(bins, 60), (
        Column("from", "low", "prob"), Column("to", "high", "prob"), Column("rows", "rows", "count"),
        Column("confidence", "confidence", "prob"), Column("right", "accuracy", "prob"),
        Column("suffered", "log_loss"), Column("claimed", "entropy"), Column("z", "z", "z"),
    ))  # fmt: skip
    chart = curves.claims(numbers, path, "claims") if len(bins) > 1 else Markup("")
    return Section("claims", "Loss suffered against loss claimed", {"chart": chart, "table": table})


def _tail(numbers: Numbers, detail: Detail) -> Section | None:
    tail, path = numbers.data["analysis"]["tail"], "analysis.tail"
    charts = []
    if any(b["rows"] for b in tail["histogram"]):
        charts.append(curves.distribution(numbers, path + ".histogram", "dist"))
    if len(tail["lorenz"]) > 1 and any(y for _, y in tail["lorenz"]):
        charts.append(curves.lorenz(numbers, path, "lorenz"))
    if not charts:
        return None
    filled = [i for i, b in enumerate(tail["histogram"]) if b["rows"] or b["expected"] >= 0.5]
    table = Table(numbers, "Rows by loss", path + ".histogram", filled, (
        Column("from, bits", "low", "general"), Column("to, bits", "high", "general"), Column("rows", "rows", "count"),
        Column("expected", "expected", "rough", "of a calibrated model"), Column("nats", "nats", "general"),
    ))  # fmt: skip
    return Section("tail", "How the loss is spread", {"charts": charts, "table": table, "t": path})


def _classes(numbers: Numbers, detail: Detail) -> Section | None:
    classes = numbers.data["by_class"]
    if len(classes) < 2:
        return None
    labels, lost = numbers.data["kind"] == "multilabel", any(c["infinite"] for c in classes)
    ranked = sorted(range(len(classes)), key=lambda i: (-(classes[i]["share"] or 0.0), -classes[i]["infinite"]))
    columns = [
        Column("label" if labels else "class", "name", "name"),
        Column("yes" if labels else "rows", "positive", "count"), Column("log loss", "log_loss"),
        Column("SE", "standard_error"), Column("share", "share", "share", "of all nats"),
        *([] if labels else [Column("excess", "excess", "signed", "nats a row of all rows, beyond the mean")]),
        Column("claims", "entropy", hint="the loss that the model expects"),
        *([Column("gap", "gap", "signed"), Column("z", "z", "z")] if labels else []),
        *([Column("infinite", "infinite", "count")] if lost else []),
    ]  # fmt: skip
    table = Table(numbers, "Dearest first, by their share of all nats", "by_class", ranked[: detail.classes], columns,
                  more=max(len(ranked) - detail.classes, 0))  # fmt: skip
    return Section("classes", "Labels" if labels else "Classes", {
        "table": table, "heat": _heat(numbers) if detail.cells else [],
        "form": "fixed" if numbers.data["finite_part"] > 0.001 else "nats",
    })  # fmt: skip


def _heat(numbers: Numbers) -> list[tuple[str, list[tuple[str, int]]]]:
    """Rows of the table of nats: the class's path, and path and warmth in per cent of every cell."""
    confusion = numbers.data["analysis"]["confusion"]
    if confusion is None:
        return []
    pooled = -1 if confusion["classes"][-1:] == ["others"] else None  # what is pooled would outshine all else
    most = max((x for row in confusion["nats"][:pooled] for x in row[:pooled]), default=0.0) or 1.0
    at = "analysis.confusion."
    return [
        (f"{at}classes.{i}", [
            (f"{at}nats.{i}.{j}" if confusion["rows"][i][j] else "", math.ceil(100 * min(max(x / most, 0.0), 1.0)))
            for j, x in enumerate(row)
        ])
        for i, row in enumerate(confusion["nats"])
    ]  # fmt: skip


def _slices(numbers: Numbers, detail: Detail) -> Section | None:
    slices = numbers.data["analysis"]["slices"]
    if not (slices["given"] or slices["found"] or slices["tried"]):
        return None
    whisker = Forest("difference", error="standard_error")
    columns = (
        Column("where", "where", "where"), Column("rows", "rows", "count"), Column("log loss", "log_loss"),
        Column("share", "share", "share", "of all nats"), Column("excess", "excess", "signed"),
        Column("beyond the mean", "difference", "forest", "with 95 %"), Column("beyond", "difference", "signed"),
    )  # fmt: skip
    tables = []
    for kind, caption, extra in (
        ("found", "Found: further from the mean than chance allows", (
            Column("q", "q_value", "p", "Benjamini-Hochberg"), Column("held out", "held_out", "signed"),
            Column("p there", "held_out_p", "p"), Column("holds", "confirmed", "truth"))),
        ("given", "By the columns that were asked for", (Column("p", "p_value", "p"),)),
    ):  # fmt: skip
        if slices[kind]:
            tables.append(Table(numbers, caption, f"analysis.slices.{kind}", first(slices[kind], detail.slices),
                                (*columns, *extra), whisker, max(len(slices[kind]) - detail.slices, 0)))  # fmt: skip
    return Section(
        "slices", "Slices", {"tables": tables, "notes": first(slices["notes"], detail.notes), "s": "analysis.slices"}
    )


def _rows(numbers: Numbers, detail: Detail) -> Section | None:
    rows, suspects = numbers.data["dearest"], numbers.data["analysis"]["suspects"]
    if not rows and suspects is None:
        return None
    several, weighted = len(numbers.data["files"]) > 1, any(row["weight"] != 1 for row in rows)
    table = Table(numbers, "By what they cost", "dearest", first(rows, detail.dearest), (
        Column("row", "row", "count"), *([Column("file", "file", "path")] if several else []),
        Column("nats", "loss"), Column("truth", "target", "name"), Column("its p", "prob", "prob"),
        Column("favourite", "favourite", "name"), Column("its p", "favourite_prob", "prob"),
        *([Column("weight", "weight", "general")] if weighted else []),
    ), more=max(len(rows) - detail.dearest, 0)) if rows else None  # fmt: skip
    doubts = Table(numbers, "Rows by the probability of their truth", "analysis.suspects.thresholds",
                   first(suspects["thresholds"], 40), (
        Column("below", "prob", "rough"), Column("rows", "rows", "count"),
        Column("expected", "expected", "rough", "of a calibrated model"), Column("p", "p_value", "p"),
    )) if suspects is not None and suspects["thresholds"] else None  # fmt: skip
    return Section("rows", "Dearest rows", {"table": table, "doubts": doubts, "s": "analysis.suspects"})


def _repair(numbers: Numbers, detail: Detail) -> Section | None:
    ladder, path = numbers.data["analysis"]["ladder"], "analysis.ladder"
    if ladder is None or not ladder["rungs"]:
        return None
    table = Table(numbers, "Repairs, from few parameters to many", path + ".rungs", first(ladder["rungs"], 20), (
        Column("repair", "method", "text"), Column("gain", "gain", "signed", "cross-fitted"),
        Column("SE", "standard_error"), Column("gain with its interval", "gain", "forest"),
        Column("in sample", "in_sample", "signed"), Column("pays", "pays", "truth"),
        Column("what it does", "said", "text"), Column("rows", "rows", "count"),
        *([Column("trouble", "trouble", "text")] if any(r["trouble"] for r in ladder["rungs"]) else []),
    ), Forest("gain", "low", "high", "standard_error"), sortable=False)  # fmt: skip
    return Section("repair", "What can be repaired", {"table": table, "l": path})


def _spreads(numbers: Numbers) -> Table | None:
    path, spreads = "analysis.spreads", numbers.data["analysis"]["spreads"]
    return Table(numbers, "The error of the mean, by one way of reckoning and another", path, first(spreads, 10), (
        Column("rows", "method", "text"), Column("by", "column", "name"), Column("SE", "standard_error"),
        Column("low", "low"), Column("high", "high"), Column("units", "units", "count"),
        Column("lags", "lags", "count"), Column("design effect", "design_effect", "general"),
    )) if spreads else None  # fmt: skip
