"""One sentence on what to do."""

from __future__ import annotations

import math
import re
from typing import Any

from markupsafe import Markup

from .numbers import Numbers

_NAMES = {
    "temperature": "temperature scaling", "platt": "Platt scaling", "beta": "beta calibration",
    "vector": "vector scaling", "matrix": "matrix scaling", "isotonic": "isotonic recalibration",
}  # fmt: skip
_TEMPERATURE = re.compile(r"T = ([0-9.eE+-]+)")


def advice(numbers: Numbers) -> Markup | None:
    """What the numbers say to do next; None where they say nothing."""
    data = numbers.data
    if data["infinite"]:
        return _lost(numbers)
    ladder = data["analysis"]["ladder"]
    if ladder is None or not ladder["rungs"]:
        return None
    if ladder["best"] is None:
        tried = [rung for rung in ladder["rungs"] if rung["gain"] is not None]
        return Markup("No repair that was tried pays: leave the predictions as they are.") if tried else None
    best = next(i for i, rung in enumerate(ladder["rungs"]) if rung["method"] == ladder["best"])
    return _repair(numbers, f"analysis.ladder.rungs.{best}", ladder["rungs"][best])


def _lost(numbers: Numbers) -> Markup:
    data = numbers.data
    said = Markup("{} of {} rows give the truth probability 0, so no mean is finite. ").format(
        numbers.number("infinite", "count"), numbers.number("rows", "count")
    )
    if data["finite_mean"] is not None:
        said += Markup("The others cost {} nats each on average. ").format(numbers.number("finite_mean"))
    return said + Markup("Look at the <a href=#rows>dearest rows</a> first.") if data["dearest"] else said


def _repair(numbers: Numbers, path: str, rung: dict[str, Any]) -> Markup:
    share = numbers.number("analysis.ladder.repairable / log_loss", "percent")
    rest = numbers.number("log_loss - analysis.ladder.repairable")
    found = _TEMPERATURE.fullmatch(rung["said"]) if rung["method"] == "temperature" else None
    if found and math.isfinite(float(found[1])):
        over = float(found[1]) > 1
        what = "over-confidence" if over else "under-confidence"
        how = Markup("dividing the logits by <b>{}</b>").format(found[1])
    else:
        name = _NAMES.get(rung["method"], rung["method"])
        how = Markup("<b>{}</b> ({})").format(name, numbers.text(path + ".said"))
        return Markup("{} of this loss can be repaired: {} gives <b>{}</b> nats.").format(share, how, rest)
    return Markup("{} of this loss is {}: {} gives <b>{}</b> nats.").format(share, what, how, rest)
